import type { NodeId, Result, TaskId } from "#base";
import type { AttemptBlobs, BlobHash, PartBlob, PartKey, UnsentPart } from "#fleet";
import { type Connection, number, numberOrNull, type SqlRow, text, textOrNull } from "./connection.ts";
import { onStorage } from "./storage-failure.ts";

const COLUMNS = "task_id, attempt, part, node, hash, bytes, raw_bytes, encoding";
const ITS = "task_id = ? AND attempt = ? AND part = ?";

/** In node.db: blobs lie on one host, and so does what is known of them. Synchronous, each call one flush. */
export class LibsqlAttemptBlobs implements AttemptBlobs {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  want({ taskId, attempt, part }: PartKey, node: NodeId, atMs: number): Result<void> {
    const sql = `INSERT INTO attempt_blob (task_id, attempt, part, node, wanted, at_ms) VALUES (?, ?, ?, ?, 1, ?)
      ON CONFLICT (task_id, attempt, part) DO UPDATE SET wanted = 1`;
    return this.#run("note what the hub is to get", sql, [taskId, attempt, part, node, atMs]);
  }

  put({ taskId, attempt, part, node, hash, bytes, rawBytes, encoding }: PartBlob, atMs: number): Result<void> {
    const sql = `INSERT INTO attempt_blob (${COLUMNS}, wanted, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)
      ON CONFLICT (task_id, attempt, part) DO UPDATE SET
        node = excluded.node, hash = excluded.hash, bytes = excluded.bytes,
        raw_bytes = excluded.raw_bytes, encoding = excluded.encoding`;
    const params = [taskId, attempt, part, node, hash, bytes, rawBytes, encoding, atMs];
    return this.#run("note a blob", sql, params);
  }

  find({ taskId, attempt, part }: PartKey): Result<PartBlob | undefined> {
    return onStorage("look for a blob", () => {
      const sql = `SELECT ${COLUMNS} FROM attempt_blob WHERE ${ITS} AND hash IS NOT NULL`;
      const row = this.#connection.prepare(sql).get([taskId, attempt, part]);
      return row === undefined ? undefined : blobOf(row);
    });
  }

  unsent(epoch: number, limit: number): Result<readonly UnsentPart[]> {
    const sql = `SELECT ${COLUMNS} FROM attempt_blob
      WHERE wanted = 1 AND (sent_epoch IS NULL OR sent_epoch < ?) ORDER BY part <> 'result', n LIMIT ?`;
    return onStorage("read what the hub is to get", () =>
      this.#connection.prepare(sql).all([epoch, limit]).map(unsentOf),
    );
  }

  sent({ taskId, attempt, part }: PartKey, epoch: number): Result<void> {
    const forgotten = part === "result" ? "" : ", hash = NULL, bytes = NULL, raw_bytes = NULL, encoding = NULL";
    const sql = `UPDATE attempt_blob SET sent_epoch = ?${forgotten} WHERE ${ITS}`;
    return this.#run("note what the hub has", sql, [epoch, taskId, attempt, part]);
  }

  offered({ taskId, attempt, part }: PartKey, epoch: number): Result<void> {
    const sql = `UPDATE attempt_blob SET sent_epoch = ? WHERE ${ITS}`;
    return this.#run("note what the hub was offered", sql, [epoch, taskId, attempt, part]);
  }

  wantKept(): Result<void> {
    const sql = "UPDATE attempt_blob SET wanted = 1 WHERE wanted = 0 AND hash IS NOT NULL";
    return this.#run("note what the hub is offered", sql, []);
  }

  drop({ taskId, attempt, part }: PartKey): Result<void> {
    return this.#run("forget a blob", `DELETE FROM attempt_blob WHERE ${ITS}`, [taskId, attempt, part]);
  }

  tasks(after: TaskId | undefined, limit: number): Result<readonly TaskId[]> {
    const sql = "SELECT DISTINCT task_id FROM attempt_blob WHERE task_id > ? ORDER BY task_id LIMIT ?";
    return onStorage("list tasks with blobs", () =>
      // `as`, here and below: ids and hashes were branded when they were written.
      this.#connection
        .prepare(sql)
        .all([after ?? "", limit])
        .map((row) => text(row, 0) as TaskId),
    );
  }

  dropTasks(ids: readonly TaskId[]): Result<void> {
    const sql = "DELETE FROM attempt_blob WHERE task_id IN (SELECT value FROM json_each(?))";
    return this.#run("forget the blobs of tasks", sql, [JSON.stringify(ids)]);
  }

  uses(hash: BlobHash): Result<boolean> {
    const sql = "SELECT 1 FROM attempt_blob WHERE hash = ? LIMIT 1";
    return onStorage("look whether a blob is in use", () => this.#connection.prepare(sql).get([hash]) !== undefined);
  }

  oldestLogs(limit: number): Result<readonly PartBlob[]> {
    const sql = `SELECT ${COLUMNS} FROM attempt_blob
      WHERE hash IS NOT NULL AND part <> 'result' ORDER BY n LIMIT ?`;
    return onStorage("list the oldest logs", () => this.#connection.prepare(sql).all([limit]).map(blobOf));
  }

  #run(action: string, sql: string, params: readonly (string | number)[]): Result<void> {
    return onStorage(action, () => {
      this.#connection.prepare(sql).run(params);
    });
  }
}

function keyOf(row: SqlRow): PartKey & { readonly node: NodeId } {
  return {
    taskId: text(row, 0) as TaskId,
    attempt: number(row, 1),
    part: text(row, 2) as PartKey["part"], // `as`: a CHECK of the table, as is the encoding
    node: text(row, 3) as NodeId,
  };
}

function packedOf(row: SqlRow): Omit<PartBlob, keyof PartKey | "node"> {
  return {
    hash: text(row, 4) as BlobHash,
    bytes: number(row, 5),
    rawBytes: number(row, 6),
    encoding: text(row, 7) as PartBlob["encoding"],
  };
}

function blobOf(row: SqlRow): PartBlob {
  return { ...keyOf(row), ...packedOf(row) };
}

function unsentOf(row: SqlRow): UnsentPart {
  const isPacked = textOrNull(row, 4) !== null && numberOrNull(row, 5) !== null;
  return { ...keyOf(row), packed: isPacked ? packedOf(row) : undefined };
}
