import { ok, type Result } from "#base";
import type { CommandContext } from "../ledger.ts";
import type { QueueTransaction } from "../ports.ts";
import type { Once } from "../queue.ts";

/** How a result is kept for a repetition. */
export type Keeping<T> = {
  /** False for a result that changed nothing and need not be kept: a repetition is then the first time. */
  readonly isEffect: (result: Result<T>) => boolean;
  /** The part of a result that cannot be found again; JSON throughout. */
  readonly kept: (value: T) => unknown;
  /** The result, from what was kept of it and from what the store holds now. */
  readonly recalled: (tx: QueueTransaction, kept: unknown) => T;
};

/**
 * Q15: a command with an id takes effect at most once while its result is kept, and every repetition gets the result of
 * the first time; a refusal is a result like any other. The result is written with the effect.
 */
export function runOnce<T>(
  tx: QueueTransaction,
  label: string,
  once: Once,
  context: CommandContext,
  command: (tx: QueueTransaction, context: CommandContext) => Result<T>,
  keeping?: Keeping<T>,
): Result<T> {
  const known = tx.commandResult(once.id);
  if (known !== undefined) {
    // `as`: written below, by the same command; results are JSON throughout.
    const result = JSON.parse(known) as Result<T>;
    return keeping === undefined || !result.ok ? result : ok(keeping.recalled(tx, result.value));
  }
  const result = command(tx, context);
  if (keeping?.isEffect(result) === false) return result;
  const kept = keeping === undefined || !result.ok ? result : ok(keeping.kept(result.value));
  tx.putCommandResult({
    id: once.id,
    node: once.node,
    kind: label,
    result: JSON.stringify(kept),
    atMs: context.nowMs,
  });
  return result;
}
