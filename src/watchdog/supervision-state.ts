/** What the machine of supervision.ts is given and gives back. */
import type { Exit, Fault, Pulse } from "./fault.ts";

/** What follows once nothing of the process is left. */
export type After = "restart" | "backoff" | "end";

/** `dueMs` is null while a probe is under way. */
export type Probing = { readonly dueMs: number | null; readonly failures: number };

export type Phase =
  | { readonly kind: "idle" }
  | { readonly kind: "starting"; readonly sinceMs: number; readonly probing: Probing }
  | { readonly kind: "running"; readonly sinceMs: number; readonly beatMs: number; readonly probing: Probing }
  | {
      readonly kind: "stopping";
      readonly then: After;
      readonly killAtMs: number;
      readonly deadlineMs: number;
      readonly isKilled: boolean;
    }
  | { readonly kind: "waiting"; readonly untilMs: number }
  /** `then` is null when the budget is used up, else what follows if the rest of the process ends after all. */
  | { readonly kind: "held"; readonly then: After | null }
  | { readonly kind: "ended" };

export type SupervisionState = {
  readonly phase: Phase;
  /** How often it was started. */
  readonly generation: number;
  /** Whether anything of it may be left. */
  readonly isPresent: boolean;
  /** Faults since the last healthy window. */
  readonly failures: number;
  readonly faultsAtMs: readonly number[];
  /** The last fault. */
  readonly fault: Fault | null;
};

/** `nowMs` is monotonic, `draw` uniform in [0, 1). */
export type Moment = { readonly nowMs: number; readonly draw: number };

export type Happening =
  | { readonly kind: "start" }
  /** A living process that an earlier watchdog started is taken over. */
  | { readonly kind: "adopted" }
  | { readonly kind: "spawned"; readonly generation: number }
  | { readonly kind: "notStarted"; readonly generation: number; readonly reason: string }
  | { readonly kind: "ready"; readonly generation: number }
  | { readonly kind: "heartbeat"; readonly generation: number; readonly pulses: readonly Pulse[] }
  /** `reason` is null when it passed. */
  | { readonly kind: "probed"; readonly generation: number; readonly reason: string | null }
  | { readonly kind: "measured"; readonly generation: number; readonly rssBytes: number }
  | { readonly kind: "exited"; readonly generation: number; readonly exit: Exit }
  /** Nothing of its group, session, descendants and orphans is left. */
  | { readonly kind: "gone"; readonly generation: number }
  /** `lateMs` is by how much the timer was late. */
  | { readonly kind: "tick"; readonly lateMs: number }
  /** `isAsked`: it was told in another way, so that SIGTERM is left out. */
  | { readonly kind: "askedToStop"; readonly graceMs: number; readonly isAsked: boolean }
  | { readonly kind: "askedToRestart" }
  | { readonly kind: "released" }
  /** A person had a look: faults until now do not count against the budget any more. */
  | { readonly kind: "forgiven" };

export type SupervisionEvent = Moment & Happening;

export type Effect =
  | { readonly kind: "spawn" | "probe" | "terminate" | "kill" | "ended"; readonly generation: number }
  | { readonly kind: "record" | "hold"; readonly fault: Fault };

export type Step = { readonly state: SupervisionState; readonly effects: readonly Effect[] };

export const IDLE: SupervisionState = {
  phase: { kind: "idle" },
  generation: 0,
  isPresent: false,
  failures: 0,
  faultsAtMs: [],
  fault: null,
};
