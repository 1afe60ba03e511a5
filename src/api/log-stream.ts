/**
 * One client's view of a task's log while it grows, attempt after attempt, until the task has ended.
 *
 * G1: every byte of a log, or every step of a loop, is sent once and in order: the place is an offset into the file.
 * G2: nothing is read ahead of a client that takes nothing; one that is stuck is sent away and can resume.
 * G3: a task is read before its log, so that the log of an attempt that had ended by then is whole. One that another node
 *     ran may arrive later: it is whole when its reader says so. What does not come is told as a gap, never passed over.
 */
import { type Clock, describeFailure, type Logger, ok, type Result, type TaskId, type Timer } from "#base";
import { EXECUTORS, resolveExecutor } from "#execution";
import { hasEnded, type QueueStore, type TaskRecord } from "#queue";
import { KEEP_ALIVE_FRAME, RECONNECT_FRAME } from "./event-frames.ts";
import { KEEP_ALIVE_EVERY_MS, MAX_STALLED_MS } from "./event-stream.ts";
import { attemptFrame, gapFrame, type LogForm, type LogPlace, logEndFrame, logFrames } from "./log-frames.ts";
import type { ApiPorts, LogChunk } from "./ports.ts";
import { taskSpecOf } from "./submission.ts";

/** A log grows without events: it is looked at soon while it grows, less often while it is silent. */
const SHORTEST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 500;
const CHUNK_BYTES = 64 * 1024;
/** The rest of an attempt that has ended is waited for so long: a node that is replaced is back by then. */
const AWAY_MS = 15_000;
/** What the stream hands to the connection before it waits for it, in bytes. */
const HIGH_WATER_BYTES = 64 * 1024;

export type LogStreamFacts = {
  readonly store: Pick<QueueStore, "find" | "subscribe">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logs: Pick<ApiPorts, "readLog" | "readSteps">;
  readonly taskId: TaskId;
  readonly form: LogForm;
  /** The client has everything before it; undefined: from the beginning of the running or latest attempt. */
  readonly after: LogPlace | undefined;
  /** Only this attempt. */
  readonly only: number | undefined;
  readonly onEnd: () => void;
};

