import { type Client, createClient } from "@libsql/client/http";
import type { SqlRow, SqlValue } from "../connection.ts";
import {
  type BatchAnswer,
  batchRequest,
  CLOSE_REQUEST,
  type PipelineAnswer,
  readBatch,
  readFault,
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
 * Reads, which are rare, go through the client library. It opens a stream for each request, and sqld a connection for each
 * stream, for which it reads the whole schema: 2.5 ms of its processor for one batch, where the batch itself takes 0.5. So
 * batches are sent from here: a stream that committed one is kept for the next. One whose batch was not committed is closed
 * at once, so that a transaction can never stay open in it.
 */
export class Server {
  readonly #address: ServerAddress;
  readonly #client: Client;
  #stream: Stream | undefined;
  /** How long the next requests may take. */
  timeoutMs = REQUEST_TIMEOUT_MS;

  constructor(address: ServerAddress) {
    this.#address = address;
    const { url, urlNow } = address;
    this.#client = createClient({ url, fetch: (request: Request) => this.#ask(movedTo(request, urlNow?.())) });
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
    const { columns, rows } = await this.#client.execute({ sql, args: [...args] });
    // `as`: no column of ours holds a blob, and integers come as numbers.
    return rows.map((row) => columns.map((_name, column) => row[column] as SqlValue));
  }

  /** The server forgets the stream by itself. */
  close(): void {
    this.#stream = undefined;
    this.#client.close();
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
    const response = await this.#ask(
      new Request(new URL("v2/pipeline", base.endsWith("/") ? base : `${base}/`).href, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          // sqld compresses the smallest answer otherwise, and both sides are on one host.
          "accept-encoding": "identity",
        },
        body: JSON.stringify({ baton: stream?.baton ?? null, requests }),
      }),
    );
    if (!response.ok) throw readFault(response.status, await response.text());
    const answer = (await response.json()) as PipelineAnswer; // `as`: by the protocol; what is missing is seen when read
    const { baton, base_url } = answer;
    const next = { origin, base: base_url ?? base, usedAtMs: performance.now() };
    return { answer, stream: typeof baton === "string" ? { ...next, baton } : undefined };
  }

  /** With the token and the deadline of this moment. */
  #ask(request: Request): Promise<Response> {
    const token = this.#address.authToken?.();
    if (token !== undefined) request.headers.set("authorization", `Bearer ${token}`);
    return fetch(request, { signal: AbortSignal.timeout(this.timeoutMs) });
  }
}

/** The client library keeps the address that it was made with. */
function movedTo(request: Request, address: string | null | undefined): Request {
  if (address === null || address === undefined) return request;
  const { pathname, search } = new URL(request.url);
  return new Request(new URL(`${pathname}${search}`, address).href, request);
}

/** True when the server answered, and its database has no such table. */
export function isMissingTable(cause: unknown): boolean {
  return cause instanceof Error && /no such table/.test(cause.message);
}
