import type { Result } from "#base";
import { type Connection, number, text } from "../connection.ts";
import { onStorage } from "../storage-failure.ts";

export type RateLimitOverride = {
  readonly tier: string;
  readonly perSecond: number;
  readonly burst: number;
  readonly atMs: number;
};

/** In node.db: what a person said instead of the configuration, tier by tier. */
export interface RateLimitOverrides {
  list(): Result<readonly RateLimitOverride[]>;
  put(override: RateLimitOverride): Result<void>;
  remove(tier: string): Result<void>;
}

export class LibsqlRateLimits implements RateLimitOverrides {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  list(): Result<readonly RateLimitOverride[]> {
    return onStorage("read the rate limits", () =>
      this.#connection
        .prepare("SELECT tier, per_second, burst, at_ms FROM rate_limit ORDER BY tier")
        .all([])
        .map((row) => ({ tier: text(row, 0), perSecond: number(row, 1), burst: number(row, 2), atMs: number(row, 3) })),
    );
  }

  put({ tier, perSecond, burst, atMs }: RateLimitOverride): Result<void> {
    return onStorage("keep a rate limit", () => {
      this.#connection
        .prepare(
          `INSERT INTO rate_limit (tier, per_second, burst, at_ms) VALUES (?, ?, ?, ?) ON CONFLICT (tier)
           DO UPDATE SET per_second = excluded.per_second, burst = excluded.burst, at_ms = excluded.at_ms`,
        )
        .run([tier, perSecond, burst, atMs]);
    });
  }

  remove(tier: string): Result<void> {
    return onStorage("forget a rate limit", () => {
      this.#connection.prepare("DELETE FROM rate_limit WHERE tier = ?").run([tier]);
    });
  }
}
