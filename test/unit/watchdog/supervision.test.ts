import { describe, expect, it } from "vitest";
import { DEFAULT_POLICY, REFUSED_EXIT } from "#watchdog";
import { restartDelayMs, rulesOf, type SupervisionRules } from "../../../src/watchdog/policy.ts";
import { dueMs, step } from "../../../src/watchdog/supervision.ts";
import { type Happening, IDLE, type SupervisionState } from "../../../src/watchdog/supervision-state.ts";

const RULES: SupervisionRules = rulesOf(
  {
    ...DEFAULT_POLICY,
    startLimitMs: 1_000,
    heartbeatLimitMs: 500,
    probeEveryMs: 5_000,
    termGraceMs: 200,
    killLimitMs: 300,
    backoff: { firstMs: 100, maxMs: 400, healthyAfterMs: 10_000 },
    budget: { restarts: 2, withinMs: 60_000 },
    memoryLimitBytes: 1_000,
  },
  true,
  false,
);
const exit = { code: 1, signal: null, outOfMemory: false };
const pulse = (ageMs: number) => ({ name: "queue upkeep", ageMs, limitMs: 50 });

type Line = readonly [atMs: number, happening: Happening];

/** @returns the state after the lines, and the names of all effects with the instants at which they came. */
function after(
  lines: readonly Line[],
  rules = RULES,
): { readonly state: SupervisionState; readonly effects: string[] } {
  let state = IDLE;
  const effects: string[] = [];
  for (const [nowMs, happening] of lines) {
    const next = step(state, { ...happening, nowMs, draw: 0 }, rules);
    state = next.state;
    effects.push(...next.effects.map(({ kind }) => `${nowMs} ${kind}`));
  }
  return { state, effects };
}

const RUNNING: readonly Line[] = [
  [0, { kind: "start" }],
  [10, { kind: "spawned", generation: 1 }],
  [100, { kind: "ready", generation: 1 }],
];
const tick: Happening = { kind: "tick", lateMs: 0 };