export class LogStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly #facts: LogStreamFacts;
  readonly #encoder = new TextEncoder();
  readonly #unsubscribe: () => void;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #place: LogPlace | undefined;
  #timer: Timer | undefined;
  #wake: (() => void) | undefined;
  #takenAtMs: number;
  #saidAtMs: number;
  #hasEnded = false;
  /** More of the attempt may come although it has ended. */
  #isArriving = false;
  /** The node that has the log does not answer, and why. */
  #away: { readonly sinceMs: number; readonly why: string } | undefined;

  constructor(facts: LogStreamFacts) {
    this.#facts = facts;
    this.#place = facts.after;
    this.#takenAtMs = facts.clock.monotonicMs();
    this.#saidAtMs = this.#takenAtMs;
    this.#unsubscribe = facts.store.subscribe((events) => {
      if (events.some(({ taskId }) => taskId === facts.taskId)) this.#wake?.();
    });
    const frames = this.#frames();
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          this.#watch();
        },
        pull: async () => {
          this.#takenAtMs = facts.clock.monotonicMs();
          await this.#next(frames);
        },
        cancel: () => this.#close(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_BYTES }),
    );
  }

  /** Tells the client why and where to resume, then ends the stream. Idempotent. */
  end(reason: "ended" | "slow" | "shutdown" | "failed"): void {
    if (this.#hasEnded) return;
    this.#enqueue(logEndFrame(reason, this.#place));
    this.#close();
  }

  async #next(frames: AsyncGenerator<string, void>): Promise<void> {
    try {
      const next = await frames.next();
      if (this.#hasEnded) return;
      if (next.done === true) this.end("ended");
      else this.#enqueue(next.value);
    } catch (cause) {
      // The client hears of it and resumes; the log has the reason.
      this.#facts.logger.error("a stream of a log failed", { reason: String(cause) });
      this.end("failed");
    }
  }

  async *#frames(): AsyncGenerator<string, void> {
    yield RECONNECT_FRAME;
    let pauseMs = SHORTEST_PAUSE_MS;
    while (!this.#hasEnded) {
      const found = must(await this.#facts.store.find(this.#facts.taskId));
      if (found === undefined) return; // it was dropped
      this.#place ??= { attempt: this.#facts.only ?? latestAttempt(found), form: this.#facts.form, offset: 0 };
      const { attempt } = this.#place;
      const hasAttemptEnded = found.attempts.some(({ n }) => n === attempt);
      const text = await this.#read(this.#place, found, hasAttemptEnded);
      if (text !== undefined) {
        pauseMs = SHORTEST_PAUSE_MS;
        if (text !== "") yield text;
        continue;
      }
      if (hasAttemptEnded && this.#isGone()) yield gapFrame(attempt, this.#away?.why ?? "");
      const isArriving = hasAttemptEnded && this.#isArriving && !this.#isGone();
      const isFinished = hasAttemptEnded && !isArriving;
      const isOver = hasEnded(found.row);
      const isStarted = found.row.state === "running" && found.row.attempts + 1 === attempt;
      const isLast = isOver && (found.attempts.at(-1)?.n ?? 0) <= attempt;
      if (isFinished && !isLast && this.#facts.only === undefined) {
        this.#place = { attempt: attempt + 1, form: this.#facts.form, offset: 0 };
        yield attemptFrame(attempt + 1);
        continue;
      }
      if (isFinished || (isOver && !isStarted && !isArriving)) return;
      await this.#pause(pauseMs);
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
      if (this.#facts.clock.monotonicMs() - this.#saidAtMs >= KEEP_ALIVE_EVERY_MS) yield KEEP_ALIVE_FRAME;
    }
  }

  /** @returns what follows the place; undefined when there is nothing yet. Moves the place behind it. */
  async #read(place: LogPlace, task: TaskRecord, isFinished: boolean): Promise<string | undefined> {
    const { logs, taskId } = this.#facts;
    if (place.form === "steps") {
      const steps = this.#there(await logs.readSteps(taskId, place.attempt, place.offset, CHUNK_BYTES));
      if (steps !== undefined) return this.#take(place, steps, isFinished);
      // A command has no steps, and neither has an attempt that ended before its loop began: their output is all.
      if (this.#away !== undefined || (!isFinished && !isCommand(task))) return undefined;
      this.#place = { attempt: place.attempt, form: "output", offset: 0 };
      return "";
    }
    const output = this.#there(await logs.readLog(taskId, place.attempt, place.offset, CHUNK_BYTES));
    return output === undefined ? undefined : this.#take(place, output, isFinished);
  }

  /** What was read. Of a node that does not answer there is nothing now: it may come back. */
  #there(read: Result<LogChunk | undefined>): LogChunk | undefined {
    const isAway = !read.ok && read.error.kind === "retryable";
    const sinceMs = this.#away?.sinceMs ?? this.#facts.clock.monotonicMs();
    this.#away = isAway ? { sinceMs, why: read.error.message } : undefined;
    const chunk = isAway ? undefined : must(read);
    this.#isArriving = isAway || chunk?.isArriving === true;
    return chunk;
  }

  #isGone(): boolean {
    return this.#away !== undefined && this.#facts.clock.monotonicMs() - this.#away.sinceMs >= AWAY_MS;
  }

  #take(place: LogPlace, { bytes, sizeBytes }: LogChunk, isFinished: boolean): string | undefined {
    const isWhole = isFinished && !this.#isArriving && place.offset + bytes.length >= sizeBytes;
    const frames = logFrames(place, bytes, isWhole);
    this.#place = frames.at(-1)?.place ?? place;
    return frames.length === 0 ? undefined : frames.map(({ text }) => text).join("");
  }

  #enqueue(text: string): void {
    if (this.#hasEnded) return;
    this.#saidAtMs = this.#facts.clock.monotonicMs();
    this.#controller?.enqueue(this.#encoder.encode(text));
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#facts.clock.after(ms, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** G2 */
  #watch(): void {
    const { clock } = this.#facts;
    this.#timer = clock.after(KEEP_ALIVE_EVERY_MS, () => {
      const isStuck = (this.#controller?.desiredSize ?? 0) <= 0;
      if (isStuck && clock.monotonicMs() - this.#takenAtMs > MAX_STALLED_MS) return this.end("slow");
      return this.#watch();
    });
  }

  #close(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#unsubscribe();
    this.#timer?.cancel();
    try {
      this.#controller?.close();
    } catch {
      // The connection went away first; there is nobody left to tell.
    }
    this.#wake?.();
    this.#facts.onEnd();
  }
}

function latestAttempt({ row, attempts }: TaskRecord): number {
  return hasEnded(row) ? Math.max(1, attempts.at(-1)?.n ?? 1) : row.attempts + 1;
}

/** A task that this build cannot read is carried out by nobody. */
function isCommand({ body }: TaskRecord): boolean {
  const spec = taskSpecOf(body);
  const executor = spec.ok ? resolveExecutor(spec.value, EXECUTORS) : ok("shell" as const);
  return !executor.ok || executor.value === "shell";
}

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(describeFailure(result.error));
  return result.value;
}
