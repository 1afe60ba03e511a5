import { type CommandId, type JsonValue, ok, type Result } from "#base";
import type { FleetCommand, Outbox, OutboxAnswer, OutboxRow } from "#fleet";
import { type Connection, number, text, textOrNull } from "./connection.ts";
import { onStorage } from "./storage-failure.ts";

const AMONG = "(SELECT value FROM json_each(?))";

/** The outbox in node.db: each call is one transaction that is on the disk when it returns. */
export class LibsqlOutbox implements Outbox {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  append(command: FleetCommand, atMs: number): Result<void> {
    const sql = "INSERT INTO outbox (id, kind, args, created_at_ms) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING";
    return this.#run("keep a command", sql, [command.id, command.kind, JSON.stringify(command.args), atMs]);
  }

  waiting(limit: number): Result<readonly OutboxRow[]> {
    return this.#rows("WHERE answered_epoch IS NULL ORDER BY n LIMIT ?", limit);
  }

  unshown(limit: number): Result<readonly OutboxRow[]> {
    // `IS NOT 0`: also those without an answer.
    return this.#rows("WHERE settled = 0 AND json_extract(result, '$.ok') IS NOT 0 ORDER BY n DESC LIMIT ?", limit);
  }

  answered(epoch: number, answers: readonly OutboxAnswer[]): Result<void> {
    if (answers.length === 0) return ok(undefined);
    // One statement for all of them: each commit waits for the disk, with everything else of this process.
    const sql = `UPDATE outbox SET answered_epoch = ?, result = json_extract(answer.value, '$.result')
      FROM json_each(?) AS answer WHERE outbox.id = json_extract(answer.value, '$.id')`;
    const texts = answers.map(({ id, result }) => ({ id, result: JSON.stringify(result) }));
    return this.#run("keep answers", sql, [epoch, JSON.stringify(texts)]);
  }

  answer(id: CommandId): Result<JsonValue | undefined> {
    return onStorage("read the outbox", () => {
      const row = this.#connection.prepare("SELECT result FROM outbox WHERE id = ?").get([id]);
      const result = row === undefined ? null : textOrNull(row, 0);
      return result === null ? undefined : (JSON.parse(result) as JsonValue); // `as`: written by `answered`
    });
  }

  unsettled(limit: number): Result<readonly { readonly id: CommandId; readonly epoch: number }[]> {
    const sql =
      "SELECT id, answered_epoch FROM outbox WHERE answered_epoch IS NOT NULL AND settled = 0 ORDER BY n LIMIT ?";
    return onStorage("read the outbox", () =>
      this.#connection
        .prepare(sql)
        .all([limit])
        // `as`: written from a CommandId.
        .map((row) => ({ id: text(row, 0) as CommandId, epoch: number(row, 1) })),
    );
  }

  settle(ids: readonly CommandId[]): Result<void> {
    if (ids.length === 0) return ok(undefined);
    const sql = `UPDATE outbox SET settled = 1 WHERE answered_epoch IS NOT NULL AND id IN ${AMONG}`;
    return this.#run("settle what the database shows", sql, [JSON.stringify(ids)]);
  }

  unsettle(): Result<void> {
    return this.#run("compare the outbox anew", "UPDATE outbox SET settled = 0 WHERE settled = 1", []);
  }

  forget(ids: readonly CommandId[]): Result<void> {
    if (ids.length === 0) return ok(undefined);
    return this.#run("tidy the outbox", `DELETE FROM outbox WHERE id IN ${AMONG}`, [JSON.stringify(ids)]);
  }

  reopen(ids: readonly CommandId[]): Result<void> {
    const sql = `UPDATE outbox SET answered_epoch = NULL, result = NULL, settled = 0 WHERE id IN ${AMONG}`;
    return this.#run("send again", sql, [JSON.stringify(ids)]);
  }

  count(): Result<{ readonly waiting: number; readonly unsettled: number }> {
    return onStorage("count the outbox", () => {
      const row = this.#connection
        .prepare("SELECT count(*), count(answered_epoch) FROM outbox WHERE settled = 0")
        .get([]) ?? [0, 0];
      return { waiting: number(row, 0) - number(row, 1), unsettled: number(row, 1) };
    });
  }

  #rows(which: string, limit: number): Result<readonly OutboxRow[]> {
    return onStorage("read the outbox", () =>
      this.#connection
        .prepare(`SELECT n, id, kind, args FROM outbox ${which}`)
        .all([limit])
        .map((row) => ({
          n: number(row, 0),
          // `as`: written by `append`.
          command: {
            id: text(row, 1),
            kind: text(row, 2),
            args: JSON.parse(text(row, 3)) as JsonValue,
          } as unknown as FleetCommand,
        })),
    );
  }

  #run(action: string, sql: string, params: readonly (string | number)[]): Result<void> {
    return onStorage(action, () => {
      this.#connection.prepare(sql).run(params);
    });
  }
}
