import { type Client, createClient, LibsqlBatchError } from "@libsql/client/http";
import type { SqlRow, SqlValue } from "../connection.ts";

export type ServerAddress = {
  readonly url: string;
  /** Where it is at this moment, for a server that comes back elsewhere after each start. */
  readonly urlNow?: () => string | null;
  /** Asked with every request, because a token may be renewed; undefined sends none. */
  readonly authToken?: () => string | undefined;
};

/** The part of a recorded statement that travels. */
export type ServerStatement = { readonly sql: string; readonly args: readonly SqlValue[] };

/** What the server made of a batch. Only `committed` and `refused` are certain. */
export type BatchAnswer =
  /** Rows changed by each statement. */
  | { readonly kind: "committed"; readonly changes: readonly number[] }
  /** A statement failed, and nothing of the batch took effect. */
  | { readonly kind: "refused"; readonly statement: number; readonly cause: Error }
  /** No answer, or none that tells: the batch may have taken effect, or may still. */
  | { readonly kind: "unknown"; readonly cause: Error };

/** Short: a server on the same host answers in 1 to 20 ms, one that does not in this time hangs. */
export const REQUEST_TIMEOUT_MS = 5_000;

/** A libSQL server over HTTP. Every request has a deadline; nothing here is tried again. */
export class Server {
  readonly #client: Client;
  /** How long the next requests may take. */
  timeoutMs = REQUEST_TIMEOUT_MS;

  constructor({ url, urlNow, authToken }: ServerAddress) {
    this.#client = createClient({
      url,
      fetch: (request: Request): Promise<Response> => {
        const token = authToken?.();
        if (token !== undefined) request.headers.set("authorization", `Bearer ${token}`);
        const signal = AbortSignal.timeout(this.timeoutMs);
        const now = urlNow?.() ?? url;
        return fetch(now === url ? request : movedTo(request, now), { signal });
      },
    });
  }

  /** One transaction: all of it or nothing. */
  async batch(statements: readonly ServerStatement[]): Promise<BatchAnswer> {
    try {
      const results = await this.#client.batch(
        statements.map(({ sql, args }) => ({ sql, args: [...args] })),
        "write",
      );
      return { kind: "committed", changes: results.map((result) => result.rowsAffected) };
    } catch (cause) {
      return judge(cause);
    }
  }

  /** Rows by position. Throws what the client throws. */
  async rows(sql: string, args: readonly SqlValue[] = []): Promise<readonly SqlRow[]> {
    const result = await this.#client.execute({ sql, args: [...args] });
    // `as`: no column of ours holds a blob, and integers come as numbers.
    return result.rows.map((row) => result.columns.map((_name, column) => row[column] as SqlValue));
  }

  close(): void {
    this.#client.close();
  }
}

function movedTo(request: Request, origin: string): Request {
  const { pathname, search } = new URL(request.url);
  return new Request(`${origin}${pathname}${search}`, request);
}

/**
 * Certain is only what the database itself says of a statement. Without the number of one it was BEGIN or COMMIT that
 * failed, and of a COMMIT nobody knows.
 */
function judge(cause: unknown): BatchAnswer {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const statement = error instanceof LibsqlBatchError ? error.statementIndex : undefined;
  const isCertain = error instanceof LibsqlBatchError && CERTAIN.test(error.code);
  return isCertain && statement !== undefined
    ? { kind: "refused", statement, cause: error }
    : { kind: "unknown", cause: error };
}

/** Not SQLITE_BUSY and its like, which pass. */
const CERTAIN = /^(?:SQLITE_(?!BUSY|LOCKED)|ARGS_INVALID$)/;

/** True when the server answered, and its database has no such table. */
export function isMissingTable(cause: unknown): boolean {
  return cause instanceof Error && /no such table/.test(cause.message);
}
