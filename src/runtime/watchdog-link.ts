/** The node's end of watchdog.sock. Connects again for as long as the node lives: a watchdog may be replaced. */
import type { Socket } from "bun";
import { type Clock, err, type JsonValue, type Logger, ok, type Result, retryable, sleep, type Timer } from "#base";
import {
  type KeptProcess,
  type KeptReport,
  LineBuffer,
  LineWriter,
  type NodeMessage,
  PROTOCOL,
  type Pulse,
  parseWatchdogMessage,
  type ShutdownMode,
  sendSocket,
  type WatchdogAction,
  type WatchdogMessage,
} from "#watchdog";

const RECONNECT_MS = 200;
/** A watchdog that is started again is there within this time. */
const RECONNECT_LIMIT_MS = 2_000;
const POLL_MS = 20;
const HEARTBEAT_MS = 1_000;
/** A selftest of a candidate takes seconds; a swap is answered when it is over. */
const REQUEST_LIMIT_MS = 10 * 60_000;

type LinkOptions = {
  readonly path: string;
  readonly pid: number;
  readonly generation: number;
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** What the link needs of a node that has started. */
export type LinkedNode = {
  /** The listening socket of this node, to be sent to a watchdog that lacks it. */
  readonly listeningFd: number | null;
  readonly vitals: () => {
    readonly rssBytes: number;
    readonly requests: number;
    readonly serverErrors: number;
    readonly pulses: readonly Pulse[];
  };
  readonly ordered: (order: Extract<WatchdogMessage, { kind: "drain" | "stop" | "maintenance" }>) => void;
};

type KeptListener = (reports: readonly KeptReport[]) => void;
type Pending = { readonly settle: (result: Result<JsonValue>) => void; readonly timer: Timer };

export class WatchdogLink {
  readonly #options: LinkOptions;
  readonly #pending = new Map<number, Pending>();
  #socket: Socket<undefined> | undefined;
  #writer: LineWriter | undefined;
  #timer: Timer | undefined;
  #node: LinkedNode | undefined;
  #kept: { readonly processes: readonly KeptProcess[]; readonly listener: KeptListener } | undefined;
  #readyUrl: string | undefined;
  #stopping: ShutdownMode | undefined;
  #nextId = 1;
  #isClosed = false;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Connects; what is to be kept alive may be said from now on, also before there is a node. */
  start(): void {
    void this.#connect();
    this.#beat();
  }

  /** From now on the watchdog is told how this node fares, and its orders are carried out. */
  attach(node: LinkedNode): void {
    this.#node = node;
    if (this.#socket !== undefined) this.#greet();
  }

  /** Exactly these are to be kept alive, also beyond the end of this node. */
  keep(processes: readonly KeptProcess[], listener: KeptListener): void {
    this.#kept = { processes, listener };
    this.#send({ kind: "keep", processes });
  }

  ready(url: string): void {
    this.#readyUrl = url;
    this.#send({ kind: "ready", url });
  }

  /** Says that a person asked for the end. */
  stopping(mode: ShutdownMode): void {
    this.#stopping = mode;
    this.#send({ kind: "stopping", mode });
  }

  /** @returns what the watchdog answers; one that is just being replaced is waited for. */
  async ask(action: WatchdogAction, body: JsonValue): Promise<Result<JsonValue>> {
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + RECONNECT_LIMIT_MS;
    while (this.#socket === undefined && !this.#isClosed && clock.monotonicMs() < endMs) await sleep(clock, POLL_MS);
    return this.#ask(action, body);
  }

  #ask(action: WatchdogAction, body: JsonValue): Promise<Result<JsonValue>> {
    if (this.#socket === undefined) {
      const message = "the watchdog does not answer at this moment";
      return Promise.resolve(err(retryable("unavailable", message, "Try again in a second")));
    }
    const id = this.#nextId++;
    return new Promise((resolve) => {
      const settle = (result: Result<JsonValue>): void => {
        this.#pending.get(id)?.timer.cancel();
        this.#pending.delete(id);
        resolve(result);
      };
      const late = retryable("timed_out", `the watchdog gave no answer in ${REQUEST_LIMIT_MS} ms`);
      this.#pending.set(id, { settle, timer: this.#options.clock.after(REQUEST_LIMIT_MS, () => settle(err(late))) });
      this.#send({ kind: "request", id, action, body });
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#socket?.end();
    this.#lost();
  }

  #beat(): void {
    if (this.#isClosed) return;
    if (this.#socket === undefined) void this.#connect();
    else if (this.#node !== undefined) this.#send({ kind: "heartbeat", ...this.#node.vitals() });
    const waitMs = this.#socket === undefined ? RECONNECT_MS : HEARTBEAT_MS;
    this.#timer = this.#options.clock.after(waitMs, () => this.#beat());
  }

  async #connect(): Promise<void> {
    const lines = new LineBuffer();
    try {
      await Bun.connect({
        unix: this.#options.path,
        socket: {
          open: (socket) => this.#opened(socket),
          data: (socket, bytes) => {
            for (const line of lines.push(bytes)) this.#received(line);
            if (lines.isTooLong) socket.end();
          },
          drain: () => this.#writer?.drained(),
          close: (socket) => {
            if (this.#socket === socket) this.#lost();
          },
          error: () => undefined,
        },
      });
    } catch {
      // No watchdog listens at this moment: the next beat tries again.
    }
  }

  #opened(socket: Socket<undefined>): void {
    if (this.#isClosed || this.#socket !== undefined) {
      socket.end();
      return;
    }
    this.#socket = socket;
    this.#writer = new LineWriter(socket);
    if (this.#kept !== undefined) this.#send({ kind: "keep", processes: this.#kept.processes });
    if (this.#node !== undefined) this.#greet();
  }

  #greet(): void {
    const { pid, generation, version } = this.#options;
    this.#send({ kind: "hello", protocol: PROTOCOL, pid, generation, version });
    if (this.#readyUrl !== undefined) this.#send({ kind: "ready", url: this.#readyUrl });
    if (this.#stopping !== undefined) this.#send({ kind: "stopping", mode: this.#stopping });
  }

  #received(line: string): void {
    const message = parseWatchdogMessage(line);
    switch (message?.kind) {
      case undefined:
        this.#options.logger.warn("the watchdog sent something unknown", { line: line.slice(0, 200) });
        break;
      case "answer":
        this.#pending.get(message.id)?.settle("failure" in message ? err(message.failure) : ok(message.value));
        break;
      case "socketWanted":
        this.#handOver(message.path);
        break;
      case "kept":
        this.#kept?.listener(message.processes);
        break;
      case "drain":
      case "stop":
      case "maintenance":
        this.#node?.ordered(message);
        break;
    }
  }

  #handOver(path: string): void {
    const { logger } = this.#options;
    const listeningFd = this.#node?.listeningFd ?? null;
    const sent = listeningFd === null ? undefined : sendSocket(path, listeningFd);
    if (sent?.ok === false) logger.warn("the listening socket could not be handed over", { error: sent.error.message });
  }

  #send(message: NodeMessage): void {
    if (this.#writer?.write(JSON.stringify(message)) === false) this.#socket?.end();
  }

  #lost(): void {
    this.#socket = undefined;
    this.#writer = undefined;
    const failure = retryable("unavailable", "the watchdog went away before it answered", "Look with: drover releases");
    for (const { settle } of this.#pending.values()) settle(err(failure));
  }
}
