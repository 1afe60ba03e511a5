import { type JsonObject, ok, type Result } from "#base";
import type { ConditionRecord, DeliveryRecord, Repository, RepositoryEntry, RepositoryStore } from "#repos";
import { type Connection, number, numberOrNull, type SqlRow, text, textOrNull } from "./connection.ts";
import type { Write } from "./model-store.ts";
import { onStorage } from "./storage-failure.ts";

const DELIVERY =
  "id, repository, goal, branch, base_commit, head_commit, outcome, detail, link, report, at_ms, reverted";
const CONDITION = "repository, kind, subject, failing, detail, commit_id, at_ms";

/** What is registered, what was delivered and what is broken, in fleet.db. */
export class LibsqlRepositoryStore implements RepositoryStore {
  readonly #write: Write;
  readonly #reading: Connection;

  constructor(write: Write, reading: Connection) {
    this.#write = write;
    this.#reading = reading;
  }

  entries(): Result<readonly RepositoryEntry[]> {
    return this.#read(
      "read the repositories",
      "SELECT name, definition, paused FROM repository ORDER BY name",
      [],
      entryOf,
    );
  }

  add(repository: Repository, atMs: number): Promise<Result<void>> {
    const sql = `INSERT INTO repository (name, definition, paused, at_ms) VALUES (?, ?, NULL, ?)
      ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, paused = NULL, at_ms = excluded.at_ms`;
    return this.#run("register a repository", sql, [repository.name, JSON.stringify(repository), atMs]);
  }

  setPaused(name: string, paused: boolean, atMs: number): Promise<Result<void>> {
    const sql = `INSERT INTO repository (name, definition, paused, at_ms) VALUES (?, NULL, ?, ?)
      ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, at_ms = excluded.at_ms`;
    return this.#run("pause or resume a repository", sql, [name, paused ? 1 : 0, atMs]);
  }

  remove(name: string): Promise<Result<boolean>> {
    return this.#write("forget a repository", (connection) => {
      connection.prepare("DELETE FROM repository_condition WHERE repository = ?").run([name]);
      return ok(connection.prepare("DELETE FROM repository WHERE name = ?").run([name]) > 0);
    });
  }

  putDelivery(delivery: DeliveryRecord): Promise<Result<void>> {
    const { id, repository, goal, branch, base, head, outcome, detail, link, report, atMs, reverted } = delivery;
    const sql = `INSERT INTO delivery (${DELIVERY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET base_commit = excluded.base_commit, head_commit = excluded.head_commit,
        outcome = excluded.outcome, detail = excluded.detail, link = excluded.link, report = excluded.report,
        at_ms = excluded.at_ms, reverted = excluded.reverted`;
    const back = reverted === null ? null : JSON.stringify(reverted);
    return this.#run("keep a delivery", sql, [
      id,
      repository,
      goal,
      branch,
      base,
      head,
      outcome,
      detail,
      link,
      JSON.stringify(report),
      atMs,
      back,
    ]);
  }

  deliveries(repository: string | undefined, limit: number): Result<readonly DeliveryRecord[]> {
    const only = repository === undefined ? "" : "WHERE repository = ?";
    const sql = `SELECT ${DELIVERY} FROM delivery ${only} ORDER BY at_ms DESC, id DESC LIMIT ?`;
    return this.#read("read deliveries", sql, repository === undefined ? [limit] : [repository, limit], deliveryOf);
  }

  deliveryOf(repository: string, goal: string): Result<DeliveryRecord | undefined> {
    const sql = `SELECT ${DELIVERY} FROM delivery WHERE repository = ? AND goal = ? ORDER BY at_ms DESC, id DESC LIMIT 1`;
    const found = this.#read("read a delivery", sql, [repository, goal], deliveryOf);
    return found.ok ? ok(found.value[0]) : found;
  }

  putCondition(condition: ConditionRecord): Promise<Result<void>> {
    const { repository, kind, subject, failing, detail, commit, atMs } = condition;
    if (failing.length === 0) {
      const sql = "DELETE FROM repository_condition WHERE repository = ? AND kind = ? AND subject = ?";
      return this.#run("forget what is broken", sql, [repository, kind, subject]);
    }
    const sql = `INSERT INTO repository_condition (${CONDITION}) VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (repository, kind, subject) DO UPDATE SET failing = excluded.failing, detail = excluded.detail,
        commit_id = excluded.commit_id, at_ms = excluded.at_ms`;
    return this.#run("keep what is broken", sql, [
      repository,
      kind,
      subject,
      JSON.stringify(failing),
      detail,
      commit,
      atMs,
    ]);
  }

  conditions(): Result<readonly ConditionRecord[]> {
    const sql = `SELECT ${CONDITION} FROM repository_condition ORDER BY repository, kind, subject`;
    return this.#read("read what is broken", sql, [], conditionOf);
  }

  #read<T>(
    action: string,
    sql: string,
    params: readonly (string | number)[],
    of: (row: SqlRow) => T,
  ): Result<readonly T[]> {
    return onStorage(action, () => {
      // The hub may be older than this node, and its database without the tables.
      const table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'repository_condition'";
      if (this.#reading.prepare(table).get([]) === undefined) return [];
      return this.#reading.prepare(sql).all(params).map(of);
    });
  }

  #run(label: string, sql: string, params: readonly (string | number | null)[]): Promise<Result<void>> {
    return this.#write(label, (connection) => {
      connection.prepare(sql).run(params);
      return ok(undefined);
    });
  }
}

function entryOf(row: SqlRow): RepositoryEntry {
  const definition = textOrNull(row, 1);
  const paused = numberOrNull(row, 2);
  return {
    name: text(row, 0),
    added: definition === null ? undefined : (JSON.parse(definition) as Repository), // `as`: written by `add`
    paused: paused === null ? undefined : paused === 1,
  };
}

function deliveryOf(row: SqlRow): DeliveryRecord {
  const reverted = textOrNull(row, 11);
  return {
    id: text(row, 0),
    repository: text(row, 1),
    goal: text(row, 2),
    branch: text(row, 3),
    base: text(row, 4),
    head: text(row, 5),
    outcome: text(row, 6) as DeliveryRecord["outcome"], // `as`: a CHECK of the table; the others were written by `putDelivery`
    detail: text(row, 7),
    link: textOrNull(row, 8),
    report: JSON.parse(text(row, 9)) as JsonObject,
    atMs: number(row, 10),
    reverted: reverted === null ? null : (JSON.parse(reverted) as DeliveryRecord["reverted"]),
  };
}

function conditionOf(row: SqlRow): ConditionRecord {
  return {
    repository: text(row, 0),
    kind: text(row, 1) as ConditionRecord["kind"], // `as`: a CHECK of the table
    subject: text(row, 2),
    failing: JSON.parse(text(row, 3)) as readonly string[], // `as`: written by `putCondition`
    detail: text(row, 4),
    commit: text(row, 5),
    atMs: number(row, 6),
  };
}