describe("the machine of a supervised process", () => {
  it.each<[string, readonly Line[], string, readonly string[]]>([
    ["runs once it says that it is ready", RUNNING, "running", ["0 spawn"]],
    [
      "W8: is ended when it is not ready in time",
      [...RUNNING.slice(0, 2), [1_000, tick]],
      "stopping",
      ["0 spawn", "1000 record", "1000 terminate"],
    ],
    [
      "W8: is killed without grace when it is silent",
      [...RUNNING, [600, tick]],
      "stopping",
      ["0 spawn", "600 record", "600 kill"],
    ],
    [
      "lives on by heartbeats",
      [...RUNNING, [500, { kind: "heartbeat", generation: 1, pulses: [pulse(50)] }], [900, tick]],
      "running",
      ["0 spawn"],
    ],
    [
      "W8: is ended when one of its loops stands still",
      [...RUNNING, [500, { kind: "heartbeat", generation: 1, pulses: [pulse(1), pulse(51)] }]],
      "stopping",
      ["0 spawn", "500 record", "500 terminate"],
    ],
    [
      "is ended when it takes too much memory",
      [...RUNNING, [500, { kind: "measured", generation: 1, rssBytes: 1_001 }]],
      "stopping",
      ["0 spawn", "500 record", "500 terminate"],
    ],
    [
      "W9: is given the time back in which the watchdog stood still",
      [...RUNNING, [9_000, { kind: "tick", lateMs: 8_400 }]],
      "running",
      ["0 spawn"],
    ],
    [
      "W4: waits after a fault",
      [...RUNNING, [200, { kind: "exited", generation: 1, exit }], [210, { kind: "gone", generation: 1 }], [259, tick]],
      "waiting",
      ["0 spawn", "200 record", "200 kill"],
    ],
    [
      "W4: is started after its delay",
      [...RUNNING, [200, { kind: "exited", generation: 1, exit }], [210, { kind: "gone", generation: 1 }], [260, tick]],
      "starting",
      ["0 spawn", "200 record", "200 kill", "260 spawn"],
    ],
    [
      "W5: is killed after its grace",
      [...RUNNING, [200, { kind: "askedToStop", graceMs: 50, isAsked: false }], [250, tick]],
      "stopping",
      ["0 spawn", "200 terminate", "250 kill"],
    ],
    [
      "W5: is held when something is left at the deadline",
      [...RUNNING, [200, { kind: "askedToStop", graceMs: 50, isAsked: false }], [250, tick], [350, tick]],
      "held",
      ["0 spawn", "200 terminate", "250 kill", "350 kill", "350 record", "350 hold"],
    ],
    [
      "W2: ends without a fault when it was asked to",
      [
        ...RUNNING,
        [200, { kind: "askedToStop", graceMs: 50, isAsked: true }],
        [220, { kind: "exited", generation: 1, exit }],
        [225, { kind: "gone", generation: 1 }],
      ],
      "ended",
      ["0 spawn", "220 kill", "225 ended"],
    ],
    [
      "is restarted at once when it was asked to",
      [
        ...RUNNING,
        [200, { kind: "askedToRestart" }],
        [220, { kind: "exited", generation: 1, exit }],
        [225, { kind: "gone", generation: 1 }],
      ],
      "starting",
      ["0 spawn", "200 terminate", "220 kill", "225 spawn"],
    ],
    [
      "W7: does not hear news of an earlier generation",
      [...RUNNING, [200, { kind: "exited", generation: 0, exit }]],
      "running",
      ["0 spawn"],
    ],
    [
      "W6: does not start when a person releases what is not held",
      [
        [0, { kind: "askedToStop", graceMs: 0, isAsked: false }],
        [1, { kind: "released" }],
      ],
      "ended",
      ["0 ended"],
    ],
    ["runs when it was taken over", [[0, { kind: "adopted" }]], "running", []],
  ])("%s", (_, lines, phase, effects) => {
    const result = after(lines);

    expect({ phase: result.state.phase.kind, effects: result.effects }).toEqual({ phase, effects });
  });

  it("W9: is probed also where every tick is late", () => {
    const passes: Happening = { kind: "probed", generation: 1, reason: null };
    const late: Happening = { kind: "tick", lateMs: 900 };
    const result = after([...RUNNING, [4_000, late], [6_000, late], [6_010, passes], [12_000, late]], {
      ...RULES,
      probes: true,
    });

    expect(result.effects).toEqual(["0 spawn", "6000 probe", "12000 probe"]);
    expect(result.state.phase.kind).toBe("running");
  });

  it("W3: is held at the third fault of two that are allowed, and free again when a person releases it", () => {
    const crash = (generation: number, atMs: number): readonly Line[] => [
      [atMs, { kind: "exited", generation, exit }],
      [atMs, { kind: "gone", generation }],
      [atMs + 400, tick],
    ];
    const held = [
      ...RUNNING.slice(0, 2),
      ...crash(1, 100),
      ...crash(2, 1_000),
      ...crash(3, 2_000),
      [60_000, tick],
    ] satisfies Line[];

    expect(after(held).state).toMatchObject({ phase: { kind: "held" }, generation: 3, isPresent: false });
    expect(after([...held, [70_000, { kind: "released" }]]).state).toMatchObject({
      phase: { kind: "starting" },
      generation: 4,
      failures: 0,
    });
  });

  it("W3: is held by the first fault of a process that says that another start would be in vain", () => {
    const refused = { ...exit, code: REFUSED_EXIT };
    const result = after([
      ...RUNNING.slice(0, 1),
      [100, { kind: "exited", generation: 1, exit: refused }],
      [110, { kind: "gone", generation: 1 }],
      [60_000, tick],
    ]);

    expect(result.state).toMatchObject({ phase: { kind: "held" }, generation: 1, fault: { kind: "refused" } });
  });

  it("W3: is started again after a third fault when those before it were forgiven", () => {
    const crash = (generation: number, atMs: number): readonly Line[] => [
      [atMs, { kind: "exited", generation, exit }],
      [atMs, { kind: "gone", generation }],
      [atMs + 400, tick],
    ];
    const [first, third] = [[...RUNNING.slice(0, 2), ...crash(1, 100), ...crash(2, 1_000)], crash(3, 2_000)];

    expect(after([...first, ...third]).state.phase.kind).toBe("held");
    expect(after([...first, [1_900, { kind: "forgiven" }], ...third]).state.phase.kind).toBe("starting");
  });

  it("says when something runs out next, and asks for nothing when nothing does", () => {
    expect(dueMs(IDLE, RULES)).toBe(Infinity);
    expect(dueMs(after(RUNNING.slice(0, 1)).state, RULES)).toBe(1_000);
    expect(dueMs(after(RUNNING).state, RULES)).toBe(600);
    const silent = rulesOf(RULES, false, false);
    expect(dueMs(after(RUNNING, silent).state, silent)).toBe(Infinity);
  });
});

describe("the delay before a restart", () => {
  it.each([
    [1, 0, 50],
    [1, 0.999_999, 100],
    [2, 0, 100],
    [3, 0.5, 300],
    [4, 0, 200],
    [1_000, 0.999_999, 400],
  ])("after %i faults with draw %f is %i ms", (failures, draw, expected) => {
    expect(restartDelayMs(failures, RULES.backoff, draw)).toBe(expected);
  });
});
