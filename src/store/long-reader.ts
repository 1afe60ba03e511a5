import { err, type Failure, ok, type Result, retryable, terminal } from "#base";
import type { SqlRow, SqlValue } from "./connection.ts";
import type { Inspection, ReaderAnswer, ReaderCall, ReaderReply, ReaderRequest } from "./reader-protocol.ts";
import { storageFailure } from "./storage-failure.ts";

/** A search over a million tasks takes 2 s; one that takes fifteen times as long is stopped. */
const READ_TIMEOUT_MS = 30_000;
/** Copying and checking gigabytes takes minutes on a slow disk. */
const FILE_TIMEOUT_MS = 30 * 60_000;
/** A store that closes waits this long for a thread that is in the middle of a statement. */
const CLOSE_TIMEOUT_MS = 2_000;
/** Threads that still work on what nobody waits for; with more, new requests would only make it worse. */
const MAX_ENDING = 2;
/** Requests that may wait for the thread. */
const MAX_PENDING = 100;

export type LongReaderLimits = { readonly readTimeoutMs?: number; readonly closeTimeoutMs?: number };

type Pending = {
  readonly action: string;
  readonly resolve: (result: Result<ReaderReply>) => void;
  readonly timer: ReturnType<typeof setTimeout>;
};

/**
 * Reads that would stop the event loop, done in a thread. It starts with the first request. When one takes too long,
 * what waits fails as retryable, the thread is asked to end once it can, and the next request starts another.
 *
 * The thread is never terminated: ended from outside in the middle of a statement, the binding aborts the whole
 * process (libsql 0.5.29, neon "PendingException").
 */
export class LongReader {
  readonly #path: string;
  readonly #readTimeoutMs: number;
  readonly #closeTimeoutMs: number;
  readonly #pending = new Map<number, Pending>();
  readonly #ending = new Set<Worker>();
  #worker: Worker | undefined;
  #nextId = 1;
  #onceEnded: (() => void) | undefined;
  #isClosed = false;

  constructor(path: string, limits: LongReaderLimits = {}) {
    this.#path = path;
    this.#readTimeoutMs = limits.readTimeoutMs ?? READ_TIMEOUT_MS;
    this.#closeTimeoutMs = limits.closeTimeoutMs ?? CLOSE_TIMEOUT_MS;
  }

  async all(action: string, sql: string, params: readonly SqlValue[]): Promise<Result<readonly SqlRow[]>> {
    const reply = await this.#ask(action, { kind: "all", path: this.#path, sql, params }, this.#readTimeoutMs);
    if (!reply.ok) return reply;
    return reply.value.kind === "rows" ? ok(reply.value.rows) : err(confused(action));
  }

  /** Writes a consistent copy of the database to `to`, which must not exist. */
  async copy(to: string): Promise<Result<void>> {
    const reply = await this.#ask("copy the database", { kind: "copy", path: this.#path, to }, FILE_TIMEOUT_MS);
    return reply.ok ? ok(undefined) : reply;
  }

  async inspect(path: string): Promise<Result<Inspection>> {
    const reply = await this.#ask(`inspect ${path}`, { kind: "inspect", path }, FILE_TIMEOUT_MS);
    if (!reply.ok) return reply;
    return reply.value.kind === "inspected" ? ok(reply.value.inspection) : err(confused("inspect"));
  }

  /** Fails what waits. Resolves when the thread has ended, or after a moment when it is busy for longer. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#retire(terminal("unavailable", "the store is closed"));
    if (this.#ending.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#closeTimeoutMs);
      this.#onceEnded = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #ask(action: string, request: ReaderRequest, timeoutMs: number): Promise<Result<ReaderReply>> {
    if (this.#isClosed) return Promise.resolve(err(terminal("unavailable", `${action}: the store is closed`)));
    if (this.#pending.size >= MAX_PENDING) {
      return Promise.resolve(
        err(retryable("limit", `${action}: ${MAX_PENDING} long reads wait already`, "Try again later")),
      );
    }
    if (this.#ending.size >= MAX_ENDING) {
      return Promise.resolve(
        err(retryable("unavailable", `${action}: earlier long reads still run`, "Try again later")),
      );
    }
    return new Promise((resolve) => {
      const id = this.#nextId++;
      const timer = setTimeout(() => {
        this.#retire(
          retryable("timed_out", `the reader thread gave no answer in ${timeoutMs} ms`, "Ask for less at once"),
        );
      }, timeoutMs);
      this.#pending.set(id, { action, resolve, timer });
      const call: ReaderCall = { id, request };
      this.#running().postMessage(call);
    });
  }

  #running(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL("./reader-worker.ts", import.meta.url).href);
    worker.addEventListener("message", (event: MessageEvent<ReaderAnswer>) => this.#settle(event.data));
    worker.addEventListener("error", (event) => this.#died(worker, event.message));
    worker.addEventListener("close", () => this.#died(worker, "closed"));
    // A thread that waits must not keep the process alive.
    worker.unref();
    this.#worker = worker;
    return worker;
  }

  #settle(answer: ReaderAnswer): void {
    const pending = this.#pending.get(answer.id);
    if (pending === undefined) return;
    this.#pending.delete(answer.id);
    clearTimeout(pending.timer);
    pending.resolve("reply" in answer ? ok(answer.reply) : err(toFailure(pending.action, answer.fault)));
  }

  #died(worker: Worker, why: string): void {
    if (this.#worker === worker) {
      this.#worker = undefined;
      this.#fail(retryable("unavailable", `the reader thread ended: ${why}`, "Try again"));
    }
    this.#ending.delete(worker);
    if (this.#ending.size === 0) this.#onceEnded?.();
  }

  #retire(failure: Failure): void {
    if (this.#worker !== undefined) {
      const end: ReaderCall = { id: 0, request: { kind: "end" } };
      this.#worker.postMessage(end);
      this.#ending.add(this.#worker);
      this.#worker = undefined;
    }
    this.#fail(failure);
  }

  #fail(failure: Failure): void {
    for (const [id, pending] of this.#pending) {
      this.#pending.delete(id);
      clearTimeout(pending.timer);
      pending.resolve(err({ ...failure, message: `${pending.action}: ${failure.message}` }));
    }
  }
}

function toFailure(action: string, fault: { readonly message: string; readonly code: string }): Failure {
  const error = Object.assign(new Error(fault.message), { code: fault.code });
  return storageFailure(error, action) ?? terminal("internal", `${action}: ${fault.message}`);
}

function confused(action: string): Failure {
  return terminal("internal", `${action}: the reader thread answered something else`);
}
