/**
 * The address under which the embedded replica believes its server to be: this process. Each of its requests is handed on
 * by whoever knows the hub, its keys and its present address, and ends in time, so that no sync stands still for ever.
 *
 * K1: it takes requests with its own random token only, on loopback, for the paths that a replica needs.
 * K2: an exchange that is silent for too long ends, whether or not the hub's side of it listens to its signal.
 * K3: the greeting of a server with another log than the copy's is not handed to the replica (replica-log.ts).
 * K4: once the hub did not answer within a sync, the rest of that sync is refused at once; the binding would try thrice.
 */
import { timingSafeEqual } from "node:crypto";
import { err, ok, type Random, type Result, retryable } from "#base";
import { logOfGreeting } from "./replica-log.ts";

/** Hands one request of the replica to the hub. A hub that is away is a failed promise, or an answer of 5xx. */
export type Carry = (request: Request) => Promise<Response>;

export type Carrier = {
  readonly url: string;
  readonly token: string;
  /** Exchanges that failed on the hub's side, since the start. */
  readonly failures: () => number;
  /** A sync begins. Greetings must name this log; undefined takes any. */
  readonly begin: (log: string | undefined) => void;
  /**
   * Whether the hub greets just now; {@link otherLog} says as whom. Without asking first the binding tries for three
   * seconds before it gives up.
   */
  readonly reach: () => Promise<boolean>;
  /** The log of a server that was not let through in this sync. */
  readonly otherLog: () => string | undefined;
  /** Ends what is under way and refuses everything from now on. */
  readonly refuse: () => void;
  /** To be called when no replica uses it any more: the binding prints a line when its server is gone. */
  readonly stop: () => Promise<void>;
};

/** The server behind the hub holds a request for new frames open for a few seconds at most. */
const SILENCE_MS = 8_000;
const TOKEN_BYTES = 32;
const PATH = /^\/wal_log\.ReplicationLog\/[A-Za-z]{1,64}$/;
const GREETING = "/wal_log.ReplicationLog/Hello";
/** Of gRPC-web: a kind, and the length of what follows. */
const FRAME_HEADER_BYTES = 5;
/** A greeting has 160 bytes. */
const MAX_GREETING_BYTES = 64 * 1024;
/** gRPC's "unavailable", with HTTP status 200: while the server makes a snapshot of its log it has nothing to send. */
const UNAVAILABLE = "14";

/** @returns the running carrier, or why this host gives it no port. */
export function startCarrier(carry: Carry, random: Random, silenceMs = SILENCE_MS): Result<Carrier> {
  const exchanges = new Exchanges(carry, Buffer.from(random.bytes(TOKEN_BYTES)).toString("base64url"), silenceMs);
  try {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 0,
      development: false,
      fetch: (request) => exchanges.answer(request),
    });
    return ok({
      url: `http://127.0.0.1:${server.port}`,
      token: exchanges.token,
      failures: () => exchanges.failures,
      begin: (log) => exchanges.begin(log),
      reach: () => exchanges.reach(),
      otherLog: () => exchanges.otherLog,
      refuse: () => exchanges.refuse(),
      stop: () => server.stop(true),
    });
  } catch (cause) {
    return err(retryable("unavailable", `listen on loopback for the replica: ${String(cause)}`));
  }
}

/** With a text in it the binding would take that for a frame, and print a line of its own about it. */
const refusal = (): Response => new Response(null, { status: 503 });

class Exchanges {
  readonly token: string;
  failures = 0;
  otherLog: string | undefined;
  readonly #carry: Carry;
  readonly #silenceMs: number;
  readonly #end = new AbortController();
  #expected: string | undefined;
  #failuresBefore = 0;

  constructor(carry: Carry, token: string, silenceMs: number) {
    this.#carry = carry;
    this.token = token;
    this.#silenceMs = silenceMs;
  }

  begin(log: string | undefined): void {
    this.#expected = log;
    this.otherLog = undefined;
    this.#failuresBefore = this.failures;
  }

