import type { Result } from "#base";
import {
  type ChannelCounts,
  type KeptNotice,
  MAX_HISTORY,
  MAX_WAITING,
  type Notice,
  type NoticeOutbox,
  type NoticeQuery,
  type WaitingNotice,
} from "#hooks";
import { type Connection, number, numberOrNull, type SqlRow, type SqlValue, text, textOrNull } from "../connection.ts";
import { onStorage } from "../storage-failure.ts";

const COLUMNS = `n, channel, kind, severity, title, message, subject, at_ms, key, state, tries, next_at_ms, error, sent_as,
  ended_at_ms`;
const PUT = `INSERT INTO notice (channel, kind, severity, title, message, subject, at_ms, key, state, next_at_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?) ON CONFLICT (channel, key) WHERE key IS NOT NULL DO NOTHING`;
/** The oldest that are not critical go first. */
const LEAVE_SURPLUS = `UPDATE notice SET state = 'left', error = 'too many wait at this channel', ended_at_ms = ?2
  WHERE n IN (SELECT n FROM notice WHERE channel = ?1 AND state = 'waiting'
    ORDER BY severity = 'critical', n LIMIT max(0, (SELECT count(*) FROM notice WHERE channel = ?1 AND state = 'waiting') - ?3))`;
const PRUNE = `DELETE FROM notice WHERE state <> 'waiting' AND n <=
  (SELECT n FROM notice WHERE state <> 'waiting' ORDER BY n DESC LIMIT 1 OFFSET ?)`;
const COUNTS = `SELECT coalesce(sum(state = 'waiting'), 0), coalesce(sum(state = 'sent'), 0),
    coalesce(sum(state = 'failed'), 0), coalesce(sum(state = 'left'), 0),
    (SELECT error FROM notice WHERE channel = ?1 AND error IS NOT NULL ORDER BY n DESC LIMIT 1),
    max(CASE WHEN state = 'sent' THEN ended_at_ms END)
  FROM notice WHERE channel = ?1`;

export class LibsqlNoticeOutbox implements NoticeOutbox {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  put(channels: readonly string[], notice: Notice): Result<void> {
    const { kind, severity, title, message, subject, atMs, key } = notice;
    return this.#transact("keep a notice", () => {
      for (const channel of channels) {
        const put = [channel, kind, severity, title, message, subject, atMs, key, atMs];
        if (this.#connection.prepare(PUT).run(put) === 0) continue;
        this.#connection.prepare(LEAVE_SURPLUS).run([channel, atMs, MAX_WAITING]);
      }
      this.#connection.prepare(PRUNE).run([MAX_HISTORY]);
    });
  }

  waiting(channel: string, limit: number): Result<readonly WaitingNotice[]> {
    const sql = `SELECT ${COLUMNS} FROM notice WHERE channel = ? AND state = 'waiting' ORDER BY n LIMIT ?`;
    return this.#all(sql, [channel, limit]);
  }

  sentSince(channel: string, sinceMs: number): Result<readonly number[]> {
    const sql = `SELECT max(ended_at_ms) FROM notice WHERE channel = ? AND state = 'sent' AND ended_at_ms > ?
      GROUP BY sent_as ORDER BY 1`;
    return onStorage("read notices", () =>
      this.#connection
        .prepare(sql)
        .all([channel, sinceMs])
        .map((row) => number(row, 0)),
    );
  }

  settle(ns: readonly number[], { state, error, sentAs, atMs }: Parameters<NoticeOutbox["settle"]>[1]): Result<void> {
    const sql = `UPDATE notice SET state = ?, error = ?, sent_as = ?, ended_at_ms = ?, tries = tries + 1
      WHERE state = 'waiting' AND n IN (SELECT value FROM json_each(?))`;
    return this.#run(sql, [state, error, sentAs, atMs, JSON.stringify(ns)]);
  }

  postpone(ns: readonly number[], error: string, nextAtMs: number): Result<void> {
    const sql = `UPDATE notice SET error = ?, next_at_ms = ?, tries = tries + 1
      WHERE state = 'waiting' AND n IN (SELECT value FROM json_each(?))`;
    return this.#run(sql, [error, nextAtMs, JSON.stringify(ns)]);
  }

  leaveOthers(channels: readonly string[], nowMs: number): Result<void> {
    const sql = `UPDATE notice SET state = 'left', error = 'the channel is not configured any more', ended_at_ms = ?
      WHERE state = 'waiting' AND channel NOT IN (SELECT value FROM json_each(?))`;
    return this.#run(sql, [nowMs, JSON.stringify(channels)]);
  }

  counts(channel: string): Result<ChannelCounts> {
    return onStorage("count notices", () => {
      const row = this.#connection.prepare(COUNTS).get([channel]) ?? [0, 0, 0, 0, null, null];
      return {
        waiting: number(row, 0),
        sent: number(row, 1),
        failed: number(row, 2),
        left: number(row, 3),
        lastError: textOrNull(row, 4),
        lastSentAtMs: numberOrNull(row, 5),
      };
    });
  }

  list({ channel, before, limit }: NoticeQuery): Result<readonly KeptNotice[]> {
    const sql = `SELECT ${COLUMNS} FROM notice WHERE (?1 IS NULL OR channel = ?1) AND n < ?2 ORDER BY n DESC LIMIT ?3`;
    return this.#all(sql, [channel ?? null, before ?? Number.MAX_SAFE_INTEGER, limit]);
  }

  position(name: string): Result<number | undefined> {
    return onStorage("read what was told", () => {
      const row = this.#connection.prepare("SELECT seq FROM notice_position WHERE name = ?").get([name]);
      return row === undefined ? undefined : number(row, 0);
    });
  }

  setPosition(name: string, seq: number): Result<void> {
    const sql =
      "INSERT INTO notice_position (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq";
    return this.#run(sql, [name, seq]);
  }

  #all(sql: string, params: readonly SqlValue[]): Result<readonly KeptNotice[]> {
    return onStorage("list notices", () => this.#connection.prepare(sql).all(params).map(toNotice));
  }

  #run(sql: string, params: readonly SqlValue[]): Result<void> {
    return onStorage("note what became of notices", () => {
      this.#connection.prepare(sql).run(params);
    });
  }

  #transact(action: string, act: () => void): Result<void> {
    return onStorage(action, () => {
      this.#connection.exec("BEGIN IMMEDIATE");
      try {
        act();
        this.#connection.exec("COMMIT");
      } catch (cause) {
        if (this.#connection.inTransaction()) this.#connection.exec("ROLLBACK");
        throw cause;
      }
    });
  }
}

/** `as`, here: the CHECKs of the table say which words there are, and kinds were written from theirs. */
function toNotice(row: SqlRow): KeptNotice {
  return {
    n: number(row, 0),
    channel: text(row, 1),
    kind: text(row, 2) as Notice["kind"],
    severity: text(row, 3) as Notice["severity"],
    title: text(row, 4),
    message: text(row, 5),
    subject: text(row, 6),
    atMs: number(row, 7),
    key: textOrNull(row, 8),
    state: text(row, 9) as KeptNotice["state"],
    tries: number(row, 10),
    nextAtMs: number(row, 11),
    error: textOrNull(row, 12),
    sentAs: textOrNull(row, 13),
    endedAtMs: numberOrNull(row, 14),
  };
}
