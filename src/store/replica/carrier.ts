/**
 * The address under which the embedded replica believes its server to be: this process. Each of its requests is handed on
 * by whoever knows the hub, its keys and its present address, and ends in time, so that no sync stands still for ever.
 *
 * K1: it takes requests with its own random token only, on loopback, for the paths that a replica needs.
 * K2: an exchange that is silent for too long ends.
 */
import { timingSafeEqual } from "node:crypto";
import { err, ok, type Random, type Result, retryable } from "#base";

/** Hands one request of the replica to the hub. A hub that is away is a failed promise, or an answer of 5xx. */
export type Carry = (request: Request) => Promise<Response>;

export type Carrier = {
  readonly url: string;
  readonly token: string;
  /** Exchanges that the hub did not answer, since the start. */
  readonly failures: () => number;
  readonly stop: () => Promise<void>;
};

/** The server behind the hub holds a request for new frames open for a few seconds at most. */
const SILENCE_MS = 8_000;
const TOKEN_BYTES = 32;
const PATHS = /^\/(info|wal_log\.ReplicationLog\/[A-Za-z]+)$/;

/** @returns the running carrier, or why this host gives it no port. */
export function startCarrier(carry: Carry, random: Random, silenceMs = SILENCE_MS): Result<Carrier> {
  const token = Buffer.from(random.bytes(TOKEN_BYTES)).toString("base64url");
  let failures = 0;
  const answer = async (request: Request): Promise<Response> => {
    if (!isOwn(request, token)) return new Response("not for you", { status: 401 });
    const { pathname } = new URL(request.url);
    if (!PATHS.test(pathname)) return new Response("no such path", { status: 404 });
    const silence = new Silence(silenceMs);
    try {
      const carried = await carry(new Request(request, { signal: silence.signal }));
      if (carried.status >= 500) failures += 1;
      silence.heard();
      const body = carried.body?.pipeThrough(
        new TransformStream<Uint8Array, Uint8Array>({
          transform: (chunk, controller) => {
            silence.heard();
            controller.enqueue(chunk);
          },
          flush: () => silence.over(),
        }),
      );
      if (body === undefined) silence.over();
      return new Response(body ?? null, { status: carried.status, headers: carried.headers });
    } catch (cause) {
      failures += 1;
      silence.over();
      return new Response(`the hub does not answer: ${String(cause)}`, { status: 503 });
    }
  };
  try {
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 0, development: false, fetch: answer });
    return ok({
      url: `http://127.0.0.1:${server.port}`,
      token,
      failures: () => failures,
      stop: () => server.stop(true),
    });
  } catch (cause) {
    return err(retryable("unavailable", `listen on loopback for the replica: ${String(cause)}`));
  }
}

function isOwn(request: Request, token: string): boolean {
  // Older clients of the protocol say it under the first of these names.
  const given = request.headers.get("x-authorization") ?? request.headers.get("authorization") ?? "";
  const bytes = Buffer.from(given.replace(/^Bearer +/i, ""));
  const expected = Buffer.from(token);
  return bytes.length === expected.length && timingSafeEqual(bytes, expected);
}

/** Aborts what has not been heard from for a while. */
class Silence {
  readonly #controller = new AbortController();
  readonly #limitMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
    this.heard();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  heard(): void {
    clearTimeout(this.#timer);
    const late = (): void => this.#controller.abort(new Error(`silent for ${this.#limitMs} ms`));
    this.#timer = setTimeout(late, this.#limitMs);
  }

  over(): void {
    clearTimeout(this.#timer);
  }
}
