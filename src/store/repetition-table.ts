import { assert, type CommandId, type TaskId } from "#base";
import type { CommandRow } from "#queue";
import { type Connection, text } from "./connection.ts";
import { InsertBuffer } from "./insert-buffer.ts";
import { replaceOnConflict } from "./queue-columns.ts";

const IDEMPOTENCY_COLUMNS = ["key", "task_id", "body_hash", "at_ms"] as const;
const COMMAND_COLUMNS = ["id", "node", "kind", "result", "at_ms"] as const;

type Named = { readonly taskId: TaskId; readonly bodyHash: string };

/** By what a repetition is recognised: idempotency keys of submissions (Q10) and ids of commands (Q15). */
export class RepetitionTable {
  readonly #connection: Connection;
  readonly #keys: InsertBuffer;
  readonly #commands: InsertBuffer;
  readonly #newKeys = new Map<string, Named>();
  readonly #newCommands = new Map<CommandId, string>();

  constructor(connection: Connection) {
    this.#connection = connection;
    // In the place of a former entry whose task is gone.
    const replacing = replaceOnConflict(IDEMPOTENCY_COLUMNS);
    this.#keys = new InsertBuffer(connection, "idempotency", IDEMPOTENCY_COLUMNS, replacing);
    this.#commands = new InsertBuffer(connection, "command", COMMAND_COLUMNS);
  }

  named(key: string): Named | undefined {
    return this.#newKeys.get(key) ?? this.#storedKey(key);
  }

  name(key: string, taskId: TaskId, bodyHash: string, atMs: number): void {
    this.#newKeys.set(key, { taskId, bodyHash });
    this.#keys.add([key, taskId, bodyHash, atMs]);
  }

  result(id: CommandId): string | undefined {
    const fresh = this.#newCommands.get(id);
    if (fresh !== undefined) return fresh;
    const row = this.#connection.prepare("SELECT result FROM command WHERE id = ?").get([id]);
    return row === undefined ? undefined : text(row, 0);
  }

  answer(row: CommandRow): void {
    assert(this.result(row.id) === undefined, `Q15: command ${row.id} is answered once`);
    this.#newCommands.set(row.id, row.result);
    this.#commands.add([row.id, row.node, row.kind, row.result, row.atMs]);
  }

  flush(): void {
    this.#keys.flush();
    this.#commands.flush();
  }

  /** After COMMIT. */
  settle(): void {
    this.#newKeys.clear();
    this.#newCommands.clear();
  }

  /** After ROLLBACK. */
  forget(): void {
    this.#keys.clear();
    this.#commands.clear();
    this.settle();
  }

  #storedKey(key: string): Named | undefined {
    const row = this.#connection.prepare("SELECT task_id, body_hash FROM idempotency WHERE key = ?").get([key]);
    // `as`: written from a TaskId.
    return row === undefined ? undefined : { taskId: text(row, 0) as TaskId, bodyHash: text(row, 1) };
  }
}
