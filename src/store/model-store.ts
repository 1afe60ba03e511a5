import { type JsonObject, type JsonValue, ok, type Result } from "#base";
import type { Endpoint } from "#hw";
import type { LearnedKind, LearnedRow, ModelStore, UsageEntry, UsageGroup, UsageQuery, UsageSum } from "#inference";
import type { RouteDecision } from "#scheduler";
import { type Connection, number, type SqlValue, text } from "./connection.ts";
import type { LongReader } from "./long-reader.ts";
import { onStorage } from "./storage-failure.ts";

/** Runs a command in the next transaction of the one writer. */
export type Write = <T>(label: string, command: (connection: Connection) => Result<T>) => Promise<Result<T>>;

export type ModelStoreParts = {
  readonly write: Write;
  /** A handle of its own, for reads. */
  readonly reading: Connection;
  /** For sums over many rows: they leave the event loop. */
  readonly long: LongReader;
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const INSERT_USAGE = `INSERT INTO model_usage (at_ms, purpose, task_id, attempt, goal, endpoint, model, tier,
  prompt_tokens, completion_tokens, cost_microdollars, energy_joules, duration_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** Rows share a group when this is equal; rows without one are left out. */
const GROUP: Readonly<Record<UsageGroup, string>> = {
  day: `CAST(at_ms / ${DAY_MS} * ${DAY_MS} AS TEXT)`,
  hour: `CAST(at_ms / ${HOUR_MS} * ${HOUR_MS} AS TEXT)`,
  model: "model",
  endpoint: "endpoint",
  attempt: "task_id || '/' || attempt",
  task: "task_id",
  goal: "goal",
  purpose: "purpose",
  tier: "tier",
};

/** Usage, decisions and what was learned, in fleet.db. */
export class LibsqlModelStore implements ModelStore {
  readonly #write: Write;
  readonly #reading: Connection;
  readonly #long: LongReader;

  constructor(parts: ModelStoreParts) {
    this.#write = parts.write;
    this.#reading = parts.reading;
    this.#long = parts.long;
  }

  async endpoints(): Promise<Result<readonly Endpoint[]>> {
    return onStorage("read endpoints", () =>
      this.#reading
        .prepare("SELECT definition FROM endpoint ORDER BY id")
        .all([])
        // `as`: written by saveEndpoint; the registry passes over one it cannot use.
        .map((row) => JSON.parse(text(row, 0)) as Endpoint),
    );
  }

  saveEndpoint(endpoint: Endpoint): Promise<Result<void>> {
    const sql =
      "INSERT INTO endpoint (id, definition) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET definition = excluded.definition";
    return this.#run("add endpoint", sql, [endpoint.id, JSON.stringify(endpoint)]);
  }

  removeEndpoint(id: string): Promise<Result<boolean>> {
    return this.#write("remove endpoint", (connection) =>
      ok(connection.prepare("DELETE FROM endpoint WHERE id = ?").run([id]) > 0),
    );
  }

  saveDecision(taskId: string, attempt: number, decision: RouteDecision): Promise<Result<void>> {
    const sql = `INSERT INTO route_decision (task_id, attempt, at_ms, decision) VALUES (?, ?, ?, ?)
      ON CONFLICT (task_id, attempt) DO UPDATE SET at_ms = excluded.at_ms, decision = excluded.decision`;
    return this.#run("keep decision", sql, [taskId, attempt, decision.atMs, JSON.stringify(decision)]);
  }

  async decisions(taskId: string): Promise<Result<readonly { attempt: number; decision: JsonObject }[]>> {
    const sql = "SELECT attempt, decision FROM route_decision WHERE task_id = ? ORDER BY attempt";
    return onStorage("read decisions", () =>
      this.#reading
        .prepare(sql)
        .all([taskId])
        // `as`: written by saveDecision, and an object.
        .map((row) => ({ attempt: number(row, 0), decision: JSON.parse(text(row, 1)) as JsonObject })),
    );
  }

  record(entry: UsageEntry): Promise<Result<void>> {
    return this.#run("record usage", INSERT_USAGE, [
      entry.atMs,
      entry.purpose,
      entry.taskId,
      entry.attempt,
      entry.goal,
      entry.endpoint,
      entry.model,
      entry.tier,
      entry.promptTokens,
      entry.completionTokens,
      entry.costMicrodollars,
      entry.energyJoules,
      entry.durationMs,
    ]);
  }

  async usage(query: UsageQuery): Promise<Result<readonly UsageSum[]>> {
    const group = GROUP[query.by];
    const isTime = query.by === "day" || query.by === "hour";
    const order = isTime ? "min(at_ms) DESC" : "4 DESC, sum(prompt_tokens + completion_tokens) DESC, 1";
    const ofTask = query.taskId === undefined ? "" : "AND task_id = ?";
    const sql = `SELECT ${group}, sum(prompt_tokens), sum(completion_tokens), sum(cost_microdollars),
        total(energy_joules), count(*)
      FROM model_usage WHERE at_ms >= ? AND at_ms < ? ${ofTask} AND ${group} IS NOT NULL
      GROUP BY 1 ORDER BY ${order} LIMIT ?`;
    const params: SqlValue[] = [query.fromMs, query.toMs];
    if (query.taskId !== undefined) params.push(query.taskId);
    const rows = await this.#long.all("sum usage", sql, [...params, query.limit]);
    if (!rows.ok) return rows;
    const sums = rows.value.map((row) => ({
      group: text(row, 0),
      promptTokens: number(row, 1),
      completionTokens: number(row, 2),
      costMicrodollars: number(row, 3),
      energyJoules: number(row, 4),
      requests: number(row, 5),
    }));
    return ok(isTime ? sums.reverse() : sums);
  }

  saveLearned(kind: LearnedKind, rows: readonly LearnedRow[]): Promise<Result<void>> {
    const sql = `INSERT INTO learned (kind, key, value) VALUES (?, ?, ?)
      ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value`;
    return this.#write("keep what was learned", (connection) => {
      const statement = connection.prepare(sql);
      for (const { key, value } of rows) statement.run([kind, key, JSON.stringify(value)]);
      return ok(undefined);
    });
  }

  async learned(kind: LearnedKind): Promise<Result<readonly LearnedRow[]>> {
    return onStorage("read what was learned", () =>
      this.#reading
        .prepare("SELECT key, value FROM learned WHERE kind = ? ORDER BY key")
        .all([kind])
        // `as`: written by saveLearned as JSON.
        .map((row) => ({ key: text(row, 0), value: JSON.parse(text(row, 1)) as JsonValue })),
    );
  }

  prune(before: { usageMs: number; decisionsMs: number }, limit: number): Promise<Result<number>> {
    // In a full order: the same statement runs on the working copy and on the server, and must remove the same rows.
    const usage =
      "DELETE FROM model_usage WHERE id IN (SELECT id FROM model_usage WHERE at_ms < ? ORDER BY at_ms, id LIMIT ?)";
    const decisions = `DELETE FROM route_decision WHERE (task_id, attempt) IN
      (SELECT task_id, attempt FROM route_decision WHERE at_ms < ? ORDER BY at_ms, task_id, attempt LIMIT ?)`;
    return this.#write("prune usage", (connection) => {
      const removed = connection.prepare(usage).run([before.usageMs, limit]);
      return ok(removed + connection.prepare(decisions).run([before.decisionsMs, Math.max(0, limit - removed)]));
    });
  }

  #run(label: string, sql: string, params: readonly SqlValue[]): Promise<Result<void>> {
    return this.#write(label, (connection) => {
      connection.prepare(sql).run(params);
      return ok(undefined);
    });
  }
}
