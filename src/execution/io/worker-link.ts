import { connect, type Socket } from "node:net";
import type { Clock, TaskId, Timer } from "#base";
import type { Progress } from "../progress-line.ts";
import {
  decodeNodeFrame,
  encodeFrame,
  FrameSplitter,
  type NodeFrame,
  PROTOCOL_VERSION,
  type WorkerFrame,
  type WorkerPhase,
} from "../protocol.ts";

export const HEARTBEAT_MS = 1_000;
const FIRST_BACKOFF_MS = 50;
/** A restarted node has its workers back within this time; local connects cost next to nothing. */
const MAX_BACKOFF_MS = 1_000;
/** More progress than a person can see is dropped; the last one always arrives. */
const PROGRESS_INTERVAL_MS = 200;
/** A node that does not read gets no further frames until it does. */
const MAX_UNSENT_BYTES = 64 * 1024;

export type LinkOptions = {
  readonly socketPath: string;
  readonly taskId: TaskId;
  readonly attempt: number;
  readonly token: string;
  readonly clock: Clock;
  readonly onStop: (by: "cancel" | "machine", reason: string) => void;
};

/** How the node answered a finished attempt; `none` when no node was there within the time given. */
export type Answer = "accepted" | "refused" | "none";

/**
 * The worker's end of the conversation with its node. It connects again for as long as it is open; what a new node
 * must know (phase, progress, that the attempt is finished) is said again after each connect.
 */
export class WorkerLink {
  readonly #options: LinkOptions;
  #socket: Socket | undefined;
  #welcome = false;
  #closed = false;
  #backoffMs = FIRST_BACKOFF_MS;
  #phase: WorkerPhase = "preparing";
  #progress: Progress | undefined;
  #progressTimer: Timer | undefined;
  readonly #answer = Promise.withResolvers<Answer>();

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  open(): void {
    this.#connect();
    this.#beat();
  }

  set phase(phase: WorkerPhase) {
    this.#phase = phase;
    this.#send({ v: PROTOCOL_VERSION, type: "heartbeat", phase });
  }

  progress(progress: Progress): void {
    this.#progress = progress;
    this.#progressTimer ??= this.#options.clock.after(PROGRESS_INTERVAL_MS, () => {
      this.#progressTimer = undefined;
      this.#sendProgress();
    });
  }

  /** Says that `result.json` is there and waits for the node's answer, across reconnects, at most `limitMs`. */
  async finished(limitMs: number): Promise<Answer> {
    this.phase = "finished";
    this.#sendProgress();
    this.#send({ v: PROTOCOL_VERSION, type: "finished" });
    const timer = this.#options.clock.after(limitMs, () => this.#answer.resolve("none"));
    const answer = await this.#answer.promise;
    timer.cancel();
    return answer;
  }

  close(): void {
    this.#closed = true;
    this.#progressTimer?.cancel();
    this.#socket?.destroy();
  }

  #connect(): void {
    if (this.#closed) return;
    const { socketPath, taskId, attempt, token, clock } = this.#options;
    const socket = connect(socketPath);
    const splitter = new FrameSplitter();
    this.#socket = socket;
    socket.on("connect", () => {
      socket.write(encodeFrame({ v: PROTOCOL_VERSION, type: "hello", taskId, attempt, token }));
    });
    socket.on("data", (chunk: Uint8Array) => {
      const lines = splitter.push(chunk);
      if (!lines.ok) {
        socket.destroy();
        return;
      }
      for (const line of lines.value) {
        const frame = decodeNodeFrame(line);
        if (!frame.ok) {
          socket.destroy();
          return;
        }
        if (frame.value !== undefined) this.#receive(frame.value);
      }
    });
    socket.on("error", () => undefined); // `close` follows, and that is what is acted on.
    socket.on("close", () => {
      this.#welcome = false;
      if (this.#closed) return;
      clock.after(this.#backoffMs, () => this.#connect());
      this.#backoffMs = Math.min(this.#backoffMs * 2, MAX_BACKOFF_MS);
    });
  }

  #receive(frame: NodeFrame): void {
    switch (frame.type) {
      case "welcome":
        this.#welcome = true;
        this.#backoffMs = FIRST_BACKOFF_MS;
        this.#send({ v: PROTOCOL_VERSION, type: "heartbeat", phase: this.#phase });
        this.#sendProgress();
        if (this.#phase === "finished") this.#send({ v: PROTOCOL_VERSION, type: "finished" });
        return;
      case "unknown":
        this.#options.onStop("machine", frame.reason);
        this.#answer.resolve("refused");
        return;
      case "cancel":
        this.#options.onStop("cancel", frame.reason);
        return;
      case "shutdown":
        this.#options.onStop("machine", frame.reason);
        return;
      case "accepted":
      case "refused":
        this.#answer.resolve(frame.type);
        return;
    }
  }

  #beat(): void {
    if (this.#closed) return;
    this.#send({ v: PROTOCOL_VERSION, type: "heartbeat", phase: this.#phase });
    this.#options.clock.after(HEARTBEAT_MS, () => this.#beat());
  }

  #sendProgress(): void {
    if (this.#progress !== undefined) this.#send({ v: PROTOCOL_VERSION, type: "progress", ...this.#progress });
  }

  #send(frame: WorkerFrame): void {
    if (!this.#welcome || this.#socket === undefined || this.#socket.writableLength > MAX_UNSENT_BYTES) return;
    this.#socket.write(encodeFrame(frame));
  }
}
