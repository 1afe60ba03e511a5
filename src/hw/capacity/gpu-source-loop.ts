/**
 * Asks one source of GPUs again and again.
 *
 * - G1: at most one question is under way, however long it takes and whoever asks.
 * - G2: nobody who only looks (`view`) ever waits.
 * - G3: figures that are out of date are not shown: the GPU stays, its figures become unknown.
 * - G4: after faults the distance between questions doubles, up to a limit.
 */
import type { Clock, Random, Timer } from "#base";
import { type Gpu, withoutFigures } from "./host-capacity.ts";
import type { GpuAnswer, GpuSource } from "./probes.ts";

/** Distance of questions: nvidia-smi costs tens of milliseconds of CPU each time, so this is well below 1 % of a core. */
export const GPU_INTERVAL_MS = 10_000;
/** Distance after faults at most, and when there is no such GPU: somebody may load a driver or plug one in. */
export const GPU_RARE_INTERVAL_MS = 300_000;
/** Figures older than this are unknown: three missed samples. */
export const GPU_STALE_MS = 36_000;
/** A question that takes longer is reported while it goes on. */
const SLOW_MS = 10_000;
/** Extra questions (`refresh`) keep this distance from the last answer: what is newer is new enough to decide by. */
const REFRESH_DISTANCE_MS = 2_000;
/** The same for a source that fails: asking it costs seconds. */
const REFRESH_DISTANCE_FAILING_MS = 30_000;
/** Nodes started together must not all ask in the same instant. */
const JITTER_RATIO = 0.2;
/** At stop, a question that does not end although it was aborted is left behind after this. */
const STOP_LIMIT_MS = 2_000;

export type GpuView = {
  readonly gpus: readonly Gpu[];
  readonly notes: readonly string[];
  /** Whether the source has answered, or failed, at least once. */
  readonly isKnown: boolean;
  /** Monotonic instant at which the question was asked whose answer the figures are; absent without figures. */
  readonly askedAtMs?: number;
};

export type GpuSourceLoopOptions = {
  readonly clock: Clock;
  readonly random: Random;
  readonly source: GpuSource;
  /** Called after each answer with the GPUs as of this moment. */
  readonly onAnswer: (gpus: readonly Gpu[], atMonotonicMs: number) => void;
};

export class GpuSourceLoop {
  readonly #options: GpuSourceLoopOptions;
  #timer: Timer | undefined;
  #running: { readonly ended: Promise<void>; readonly startedMs: number; readonly abort: AbortController } | undefined;
  #answer: GpuAnswer | undefined;
  #gpus: readonly Gpu[] = [];
  #goodAtMs = Number.NEGATIVE_INFINITY;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #endedAtMs = Number.NEGATIVE_INFINITY;
  #faults = 0;
  #isStopped = true;

  constructor(options: GpuSourceLoopOptions) {
    this.#options = options;
  }

  start(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    // A question from before the stop may still be ending; its end brings the next one (G1).
    if (this.#running === undefined) void this.#ask();
  }

  /** Ends the question under way and asks no more. Waits for its end, but not for ever. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    if (this.#running === undefined) return;
    this.#running.abort.abort();
    const limit = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(STOP_LIMIT_MS, () => limit.resolve());
    await Promise.race([this.#running.ended, limit.promise]);
    timer.cancel();
  }

  /**
   * Asks now, or waits for the question under way (G1), unless the last answer is new enough.
   * @param changedAtMs monotonic: what was asked before it is not new enough, however new it is.
   */
  async refresh(changedAtMs = Number.NEGATIVE_INFINITY): Promise<void> {
    const running = this.#running;
    if (running !== undefined) {
      await running.ended;
      if (running.startedMs >= changedAtMs) return;
    }
    const distanceMs = this.#faults > 0 ? REFRESH_DISTANCE_FAILING_MS : REFRESH_DISTANCE_MS;
    const isNew = this.#options.clock.monotonicMs() - this.#endedAtMs < distanceMs;
    const isOutdated = this.#faults === 0 && this.#askedAtMs < changedAtMs;
    if ((isNew && !isOutdated) || this.#isStopped) return;
    await (this.#running?.ended ?? this.#ask());
  }

  view(): GpuView {
    const nowMs = this.#options.clock.monotonicMs();
    const isFresh = this.#answer?.kind === "known" && nowMs - this.#goodAtMs <= GPU_STALE_MS;
    const notes: string[] = [];
    if (this.#answer?.kind === "failed") notes.push(this.#answer.note);
    else if (this.#answer?.kind === "known") notes.push(...this.#answer.notes);
    const runningMs = this.#running === undefined ? 0 : nowMs - this.#running.startedMs;
    if (runningMs > SLOW_MS) {
      notes.push(`${this.#options.source.name} has not answered for ${Math.round(runningMs / 1000)} s`);
    }
    return {
      gpus: isFresh ? this.#gpus : this.#gpus.map(withoutFigures),
      notes,
      isKnown: this.#answer !== undefined,
      ...(isFresh ? { askedAtMs: this.#askedAtMs } : {}),
    };
  }

  #ask(): Promise<void> {
    this.#timer?.cancel();
    const { clock, source } = this.#options;
    const abort = new AbortController();
    const ended = source.read(abort.signal).then((answer) => this.#take(answer, abort.signal));
    this.#running = { ended, startedMs: clock.monotonicMs(), abort };
    return ended;
  }

  #take(answer: GpuAnswer, signal: AbortSignal): void {
    const { clock, random, onAnswer } = this.#options;
    const nowMs = clock.monotonicMs();
    const askedAtMs = this.#running?.startedMs ?? nowMs;
    this.#running = undefined;
    this.#endedAtMs = nowMs;
    if (signal.aborted) {
      if (!this.#isStopped) void this.#ask();
      return;
    }
    this.#answer = answer;
    this.#faults = answer.kind === "failed" ? this.#faults + 1 : 0;
    if (answer.kind !== "failed") this.#gpus = answer.kind === "known" ? answer.gpus : [];
    if (answer.kind !== "failed") this.#askedAtMs = askedAtMs;
    if (answer.kind === "known") this.#goodAtMs = nowMs;
    onAnswer(this.view().gpus, nowMs);
    const spread = 1 + JITTER_RATIO * (2 * random.next() - 1);
    this.#timer = clock.after(distanceMs(answer, this.#faults) * spread, () => void this.#ask());
  }
}

function distanceMs(answer: GpuAnswer, faults: number): number {
  switch (answer.kind) {
    case "known":
      return GPU_INTERVAL_MS;
    case "absent":
      return GPU_RARE_INTERVAL_MS;
    case "failed":
      // 2^8 is above the limit already; more would only make a larger number.
      return Math.min(GPU_RARE_INTERVAL_MS, GPU_INTERVAL_MS * 2 ** Math.min(faults, 8));
  }
}
