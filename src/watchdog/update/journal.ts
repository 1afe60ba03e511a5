import { assert } from "#base";
import { FieldReader } from "./field-reader.ts";
import { MAX_INSTANT_MS, readVersion } from "./manifest.ts";
import type { Version } from "./version.ts";

/** The steps of a swap; `docs/operations/releases.md` says what each does. */
export const SWAP_STEPS = [
  "staged",
  "verified",
  "selftested",
  "draining",
  "switching",
  "starting",
  "probation",
  "committed",
  "rollingBack",
  "rolledBack",
  "abandoned",
] as const;
export type SwapStep = (typeof SWAP_STEPS)[number];

/** Starts of one release that are counted before the count means nothing more. */
const MAX_BOOTS = 1_000;
/** A swap passes each step once, and `starting` once for every boot; older entries of it are dropped. */
const MAX_STEPS = 64;
const MAX_TEXT_CHARS = 2_000;
const ANY = /^[\s\S]*$/;
const TRY_ID = /^[0-9a-z-]{1,64}$/;

export type StepTime = { readonly step: SwapStep; readonly atMs: number };

/**
 * The swap in progress, as it is on disk. Written durably before anything of its step is done, so whoever reads it
 * knows what may have happened and what cannot have.
 */
export type Journal = {
  /** One try of one release; its row in the history has the same. */
  readonly id: string;
  readonly kind: "update" | "rollback";
  readonly version: Version;
  /** What ran before, and what goes on after a failure; null at the first release. */
  readonly from: Version | null;
  /** Where `previous` led before the swap. */
  readonly previousBefore: Version | null;
  readonly askedBy: string;
  readonly startedAtMs: number;
  readonly step: SwapStep;
  readonly steps: readonly StepTime[];
  /** Starts of the new release, counted before each. */
  readonly boots: number;
  /** The copy of the state taken before the new release could change its form; null when it does not change it. */
  readonly stateCopy: string | null;
  /** What the floor is raised to after probation; null leaves it. */
  readonly minimumVersion: Version | null;
  readonly reason: string | null;
};

export type SwapEvent =
  | { readonly kind: "verified" }
  | { readonly kind: "selftested" }
  | { readonly kind: "announced" }
  | { readonly kind: "drained"; readonly stateCopy: string | null }
  | { readonly kind: "switched" }
  /** The new release is about to be started once more. */
  | { readonly kind: "starting" }
  | { readonly kind: "ready" }
  | { readonly kind: "healthy" }
  | { readonly kind: "returned"; readonly remark: string | null }
  | { readonly kind: "failed"; readonly reason: string };

/** What is due in a step, after the journal that names it is durable. */
export type SwapEffect =
  | "verify"
  | "selftest"
  | "announce"
  | "drain"
  | "switch"
  | "start"
  | "watch"
  | "goBack"
  | "close";

const DUE: Readonly<Record<SwapStep, SwapEffect>> = {
  staged: "verify",
  verified: "selftest",
  selftested: "announce",
  draining: "drain",
  switching: "switch",
  starting: "start",
  probation: "watch",
  committed: "close",
  rollingBack: "goBack",
  rolledBack: "close",
  abandoned: "close",
};

export function dueEffect(step: SwapStep): SwapEffect {
  return DUE[step];
}

/** Steps in which the old node has not been asked to end; a failure there changes nothing for anybody. */
const UNTOUCHED: readonly SwapStep[] = ["staged", "verified", "selftested"];
const ENDED: readonly SwapStep[] = ["committed", "rolledBack", "abandoned"];

/** Where each event but `failed` leads from and to. */
const PATHS: Readonly<
  Record<Exclude<SwapEvent["kind"], "failed">, readonly [from: readonly SwapStep[], to: SwapStep]>
> = {
  verified: [["staged"], "verified"],
  selftested: [["verified"], "selftested"],
  announced: [["selftested"], "draining"],
  drained: [["draining"], "switching"],
  switched: [["switching"], "starting"],
  starting: [["starting", "probation"], "starting"],
  ready: [["starting"], "probation"],
  healthy: [["probation"], "committed"],
  returned: [["rollingBack"], "rolledBack"],
};

export type NewSwap = Pick<
  Journal,
  "id" | "kind" | "version" | "from" | "previousBefore" | "askedBy" | "minimumVersion"
