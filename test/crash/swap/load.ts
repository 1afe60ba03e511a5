/**
 * Clients that ask one node without end, on raw sockets. WHY not fetch: a client library may ask again by itself when a
 * connection is cut, which would hide exactly the failures that are counted here. Nothing is asked twice.
 */
import { connect, type Socket } from "node:net";

export type LoadOptions = {
  readonly port: number;
  readonly token: string;
  /** Clients that connect anew for each request, that keep their connection, and that follow the events. */
  readonly closing: number;
  readonly keeping: number;
  readonly streaming: number;
  /** What is asked for. */
  readonly path: string;
};

export type LoadResult = {
  readonly answered: number;
  readonly failed: number;
  /** How often each kind of failure occurred. */
  readonly failures: Readonly<Record<string, number>>;
  /** Streams that ended by a last frame, and streams that were cut without one. */
  readonly streamsEnded: number;
  readonly streamsCut: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

/** A node that is replaced lets clients wait; none of them waits for longer than this. */
const REQUEST_LIMIT_MS = 30_000;

export class Load {
  readonly #options: LoadOptions;
  readonly #failures: Record<string, number> = {};
  readonly #timesMs: number[] = [];
  readonly #clients: Promise<void>[] = [];
  #answered = 0;
  #streamsEnded = 0;
  #streamsCut = 0;
  #isStopping = false;
  readonly #streams = new Set<Socket>();

  constructor(options: LoadOptions) {
    this.#options = options;
    const start = (count: number, act: () => Promise<void>): void => {
      for (let client = 0; client < count; client += 1) this.#clients.push(act());
    };
    start(options.closing, () => this.#ask(false));
    start(options.keeping, () => this.#ask(true));
    start(options.streaming, () => this.#follow());
  }

  get answered(): number {
    return this.#answered;
  }

  async stop(): Promise<LoadResult> {
    this.#isStopping = true;
    for (const stream of this.#streams) stream.destroy();
    await Promise.all(this.#clients);
    const times = this.#timesMs.toSorted((a, b) => a - b);
    const share = (part: number): number => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0;
    return {
      answered: this.#answered,
      failed: Object.values(this.#failures).reduce((sum, count) => sum + count, 0),
      failures: this.#failures,
      streamsEnded: this.#streamsEnded,
      streamsCut: this.#streamsCut,
      p50Ms: share(0.5),
      p99Ms: share(0.99),
      maxMs: times.at(-1) ?? 0,
    };
  }

  async #ask(keeps: boolean): Promise<void> {
    let socket: Socket | undefined;
    while (!this.#isStopping) {
      const startedMs = performance.now();
      socket ??= connect({ port: this.#options.port, host: "127.0.0.1" });
      const reply = await request(socket, this.#head(keeps ? "keep-alive" : "close", "application/json"));
      if (typeof reply === "string") this.#failed(reply);
      else {
        this.#answered += 1;
        this.#timesMs.push(performance.now() - startedMs);
      }
      const goesOn = keeps && typeof reply !== "string" && !reply.closes;
      if (!goesOn) {
        socket.destroy();
        socket = undefined;
      }
    }
    socket?.destroy();
  }

  /** Follows the events, and connects again when a stream ends. */
  async #follow(): Promise<void> {
    while (!this.#isStopping) {
      const socket = connect({ port: this.#options.port, host: "127.0.0.1" });
      this.#streams.add(socket);
      let text = "";
      const ended = new Promise<void>((resolve) => {
        socket.on("data", (bytes) => {
          text = (text + bytes.toString("latin1")).slice(-4_096);
        });
        socket.on("error", () => resolve());
        socket.on("close", () => resolve());
      });
      socket.write(this.#head("keep-alive", "text/event-stream", "/api/events"));
      await ended;
      this.#streams.delete(socket);
      if (this.#hasStopped()) return;
      if (text.includes("event: end")) this.#streamsEnded += 1;
      else this.#streamsCut += 1;
    }
  }

  /** Asked anew: it may have become true during a wait. */
  #hasStopped(): boolean {
    return this.#isStopping;
  }

  #failed(kind: string): void {
    if (!this.#isStopping) this.#failures[kind] = (this.#failures[kind] ?? 0) + 1;
  }

  #head(connection: string, accept: string, path = this.#options.path): string {
    const { token } = this.#options;
    return `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nAccept: ${accept}\r\nConnection: ${connection}\r\n\r\n`;
  }
}

/** @returns the answer, or in one word why there was none. An answer that is no success counts as none. */
function request(socket: Socket, head: string): Promise<{ readonly closes: boolean } | string> {
  return new Promise((resolve) => {
    let text = "";
    const settle = (result: { readonly closes: boolean } | string): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on("error", () => undefined); // A late error of a socket that is given up must not end the process.
      resolve(result);
    };
    const timer = setTimeout(() => settle("no answer in time"), REQUEST_LIMIT_MS);
    socket.on("error", (cause) => settle("code" in cause ? String(cause.code) : cause.message));
    socket.on("close", () => settle("closed before the answer"));
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end))?.[1];
      const isWhole = length === undefined ? text.endsWith("\r\n0\r\n\r\n") : text.length >= end + 4 + Number(length);
      if (!isWhole) return;
      const status = text.slice(9, 12);
      settle(status === "200" ? { closes: /\r\nconnection: *close/i.test(text.slice(0, end)) } : `status ${status}`);
    });
    socket.write(head);
  });
}
