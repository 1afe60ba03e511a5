/**
 * What healing did for a time and undoes then: keys that it paused, ways that it opened. Kept in node.db before it is done,
 * so that nothing of it outlives its time because of a crash.
 */
import type { Care, MindJournal } from "#activities";
import { describeFailure, type Logger, ok, type Result } from "#base";
import type { FsmRules, RemediationName } from "#fsm";
import type { Queue } from "#queue";
import type { Detours } from "../models/detours.ts";

export type CareParts = {
  readonly journal: Pick<MindJournal, "cares" | "putCare" | "dropCare">;
  readonly rules: FsmRules;
  readonly detours: Pick<Detours, "open" | "close">;
  readonly queue: Pick<Queue, "store" | "setKeyPolicy">;
  readonly logger: Logger;
  /** The time of the mind. */
  readonly nowMs: () => number;
};

export class Cares {
  readonly #parts: CareParts;
  #isEnding = false;
  /** Before this nothing is to be undone, and nothing is read: nobody else keeps any. */
  #dueAtMs = Number.NEGATIVE_INFINITY;

  constructor(parts: CareParts) {
    this.#parts = parts;
  }

  /** Opens what was open when the node ended. */
  start(): Result<void> {
    const cares = this.#parts.journal.cares();
    if (!cares.ok) return cares;
    const nowMs = this.#parts.nowMs();
    for (const { kind, untilMs } of cares.value) {
      if (kind !== "pausedKey" && untilMs > nowMs) this.#parts.detours.open(kind);
    }
    return ok(undefined);
  }

  /** Durable from here on, for as long as the remediation hands its fault over. */
  readonly handOver = (care: Pick<Care, "kind" | "target">, remediation: RemediationName): Result<void> => {
    const { journal, rules, detours, nowMs } = this.#parts;
    const forMs = rules.remediations.reduce(
      (longest, { name, rule }) =>
        name === remediation && rule.kind === "handsOver" ? Math.max(longest, rule.forMs) : longest,
      0,
    );
    const untilMs = nowMs() + forMs;
    const kept = journal.putCare({ ...care, untilMs });
    this.#dueAtMs = Math.min(this.#dueAtMs, untilMs);
    if (kept.ok && care.kind !== "pausedKey") detours.open(care.kind);
    return kept;
  };

  /** Undoes what is over. Never throws. */
  async endDue(): Promise<void> {
    if (this.#isEnding || this.#parts.nowMs() < this.#dueAtMs) return;
    this.#isEnding = true;
    const { journal, logger, nowMs } = this.#parts;
    try {
      const cares = journal.cares();
      if (!cares.ok) return;
      const atMs = nowMs();
      const due = cares.value.filter(({ untilMs }) => untilMs <= atMs);
      // Anew in the next turn while something of it could not be undone.
      this.#dueAtMs = Math.min(...cares.value.map(({ untilMs }) => untilMs));
      for (const care of due) {
        const undone = await this.#undo(care);
        const dropped = undone.ok ? journal.dropCare(care) : undone;
        if (!dropped.ok)
          logger.warn("what healing did was not undone", { ...care, failure: describeFailure(dropped.error) });
      }
    } catch (cause) {
      logger.error("what healing did was not undone by a bug", { cause: String(cause) });
    } finally {
      this.#isEnding = false;
    }
  }

  async #undo({ kind, target }: Care): Promise<Result<void>> {
    const { detours, queue } = this.#parts;
    if (kind !== "pausedKey") {
      detours.close(kind);
      return ok(undefined);
    }
    const policy = await queue.store.transact("look at the limits of a key", (tx) => ok(tx.key(target)?.policy));
    // Somebody resumed it meanwhile, or it is gone.
    if (!policy.ok || policy.value?.paused !== true) return policy.ok ? ok(undefined) : policy;
    const resumed = await queue.setKeyPolicy(target, { ...policy.value, paused: false });
    return resumed.ok ? ok(undefined) : resumed;
  }
}
