import type { NodeId, Result } from "#base";
import type { JoinToken, JoinTokens } from "#fleet";
import { type Connection, number, type SqlRow, text } from "./connection.ts";
import { onStorage } from "./storage-failure.ts";

const COLUMNS = "id, secret_hash, role, uses_left, expires_at_ms, created_at_ms";

/** Invitations, in node.db: what opens the fleet is not copied to every node of it. Synchronous, each call one flush. */
export class LibsqlJoinTokens implements JoinTokens {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  put(token: JoinToken): Result<void> {
    const { id, secretHash, role, usesLeft, expiresAtMs, createdAtMs } = token;
    return onStorage("keep a token", () => {
      this.#connection
        .prepare(`INSERT INTO join_token (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`)
        .run([id, secretHash, role, usesLeft, expiresAtMs, createdAtMs]);
    });
  }

  find(id: string): Result<JoinToken | undefined> {
    return onStorage("read a token", () => {
      const row = this.#connection.prepare(`SELECT ${COLUMNS} FROM join_token WHERE id = ?`).get([id]);
      return row === undefined ? undefined : tokenOf(row);
    });
  }

  all(): Result<readonly JoinToken[]> {
    const newestFirst = `SELECT ${COLUMNS} FROM join_token ORDER BY created_at_ms DESC, id`;
    return onStorage("list tokens", () => this.#connection.prepare(newestFirst).all([]).map(tokenOf));
  }

  use(id: string, node: NodeId, publicKey: string): Result<boolean> {
    return onStorage("use a token", () => {
      if (this.#isUsed(id, node, publicKey)) return true;
      this.#connection.exec("BEGIN IMMEDIATE");
      try {
        const counted = this.#connection
          .prepare("UPDATE join_token SET uses_left = uses_left - 1 WHERE id = ? AND uses_left > 0")
          .run([id]);
        if (counted > 0) {
          this.#connection
            .prepare("INSERT INTO join_token_use (token, node, public_key) VALUES (?, ?, ?)")
            .run([id, node, publicKey]);
        }
        this.#connection.exec("COMMIT");
        return counted > 0;
      } catch (cause) {
        if (this.#connection.inTransaction()) this.#connection.exec("ROLLBACK");
        throw cause;
      }
    });
  }

  hasUsed(id: string, node: NodeId, publicKey: string): Result<boolean> {
    return onStorage("read a token", () => this.#isUsed(id, node, publicKey));
  }

  remove(id: string): Result<boolean> {
    return onStorage(
      "revoke a token",
      () => this.#connection.prepare("DELETE FROM join_token WHERE id = ?").run([id]) > 0,
    );
  }

  removeExpired(nowMs: number): Result<number> {
    return onStorage("remove expired tokens", () =>
      this.#connection.prepare("DELETE FROM join_token WHERE expires_at_ms <= ?").run([nowMs]),
    );
  }

  #isUsed(id: string, node: NodeId, publicKey: string): boolean {
    const sql = "SELECT 1 FROM join_token_use WHERE token = ? AND node = ? AND public_key = ?";
    return this.#connection.prepare(sql).get([id, node, publicKey]) !== undefined;
  }
}

function tokenOf(row: SqlRow): JoinToken {
  return {
    id: text(row, 0),
    secretHash: text(row, 1),
    role: text(row, 2) as JoinToken["role"], // `as`: a CHECK of the table
    usesLeft: number(row, 3),
    expiresAtMs: number(row, 4),
    createdAtMs: number(row, 5),
  };
}
