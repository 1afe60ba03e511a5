/**
 * Nodes on which everything fails while it passes elsewhere: a broken tool or a full disk there would use up the attempts
 * of one task after the other. Pure but for what it counts; kept in memory, so a hub that starts anew asks them again.
 *
 * FN1: a node is backed off after {@link FAILURES} attempts in a row that failed, and only if others passed meanwhile.
 * FN2: it gets work again when its time is over; the next failure backs it off for twice as long, a pass forgives all.
 */
import type { NodeId } from "#base";
import type { AttemptOutcome } from "#queue";

export const FAILURES = 5;
/** One pass elsewhere may be luck, or a task that cannot fail. */
export const PASSES_ELSEWHERE = 3;
export const FIRST_BACK_OFF_MS = 30_000;
export const MAX_BACK_OFF_MS = 15 * 60_000;

/** `untilMs` is monotonic. */
export type NodeBackOff = { readonly untilMs: number; readonly reason: string };

type Run = { failures: number; elsewhere: number; backOffs: number; untilMs: number };

export class FailingNodes {
  readonly #runs = new Map<NodeId, Run>();

  /** An attempt passed, on whatever node. */
  passedSomewhere(): void {
    for (const run of this.#runs.values()) run.elsewhere += 1;
  }

  /** @param nowMs monotonic */
  ended(node: NodeId, outcome: AttemptOutcome, nowMs: number): void {
    if (outcome === "passed") this.#runs.delete(node);
    // What was cancelled, or passed in part, says nothing of its node.
    if (outcome === "passed" || outcome === "cancelled" || outcome === "partial_pass") return;
    const run = this.#runs.get(node) ?? { failures: 0, elsewhere: 0, backOffs: 0, untilMs: 0 };
    this.#runs.set(node, run);
    run.failures += 1;
    // Attempts that ran already when it was backed off end in their time.
    if (run.failures < FAILURES || run.elsewhere < PASSES_ELSEWHERE || nowMs < run.untilMs) return;
    run.untilMs = nowMs + Math.min(MAX_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** Math.min(run.backOffs, 10));
    run.backOffs += 1;
  }

  /** @returns why a node gets nothing now, or undefined. */
  backOff(node: NodeId, nowMs: number): NodeBackOff | undefined {
    const run = this.#runs.get(node);
    if (run === undefined || nowMs >= run.untilMs) return undefined;
    const reason = `its last ${run.failures} attempts failed while ${run.elsewhere} passed elsewhere`;
    return { untilMs: run.untilMs, reason };
  }

  drop(node: NodeId): void {
    this.#runs.delete(node);
  }
}
