import { err, ok, type Result, retryable } from "#base";
import type { ReplicaAnswer, ReplicaCall, ReplicaRequest } from "./replica-protocol.ts";

/** The carrier ends each request of a sync that stands still; a large database over a slow line takes hours. */
const CALL_TIMEOUT_MS = 6 * 60 * 60_000;
/** A thread in the middle of a sync ends when its request does. */
const END_TIMEOUT_MS = 15_000;

/** The thread that holds the embedded replica. One call at a time. It is never terminated: that aborts the process. */
export class ReplicaThread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, (answer: Result<void>) => void>();
  #nextId = 1;
  #ended: (() => void) | undefined;
  #isOver = false;

  constructor() {
    this.#worker = new Worker(new URL("./replica-worker.ts", import.meta.url).href);
    this.#worker.unref();
    this.#worker.addEventListener("message", (event: MessageEvent<ReplicaAnswer>) => {
      const answer = event.data;
      const settle = this.#pending.get(answer.id);
      this.#pending.delete(answer.id);
      settle?.(answer.ok ? ok(undefined) : err(retryable("unavailable", answer.message)));
    });
    this.#worker.addEventListener("error", (event) => this.#over(event.message));
    this.#worker.addEventListener("close", () => this.#over("it was closed"));
  }

  /** Whether it has ended, by itself or as it was told. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Opens the replica and brings it up to the hub. */
  open(path: string, url: string, token: string): Promise<Result<void>> {
    return this.#ask({ kind: "open", path, url, token });
  }

  sync(): Promise<Result<void>> {
    return this.#ask({ kind: "sync" });
  }

  /** Closes the replica. @returns whether the thread has ended; else it ends by itself when its sync does. */
  async end(): Promise<boolean> {
    if (this.#isOver) return true;
    const ended = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => ended.resolve(false), END_TIMEOUT_MS);
    this.#ended = () => ended.resolve(true);
    const call: ReplicaCall = { id: 0, request: { kind: "end" } };
    this.#worker.postMessage(call);
    const isOver = await ended.promise;
    clearTimeout(timer);
    return isOver;
  }

  #ask(request: ReplicaRequest): Promise<Result<void>> {
    if (this.#isOver) return Promise.resolve(err(retryable("unavailable", "the thread of the replica has ended")));
    return new Promise((resolve) => {
      const id = this.#nextId++;
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        resolve(err(retryable("timed_out", `the replica gave no answer in ${CALL_TIMEOUT_MS} ms`)));
      }, CALL_TIMEOUT_MS);
      this.#pending.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      const call: ReplicaCall = { id, request };
      this.#worker.postMessage(call);
    });
  }

  #over(why: string): void {
    this.#isOver = true;
    for (const [id, settle] of this.#pending) {
      this.#pending.delete(id);
      settle(err(retryable("unavailable", `the thread of the replica ended: ${why}`)));
    }
    this.#ended?.();
  }
}
