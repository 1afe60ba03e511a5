import type { Result } from "#base";
import type { Once, QueueTransaction } from "#queue";

/** As the queue does with its own commands (Q15): a repetition is answered with the result of the first time. */
export function goalOnce<T>(
  tx: QueueTransaction,
  label: string,
  nowMs: number,
  once: Once | undefined,
  command: (tx: QueueTransaction) => Result<T>,
): Result<T> {
  if (once === undefined) return command(tx);
  const known = tx.commandResult(once.id);
  // `as`: written below, by the same command; results are JSON throughout.
  if (known !== undefined) return JSON.parse(known) as Result<T>;
  const result = command(tx);
  tx.putCommandResult({ id: once.id, node: once.node, kind: label, result: JSON.stringify(result), atMs: nowMs });
  return result;
}
