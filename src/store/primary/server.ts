import type { SqlRow, SqlValue } from "../connection.ts";
import {
  type BatchAnswer,
  batchRequest,
  CLOSE_REQUEST,
  type PipelineAnswer,
  readBatch,
  readFault,
  readRows,
  rowsRequest,
  type ServerStatement,
} from "./hrana.ts";

export type ServerAddress = {
  readonly url: string;
  /** Where it is at this moment, for a server that comes back elsewhere after each start. */
  readonly urlNow?: () => string | null;
  /** Asked with every request, because a token may be renewed; undefined sends none. */
  readonly authToken?: () => string | undefined;
};

/** Short: a server on the same host answers in 1 to 20 ms, one that does not in this time hangs. */
export const REQUEST_TIMEOUT_MS = 5_000;

/** A server forgets a stream that was not used for 10 s (sqld). */
const STREAM_USE_MS = 5_000;

/** A connection to the database that the server holds open between requests. */
type Stream = { readonly baton: string; readonly origin: string; readonly base: string; readonly usedAtMs: number };

/**
 * A libSQL server over HTTP. Every request has a deadline; nothing here is tried again.
 *
 * A stream that committed a batch is kept for the next one, because sqld opens a connection and reads the whole schema
 * for each: 2.5 ms of its processor for one batch, where the batch itself takes 0.5. One whose batch was not committed is
 * closed at once, so that a transaction can never stay open in it.
 */
export class Server {
  readonly #address: ServerAddress;
  #stream: Stream | undefined;
  /** How long the next requests may take. */
  timeoutMs = REQUEST_TIMEOUT_MS;

  constructor(address: ServerAddress) {
    this.#address = address;
  }

  /** One transaction: all of it or nothing. */
  async batch(statements: readonly ServerStatement[]): Promise<BatchAnswer> {
    try {
      const { answer, stream } = await this.#request([batchRequest(statements)], this.#takeStream());
      const read = readBatch(answer, statements.length);
      if (read.kind === "committed") this.#stream = stream;
      else if (stream !== undefined) await this.#end(stream);
      return read;
    } catch (cause) {
      return { kind: "unknown", cause: cause instanceof Error ? cause : new Error(String(cause)) };
    }
  }

  /** Rows by position. Throws when the server cannot be asked, and what it says against the statement. */
  async rows(sql: string, args: readonly SqlValue[] = []): Promise<readonly SqlRow[]> {
    const { answer } = await this.#request([rowsRequest({ sql, args }), CLOSE_REQUEST]);
    return readRows(answer);
  }

  /** The server forgets the stream by itself. */
  close(): void {
    this.#stream = undefined;
  }

  /** What came of the batch is known already, and does not change when the server cannot be told. */
  async #end(stream: Stream): Promise<void> {
    await this.#request([CLOSE_REQUEST], stream).catch(() => undefined);
  }

  #origin(): string {
    const origin = this.#address.urlNow?.() ?? this.#address.url;
    return origin.replace(/^libsql:/, "https:");
  }

  /** Nobody else uses it meanwhile: the next batch in the same moment has one of its own. */
  #takeStream(): Stream | undefined {
    const stream = this.#stream;
    this.#stream = undefined;
    const isUsable = stream?.origin === this.#origin() && performance.now() - stream.usedAtMs < STREAM_USE_MS;
    return isUsable ? stream : undefined;
  }

  async #request(
    requests: readonly unknown[],
    stream?: Stream,
  ): Promise<{ readonly answer: PipelineAnswer; readonly stream: Stream | undefined }> {
    const origin = this.#origin();
    const base = stream?.base ?? origin;
    const token = this.#address.authToken?.();
    const response = await fetch(new URL("v2/pipeline", base.endsWith("/") ? base : `${base}/`), {
      method: "POST",
      headers: {
        "content-type": "application/json",
        // sqld compresses the smallest answer otherwise, and both sides are on one host.
        "accept-encoding": "identity",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ baton: stream?.baton ?? null, requests }),
      signal: AbortSignal.timeout(this.timeoutMs),
    });
    if (!response.ok) throw readFault(response.status, await response.text());
    const answer = (await response.json()) as PipelineAnswer; // `as`: by the protocol; what is missing is seen when read
    const { baton, base_url } = answer;
    const next = { origin, base: base_url ?? base, usedAtMs: performance.now() };
    return { answer, stream: typeof baton === "string" ? { ...next, baton } : undefined };
  }
}

/** True when the server answered, and its database has no such table. */
export function isMissingTable(cause: unknown): boolean {
  return cause instanceof Error && /no such table/.test(cause.message);
}
