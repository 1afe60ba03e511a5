import { InvariantBroken, ok, type Result } from "#base";
import {
  type Delivery,
  type DeliveryEnd,
  type DeliveryOutcome,
  type DeliveryQuery,
  KEEP_DELIVERIES_MS,
  MAX_BODIES,
  MAX_DELIVERIES,
  type NewDelivery,
  type WebhookDeliveries,
} from "#hooks";
import { type Connection, number, numberOrNull, type SqlRow, type SqlValue, text, textOrNull } from "../connection.ts";
import { onStorage } from "../storage-failure.ts";

const COLUMNS = `n, source, delivery, digest, event, action, repository, sender, received_at_ms, bytes, outcome, reason,
  state, tries, error, goal_id, repeats, looked_at_ms, body IS NOT NULL`;
const SELECT = `SELECT ${COLUMNS} FROM webhook_delivery`;
const UNLOOKED = "looked_at_ms IS NULL AND outcome <> 'ignored'";

export class LibsqlWebhookDeliveries implements WebhookDeliveries {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  take(given: NewDelivery): Result<{ readonly delivery: Delivery; readonly isNew: boolean }> {
    const { source, deliveryId, digest, event, action, repository, sender, receivedAtMs, bytes } = given;
    return onStorage("keep a webhook", () => {
      const known = "source = ? AND (delivery = ? OR digest = ?)";
      const repeated = this.#connection
        .prepare(`UPDATE webhook_delivery SET repeats = repeats + 1 WHERE ${known}`)
        .run([source, deliveryId, digest]);
      if (repeated === 0) {
        const state = given.outcome === "ignored" ? "done" : "due";
        this.#connection
          .prepare(
            `INSERT INTO webhook_delivery (source, delivery, digest, event, action, repository, sender, received_at_ms,
              bytes, outcome, reason, state, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          )
          .run([
            source,
            deliveryId,
            digest,
            event,
            action,
            repository,
            sender,
            receivedAtMs,
            bytes,
            given.outcome,
            given.reason,
            state,
            given.body,
          ]);
        this.#dropOldest();
      }
      const row = this.#connection.prepare(`${SELECT} WHERE ${known} ORDER BY n`).get([source, deliveryId, digest]);
      if (row === undefined) throw new InvariantBroken("WH2: a delivery that was kept is not there");
      return { delivery: toDelivery(row), isNew: repeated === 0 };
    });
  }

  find(n: number): Result<{ readonly delivery: Delivery; readonly body: string | null } | undefined> {
    return onStorage("read a webhook", () => {
      const row = this.#connection.prepare(`SELECT ${COLUMNS}, body FROM webhook_delivery WHERE n = ?`).get([n]);
      return row === undefined ? undefined : { delivery: toDelivery(row), body: textOrNull(row, 19) };
    });
  }

  list({ source, before, limit }: DeliveryQuery): Result<readonly Delivery[]> {
    const sql = `${SELECT} WHERE (?1 IS NULL OR source = ?1) AND n < ?2 ORDER BY n DESC LIMIT ?3`;
    return this.#all(sql, [source ?? null, before ?? Number.MAX_SAFE_INTEGER, limit]);
  }

  due(limit: number): Result<readonly Delivery[]> {
    return this.#all(`${SELECT} WHERE state = 'due' ORDER BY n LIMIT ?`, [limit]);
  }

  again(n: number, decision: { readonly outcome: DeliveryOutcome; readonly reason: string }): Result<void> {
    return this.#run(
      `UPDATE webhook_delivery SET state = 'due', outcome = ?, reason = ?, tries = 0, error = NULL, looked_at_ms = NULL
       WHERE n = ?`,
      [decision.outcome, decision.reason, n],
    );
  }

  settle(n: number, { state, goalId, error }: DeliveryEnd): Result<void> {
    return this.#run(
      `UPDATE webhook_delivery SET state = ?, goal_id = coalesce(?, goal_id), error = ?, tries = tries + 1
       WHERE n = ? AND state = 'due'`,
      [state, goalId, error, n],
    );
  }

  unlooked(): Result<number> {
    const counted = onStorage("count webhooks", () =>
      this.#connection.prepare(`SELECT count(*) FROM webhook_delivery WHERE ${UNLOOKED}`).get([]),
    );
    return counted.ok ? ok(counted.value === undefined ? 0 : number(counted.value, 0)) : counted;
  }

  looked(nowMs: number): Result<void> {
    return this.#run(`UPDATE webhook_delivery SET looked_at_ms = ? WHERE ${UNLOOKED}`, [nowMs]);
  }

  prune(nowMs: number): Result<void> {
    return onStorage("forget old webhooks", () => {
      this.#connection
        .prepare("DELETE FROM webhook_delivery WHERE received_at_ms < ? AND state <> 'due'")
        .run([nowMs - KEEP_DELIVERIES_MS]);
      this.#dropOldest();
    });
  }

  #dropOldest(): void {
    const newest = "SELECT coalesce(max(n), 0) FROM webhook_delivery";
    this.#connection.prepare(`DELETE FROM webhook_delivery WHERE n <= (${newest}) - ?`).run([MAX_DELIVERIES]);
    this.#connection
      .prepare(
        `UPDATE webhook_delivery SET body = NULL WHERE body IS NOT NULL AND state <> 'due'
         AND n <= (SELECT n FROM webhook_delivery WHERE body IS NOT NULL ORDER BY n DESC LIMIT 1 OFFSET ?)`,
      )
      .run([MAX_BODIES]);
  }

  #all(sql: string, params: readonly SqlValue[]): Result<readonly Delivery[]> {
    return onStorage("list webhooks", () => this.#connection.prepare(sql).all(params).map(toDelivery));
  }

  #run(sql: string, params: readonly SqlValue[]): Result<void> {
    return onStorage("note what came of a webhook", () => {
      this.#connection.prepare(sql).run(params);
    });
  }
}

/** `as`, here: the CHECKs of the table say which words there are. */
function toDelivery(row: SqlRow): Delivery {
  return {
    n: number(row, 0),
    source: text(row, 1),
    deliveryId: text(row, 2),
    digest: text(row, 3),
    event: text(row, 4),
    action: textOrNull(row, 5),
    repository: textOrNull(row, 6),
    sender: textOrNull(row, 7),
    receivedAtMs: number(row, 8),
    bytes: number(row, 9),
    outcome: text(row, 10) as Delivery["outcome"],
    reason: text(row, 11),
    state: text(row, 12) as Delivery["state"],
    tries: number(row, 13),
    error: textOrNull(row, 14),
    goalId: textOrNull(row, 15),
    repeats: number(row, 16),
    lookedAtMs: numberOrNull(row, 17),
    hasBody: number(row, 18) === 1,
  };
}