>;

export function beginSwap(order: NewSwap, atMs: number): Journal {
  return {
    ...order,
    startedAtMs: atMs,
    step: "staged",
    steps: [{ step: "staged", atMs }],
    boots: 0,
    stateCopy: null,
    reason: null,
  };
}

/**
 * The machine of a swap. Invariants, cited by the tests:
 *
 * - U1: the links move only in `switching` and `rollingBack`, and both are reached only through `draining`.
 * - U2: `committed` is reached only from `probation`, so the floor rises only for a release that was healthy.
 * - U3: a failure before `draining` ends in `abandoned`, any later one in `rollingBack`: one way back, whatever failed.
 * - U4: each start of the new release was counted before it, so a release that kills its watchdog is counted too.
 * - U5: an ended swap stays as it ended.
 */
export function advanceSwap(journal: Journal, event: SwapEvent, atMs: number): Journal {
  if (event.kind === "failed") {
    assert(!ENDED.includes(journal.step), `U5: a swap that is ${journal.step} fails no more`);
    if (journal.step === "rollingBack") return { ...journal, reason: event.reason };
    return enter(journal, UNTOUCHED.includes(journal.step) ? "abandoned" : "rollingBack", atMs, {
      reason: event.reason,
    });
  }
  const [from, to] = PATHS[event.kind];
  assert(from.includes(journal.step), `U1: ${event.kind} has no meaning while a swap is ${journal.step}`);
  switch (event.kind) {
    case "drained":
      return enter(journal, to, atMs, { stateCopy: event.stateCopy });
    case "switched":
    case "starting":
      return enter(journal, to, atMs, { boots: Math.min(journal.boots + 1, MAX_BOOTS) });
    case "returned":
      return enter(journal, to, atMs, {
        reason: event.remark === null ? journal.reason : `${journal.reason ?? "failed"}; ${event.remark}`,
      });
    case "verified":
    case "selftested":
    case "announced":
    case "ready":
    case "healthy":
      return enter(journal, to, atMs, {});
  }
}

function enter(journal: Journal, step: SwapStep, atMs: number, change: Partial<Journal>): Journal {
  const steps = [...journal.steps, { step, atMs }];
  const kept = steps.length <= MAX_STEPS ? steps : [...steps.slice(0, 1), ...steps.slice(1 - MAX_STEPS)];
  const reason = change.reason === undefined || change.reason === null ? journal.reason : change.reason;
  return { ...journal, ...change, reason: reason?.slice(0, MAX_TEXT_CHARS) ?? null, step, steps: kept };
}

export function writeJournal(journal: Journal): string {
  return `${JSON.stringify({ format: 1, ...journal })}\n`;
}

/** @returns undefined when the text is no journal: it was damaged, or a newer drover wrote it. */
export function readJournal(text: string): Journal | undefined {
  const reader = FieldReader.ofJson(text);
  reader.integer("format", 1, 1);
  const version = (name: string): Version | null => (reader.isNull(name) ? null : readVersion(reader, name));
  const words = (name: string): string | null => (reader.isNull(name) ? null : reader.text(name, ANY, MAX_TEXT_CHARS));
  const journal: Journal = {
    id: reader.text("id", TRY_ID, 64),
    kind: reader.choice("kind", ["update", "rollback"]),
    version: readVersion(reader, "version"),
    from: version("from"),
    previousBefore: version("previousBefore"),
    askedBy: reader.text("askedBy", ANY, MAX_TEXT_CHARS),
    startedAtMs: reader.integer("startedAtMs", 0, MAX_INSTANT_MS),
    step: reader.choice("step", SWAP_STEPS),
    steps: readSteps(reader),
    boots: reader.integer("boots", 0, MAX_BOOTS),
    stateCopy: words("stateCopy"),
    minimumVersion: version("minimumVersion"),
    reason: words("reason"),
  };
  return reader.fault === undefined ? journal : undefined;
}

export function readSteps(reader: FieldReader): readonly StepTime[] {
  return reader
    .objects("steps", MAX_STEPS)
    .map((each) => ({ step: each.choice("step", SWAP_STEPS), atMs: each.integer("atMs", 0, MAX_INSTANT_MS) }));
}
