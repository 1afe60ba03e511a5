/** Random histories of a supervised process: what may happen to it and when, and a policy. */
import fc from "fast-check";
import { rulesOf, type SupervisionRules } from "../../../src/watchdog/policy.ts";

/** `when` is how long nothing else happens before. */
export type Turn = { readonly whenMs: number; readonly draw: number; readonly deed: Deed };

export type Deed =
  | "start"
  | "ready"
  | "heartbeat"
  | "stalePulse"
  | "probePassed"
  | "probeFailed"
  | "fat"
  | "exit"
  | "gone"
  | "stopSoon"
  | "stopLater"
  | "restart"
  | "release"
  | "spawnFails"
  | "staleNews"
  | "standStill";

const deeds: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom<Deed>("ready", "gone", "start") },
  { weight: 5, arbitrary: fc.constantFrom<Deed>("exit", "heartbeat", "probePassed", "probeFailed") },
  { weight: 2, arbitrary: fc.constantFrom<Deed>("release", "staleNews", "stalePulse", "spawnFails") },
  { weight: 1, arbitrary: fc.constantFrom<Deed>("fat", "stopSoon", "stopLater", "restart", "standStill") },
);

const turns: fc.Arbitrary<Turn> = fc.record({
  whenMs: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 3_000 })),
  draw: fc.double({ min: 0, max: 0.999, noNaN: true }),
  deed: deeds,
});

const rules: fc.Arbitrary<SupervisionRules> = fc
  .record({
    startLimitMs: fc.integer({ min: 200, max: 2_000 }),
    heartbeatLimitMs: fc.option(fc.integer({ min: 200, max: 2_000 })),
    probeEveryMs: fc.integer({ min: 50, max: 1_000 }),
    probeFailures: fc.integer({ min: 1, max: 3 }),
    termGraceMs: fc.integer({ min: 0, max: 500 }),
    killMarginMs: fc.integer({ min: 1, max: 500 }),
    firstMs: fc.integer({ min: 1, max: 200 }),
    maxMs: fc.integer({ min: 200, max: 1_000 }),
    healthyAfterMs: fc.integer({ min: 100, max: 2_000 }),
    restarts: fc.integer({ min: 0, max: 4 }),
    withinMs: fc.integer({ min: 500, max: 20_000 }),
    usesHeartbeat: fc.boolean(),
    probes: fc.boolean(),
  })
  .map((drawn) =>
    rulesOf(
      {
        ...drawn,
        killLimitMs: drawn.termGraceMs + drawn.killMarginMs,
        backoff: { firstMs: drawn.firstMs, maxMs: drawn.maxMs, healthyAfterMs: drawn.healthyAfterMs },
        budget: { restarts: drawn.restarts, withinMs: drawn.withinMs },
        memoryLimitBytes: 1_000,
      },
      drawn.usesHeartbeat,
      drawn.probes,
    ),
  );

export type History = { readonly rules: SupervisionRules; readonly turns: readonly Turn[] };

export const histories: fc.Arbitrary<History> = fc.record({
  rules,
  turns: fc.array(turns, { minLength: 5, maxLength: 60, size: "max" }),
});
