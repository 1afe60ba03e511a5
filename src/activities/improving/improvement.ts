/** What is known of findings, and of what was tried about them. */
import type { ScanFinding } from "#repos";

/**
 * - `open`: the latest look saw it.
 * - `gone`: it did not.
 * - `dismissed`: a person said that it is to be left.
 */
export const FINDING_STATES = ["open", "gone", "dismissed"] as const;
export type FindingState = (typeof FINDING_STATES)[number];

/** Who said so: our own look, a tool of the repository, or a model. */
export const FINDING_SOURCES = ["scan", "tool", "model"] as const;
export type FindingSource = (typeof FINDING_SOURCES)[number];

export type KnownFinding = ScanFinding & {
  readonly repository: string;
  readonly source: FindingSource;
  readonly state: FindingState;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  /** How often it came back after it was gone. */
  readonly returns: number;
  /** Why a person dismissed it. */
  readonly reason: string | null;
};

/**
 * - `chosen`: decided, and not yet a goal.
 * - `working`: its goal has not ended.
 * - `done`: its goal was reached and delivered, or waits for a person to take it.
 * - `failed`: its goal failed, or the finding was still there afterwards.
 * - `reverted`: what it changed was taken back.
 * - `cancelled`: a person ended it.
 */
export const TRY_STATES = ["chosen", "working", "done", "failed", "reverted", "cancelled"] as const;
export type TryState = (typeof TRY_STATES)[number];

/** One try to mend a finding. */
export type Try = {
  readonly repository: string;
  readonly fingerprint: string;
  /** 1, 2, 3 … for the finding. */
  readonly n: number;
  readonly kind: ScanFinding["kind"];
  readonly rule: string;
  readonly path: string;
  /** Files that it touches, as far as is known: that of the finding, then those of the delivery. */
  readonly files: readonly string[];
  readonly state: TryState;
  readonly goal: string | null;
  readonly why: string;
  readonly chosenAtMs: number;
  /** Null while it is `chosen` or `working`. */
  readonly endedAtMs: number | null;
};

export function isTryOpen({ state }: Pick<Try, "state">): boolean {
  return state === "chosen" || state === "working";
}

/** One look at a repository. */
export type ScanRecord = {
  readonly repository: string;
  readonly revision: string;
  readonly atMs: number;
  readonly files: number;
  readonly read: number;
  readonly findings: number;
  /** What was not looked at, and what could not be run, each with its reason. */
  readonly leftOut: readonly string[];
};