  async reach(): Promise<boolean> {
    const silence = new Silence(this.#silenceMs, this.#end.signal);
    try {
      // The greeting of a client that says nothing of itself: one empty frame.
      const request = new Request(`http://127.0.0.1${GREETING}`, {
        method: "POST",
        headers: { "content-type": "application/grpc-web+proto" },
        body: new Uint8Array(FRAME_HEADER_BYTES),
        signal: silence.signal,
      });
      const carried = await silence.limit(this.#carry(request));
      if (!carried.ok) return false;
      await this.#greet(carried, silence);
      return true;
    } catch {
      return false;
    }
  }

  refuse(): void {
    this.#end.abort(new Error("the replica is closed"));
  }

  async answer(request: Request): Promise<Response> {
    if (!this.#isOwn(request)) return new Response("not for you", { status: 401 });
    const { pathname } = new URL(request.url);
    // Asked for first of all: an answer would mean another protocol, which no server of a fleet speaks.
    if (!PATH.test(pathname)) return new Response(null, { status: 404 });
    const isGivenUp = this.otherLog !== undefined || this.failures > this.#failuresBefore;
    if (isGivenUp || this.#end.signal.aborted) return refusal();
    const silence = new Silence(this.#silenceMs, this.#end.signal);
    try {
      const signal = AbortSignal.any([silence.signal, request.signal]);
      const carried = await silence.limit(this.#carry(new Request(request, { signal })));
      if (!carried.ok || carried.headers.get("grpc-status") === UNAVAILABLE) {
        this.failures += 1;
        void carried.body?.cancel().catch(() => undefined);
        return refusal();
      }
      const init = { status: carried.status, headers: carried.headers };
      if (pathname === GREETING) {
        const greeting = await this.#greet(carried, silence);
        return greeting === undefined ? refusal() : new Response(greeting, init);
      }
      return new Response(carried.body === null ? null : this.#timed(carried.body, silence), init);
    } catch {
      this.failures += 1;
      return refusal();
    }
  }

  /** K3. @returns the greeting; undefined when it is held back */
  async #greet(carried: Response, silence: Silence): Promise<ArrayBuffer | undefined> {
    const bytes = await silence.limit(carried.arrayBuffer());
    if (bytes.byteLength > MAX_GREETING_BYTES) throw new Error("a greeting of that size is none");
    const log = logOfGreeting(new Uint8Array(bytes));
    if (this.#expected === undefined || log === undefined || log === this.#expected) return bytes;
    this.otherLog = log;
    return undefined;
  }

  /** The same stream; it fails when the other side is waited for in vain. */
  #timed(body: ReadableStream<Uint8Array>, silence: Silence): ReadableStream<Uint8Array> {
    const reader = body.getReader();
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          const part = await silence.limit(reader.read());
          if (part.done) controller.close();
          else controller.enqueue(part.value);
        } catch (cause) {
          this.failures += 1;
          controller.error(cause);
          void reader.cancel(cause).catch(() => undefined);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    });
  }

  #isOwn(request: Request): boolean {
    // Older clients of the protocol say it under the first of these names.
    const given = request.headers.get("x-authorization") ?? request.headers.get("authorization") ?? "";
    const bytes = Buffer.from(given.replace(/^Bearer +/i, ""));
    const expected = Buffer.from(this.token);
    return bytes.length === expected.length && timingSafeEqual(bytes, expected);
  }
}

/** The patience of one exchange: counted anew for each thing that is waited for, and only while something is. */
class Silence {
  readonly #controller = new AbortController();
  readonly #limitMs: number;
  readonly #end: AbortSignal;

  constructor(limitMs: number, end: AbortSignal) {
    this.#limitMs = limitMs;
    this.#end = end;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async limit<T>(waiting: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const give = (reason: Error): void => {
      this.#controller.abort(reason);
      late.reject(reason);
    };
    const timer = setTimeout(() => give(new Error(`silent for ${this.#limitMs} ms`)), this.#limitMs);
    const over = (): void => give(new Error("the replica is closed"));
    this.#end.addEventListener("abort", over);
    try {
      return await Promise.race([waiting, late.promise]);
    } finally {
      clearTimeout(timer);
      this.#end.removeEventListener("abort", over);
    }
  }
}
