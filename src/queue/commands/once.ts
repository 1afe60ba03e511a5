import type { Result } from "#base";
import type { CommandContext } from "../ledger.ts";
import type { QueueTransaction } from "../ports.ts";
import type { Once } from "../queue.ts";

/**
 * Q15: a command with an id takes effect at most once while its result is kept, and every repetition gets the result of
 * the first time; a refusal is a result like any other. The result is written with the effect.
 * @param isEffect false for a result that changed nothing and need not be kept: a repetition is then the first time
 */
export function runOnce<T>(
  tx: QueueTransaction,
  label: string,
  once: Once,
  context: CommandContext,
  command: (tx: QueueTransaction, context: CommandContext) => Result<T>,
  isEffect: (result: Result<T>) => boolean = () => true,
): Result<T> {
  const known = tx.commandResult(once.id);
  // `as`: written below, by the same command; results are JSON throughout.
  if (known !== undefined) return JSON.parse(known) as Result<T>;
  const result = command(tx, context);
  if (!isEffect(result)) return result;
  tx.putCommandResult({
    id: once.id,
    node: once.node,
    kind: label,
    result: JSON.stringify(result),
    atMs: context.nowMs,
  });
  return result;
}
