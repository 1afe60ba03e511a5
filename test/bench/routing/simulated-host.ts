/**
 * One machine with Ollama, as its source says it schedules:
 * loads are serial and in order; the longest unused idle runner is evicted when the next needs more than 80 % of what
 * is free, or when too many are loaded; a busy one is waited for; requests for a loaded runner go past the loads and
 * wait, unlimited, for its slots; another num_ctx reloads; what does not fit spills to the CPU; a full queue is 503.
 */
import { type HostSpec, type ModelSpec, needBytes } from "./fleet.ts";

/** OLLAMA_MAX_QUEUE, OLLAMA_KEEP_ALIVE. */
const MAX_QUEUE = 512;
const KEEP_ALIVE_MS = 300_000;
const FREE_USED_RATIO = 0.8;
/** A file read before comes from the cache of the file system. */
const CACHED_LOAD_SPEEDUP = 3;
/** Starting a runner takes this long whatever its size. */
const RUNNER_START_MS = 600;

export type SimulatedJob = {
  readonly id: number;
  readonly model: ModelSpec;
  readonly contextTokens: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Chance of this request: multiplies its time wherever it runs. */
  readonly noise: number;
};

type Work = {
  readonly job: SimulatedJob;
  readonly submittedAtMs: number;
  prefillLeftMs: number;
  decodeLeftMs: number;
  loadMs: number;
  startedAtMs: number;
  prefilledAtMs: number;
};

type Runner = {
  readonly model: ModelSpec;
  readonly contextTokens: number;
  readonly bytes: number;
  readonly spillRatio: number;
  usedAtMs: number;
  active: Work[];
  queue: Work[];
};

export type Ended = {
  readonly job: SimulatedJob;
  readonly atMs: number;
  readonly ok: boolean;
  readonly loadMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
};

/** What the machine will suffer, known to itself and to the clairvoyant policy alone. */
export type Fate = {
  readonly foreign: readonly { readonly fromMs: number; readonly toMs: number; readonly bytes: number }[];
  readonly lost: { readonly fromMs: number; readonly toMs: number } | null;
};

export class SimulatedHost {
  readonly spec: HostSpec;
  nowMs = 0;
  coldLoads = 0;
  spills = 0;
  ended: Ended[] = [];
  readonly #factorOf: (model: string) => number;
  readonly #fate: Fate;
  #runners: Runner[] = [];
  #pending: Work[] = [];
  #loading: { readonly runner: Runner; readonly untilMs: number } | null = null;
  #seen = new Set<string>();
  #isLost = false;

  constructor(spec: HostSpec, factorOf: (model: string) => number, fate: Fate) {
    this.spec = spec;
    this.#factorOf = factorOf;
    this.#fate = fate;
  }

  clone(): SimulatedHost {
    const copy = new SimulatedHost(this.spec, this.#factorOf, this.#fate);
    copy.nowMs = this.nowMs;
    copy.#runners = this.#runners.map(copyRunner);
    copy.#pending = this.#pending.map((work) => ({ ...work }));
    copy.#loading = this.#loading === null ? null : { ...this.#loading, runner: copyRunner(this.#loading.runner) };
    copy.#seen = new Set(this.#seen);
    copy.#isLost = this.#isLost;
    return copy;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  foreignBytes(atMs: number): number {
    let sum = 0;
    for (const { fromMs, toMs, bytes } of this.#fate.foreign) if (atMs >= fromMs && atMs < toMs) sum += bytes;
    return sum;
  }

  /** What its runners hold. */
  held(): { readonly vramBytes: number; readonly ramBytes: number } {
    const isCpu = this.spec.accelerator === "cpu";
    let vramBytes = 0;
    let ramBytes = 0;
    for (const { bytes, spillRatio } of this.#runners) {
      const onCard = isCpu ? 0 : bytes * (1 - spillRatio);
      vramBytes += onCard;
      ramBytes += bytes - onCard;
    }
    return { vramBytes, ramBytes };
  }

  /** What `/api/ps` would say. */
  loaded(): readonly {
    readonly model: string;
    readonly bytes: number;
    readonly vramBytes: number;
    readonly contextTokens: number;
    readonly expiresAtMs: number;
  }[] {
    return this.#runners.map((runner) => ({
      model: runner.model.name,
      bytes: runner.bytes,
      vramBytes: this.spec.accelerator === "cpu" ? 0 : runner.bytes * (1 - runner.spillRatio),
      contextTokens: runner.contextTokens,
      expiresAtMs: runner.usedAtMs + KEEP_ALIVE_MS,
    }));
  }

  /** @returns `taken`; `busy`: 503; `refused`: the model cannot be loaded at all; `lost`: nobody answers. */
  submit(job: SimulatedJob): "taken" | "busy" | "refused" | "lost" {
    if (this.#isLost) return "lost";
    const need = needBytes(job.model, job.contextTokens, this.spec.parallel);
    const all = this.spec.accelerator === "gpu" ? this.spec.memoryBytes + this.spec.ramBytes : this.spec.memoryBytes;
    if (need > all) return "refused";
    const work: Work = {
      job,
      submittedAtMs: this.nowMs,
      prefillLeftMs: 0,
      decodeLeftMs: 0,
      loadMs: 0,
      startedAtMs: 0,
      prefilledAtMs: 0,
    };
    const runner = this.#runnerFor(work);
    if (runner !== undefined) runner.queue.push(work);
    else if (this.#pending.length >= MAX_QUEUE) return "busy";
    else this.#pending.push(work);
    this.#settle();
    return "taken";
  }

  /** @returns when something happens next; infinite when nothing will. */
  nextEventMs(): number {
    let next = this.#loading?.untilMs ?? Number.POSITIVE_INFINITY;
    const { lost } = this.#fate;
    if (lost !== null) {
      if (!this.#isLost && lost.fromMs > this.nowMs) next = Math.min(next, lost.fromMs);
      if (this.#isLost) next = Math.min(next, lost.toMs);
    }
    const busy = this.#busyRunners();
    for (const runner of this.#runners) {
      const slow = this.#slowness(runner, busy);
      for (const work of runner.active) {
        const left = work.prefillLeftMs > 0 ? work.prefillLeftMs : work.decodeLeftMs;
        next = Math.min(next, this.nowMs + left * slow);
      }
    }
    return next;
  }

  advanceTo(atMs: number): void {
    for (;;) {
      const next = Math.min(atMs, this.nextEventMs());
      this.#pass(next - this.nowMs);
      this.nowMs = next;
      this.#meetFate();
      this.#endWork();
      this.#settle();
      if (next >= atMs) return;
    }
  }

  /** Runs until every request that is here has ended. */
  finish(): void {
    while (this.#pending.length > 0 || this.#loading !== null || this.#busyRunners() > 0) {
      const next = this.nextEventMs();
      if (!Number.isFinite(next)) return;
      this.advanceTo(next);
    }
  }

  #busyRunners(): number {
    let busy = 0;
    for (const runner of this.#runners) if (runner.active.length > 0) busy += 1;
    return busy;
  }

  #slowness(runner: Runner, busy: number): number {
    return busy * (1 + this.spec.batchCost * (runner.active.length - 1));
  }

  #pass(spanMs: number): void {
    if (spanMs <= 0) return;
    const busy = this.#busyRunners();
    for (const runner of this.#runners) {
      if (runner.active.length === 0) continue;
      const done = spanMs / this.#slowness(runner, busy);
      for (const work of runner.active) {
        if (work.prefillLeftMs > 0) work.prefillLeftMs = rounded(work.prefillLeftMs - done);
        else work.decodeLeftMs = rounded(work.decodeLeftMs - done);
      }
    }
  }

  #endWork(): void {
    for (const runner of this.#runners) {
      let isEnded = false;
      for (const work of runner.active) {
        if (work.prefillLeftMs > 0) continue;
        if (work.prefilledAtMs === 0) work.prefilledAtMs = this.nowMs;
        if (work.decodeLeftMs > 0) continue;
        isEnded = true;
        this.ended.push({
          job: work.job,
          atMs: this.nowMs,
          ok: true,
          loadMs: work.loadMs,
          prefillMs: work.prefilledAtMs - work.startedAtMs,
          decodeMs: this.nowMs - work.prefilledAtMs,
        });
      }
      if (!isEnded) continue;
      runner.active = runner.active.filter((work) => work.prefillLeftMs > 0 || work.decodeLeftMs > 0);
      runner.usedAtMs = this.nowMs;
    }
    if (this.#loading !== null && this.#loading.untilMs <= this.nowMs) {
      this.#loading.runner.usedAtMs = this.nowMs;
      this.#runners.push(this.#loading.runner);
      this.#loading = null;
    }
  }

  /** Puts waiting requests into free slots, and begins what can begin. */
  #settle(): void {
    if (this.#isLost) return;
    this.#runners = this.#runners.filter((runner) => isBusy(runner) || this.nowMs - runner.usedAtMs < KEEP_ALIVE_MS);
    this.#processPending();
    for (const runner of this.#runners) {
      while (runner.active.length < this.spec.parallel && runner.queue.length > 0) {
        const work = runner.queue.shift();
        if (work !== undefined) this.#start(work, runner);
      }
    }
  }

  #start(work: Work, runner: Runner): void {
    const { job } = work;
    const { spec } = this;
    const factor = this.#factorOf(job.model.name) * job.noise;
    const read = (bytes: number): number =>
      (bytes * (1 - runner.spillRatio)) / spec.decodeBytesPerSecond +
      (bytes * runner.spillRatio) / spec.cpuBytesPerSecond;
    const perToken = read(job.model.sizeBytes + job.model.kvBytesPerToken * (job.promptTokens + job.outputTokens / 2));
    const slowdown = read(1) * spec.decodeBytesPerSecond;
    work.startedAtMs = this.nowMs;
    work.prefillLeftMs =
      Math.max(1e-3, (job.promptTokens * job.model.sizeBytes) / spec.prefillBytesPerSecond) * slowdown * factor * 1000;
    work.decodeLeftMs = job.outputTokens * perToken * factor * 1000;
    runner.active.push(work);
    runner.usedAtMs = this.nowMs;
  }

  #runnerFor({ job }: Work): Runner | undefined {
    return this.#runners.find(
      (runner) => runner.model.name === job.model.name && runner.contextTokens === job.contextTokens,
    );
  }

  /** The head of the line alone decides: what stands behind it waits even if it could go on. */
  #processPending(): void {
    while (this.#loading === null) {
      const work = this.#pending[0];
      if (work === undefined) return;
      const runner = this.#runnerFor(work);
      if (runner !== undefined) {
        this.#pending.shift();
        work.loadMs = this.nowMs - work.submittedAtMs;
        runner.queue.push(work);
        continue;
      }
      const older = this.#runners.find((each) => each.model.name === work.job.model.name);
      if (older !== undefined) {
        if (isBusy(older)) return;
        this.#runners = this.#runners.filter((each) => each !== older);
      }
      if (!this.#makeRoom(work.job)) return;
      this.#load(work.job);
    }
  }

  #freeBytes(): number {
    const used = this.#runners.reduce(
      (sum, runner) => sum + runner.bytes * (this.spec.accelerator === "gpu" ? 1 - runner.spillRatio : 1),
      0,
    );
    return Math.max(0, this.spec.memoryBytes - used - this.foreignBytes(this.nowMs));
  }

  #makeRoom(job: SimulatedJob): boolean {
    const need = needBytes(job.model, job.contextTokens, this.spec.parallel);
    while (
      this.#runners.length > 0 &&
      (this.#runners.length >= this.spec.maxLoaded || need > FREE_USED_RATIO * this.#freeBytes())
    ) {
      const idle = this.#runners.filter((runner) => !isBusy(runner));
      const oldest = idle.toSorted((a, b) => a.usedAtMs - b.usedAtMs)[0];
      if (oldest === undefined) return false;
      this.#runners = this.#runners.filter((runner) => runner !== oldest);
    }
    return true;
  }

  #load(job: SimulatedJob): void {
    const { spec } = this;
    const bytes = needBytes(job.model, job.contextTokens, spec.parallel);
    const room = Math.min(bytes, this.#freeBytes());
    const spillRatio = spec.accelerator === "gpu" ? 1 - room / bytes : 0;
    const isCached = this.#seen.has(job.model.name);
    this.#seen.add(job.model.name);
    const readMs = (job.model.sizeBytes / spec.diskBytesPerSecond / (isCached ? CACHED_LOAD_SPEEDUP : 1)) * 1000;
    const runner: Runner = {
      model: job.model,
      contextTokens: job.contextTokens,
      bytes,
      spillRatio,
      usedAtMs: this.nowMs,
      active: [],
      queue: [],
    };
    this.coldLoads += 1;
    if (spillRatio > 0) this.spills += 1;
    this.#loading = { runner, untilMs: this.nowMs + RUNNER_START_MS + readMs };
  }

  #meetFate(): void {
    const { lost } = this.#fate;
    if (lost === null) return;
    if (this.#isLost && this.nowMs >= lost.toMs) this.#isLost = false;
    if (this.#isLost || this.nowMs < lost.fromMs || this.nowMs >= lost.toMs) return;
    this.#isLost = true;
    const works = [...this.#pending, ...this.#runners.flatMap(({ active, queue }) => [...active, ...queue])];
    for (const { job } of works) {
      this.ended.push({ job, atMs: this.nowMs, ok: false, loadMs: 0, prefillMs: 0, decodeMs: 0 });
    }
    this.#runners = [];
    this.#pending = [];
    this.#loading = null;
  }
}

function isBusy(runner: Runner): boolean {
  return runner.active.length > 0 || runner.queue.length > 0;
}

/** Leftovers below a microsecond are what floating point made of nothing. */
function rounded(leftMs: number): number {
  return leftMs < 1e-3 ? 0 : leftMs;
}

function copyRunner(runner: Runner): Runner {
  return {
    ...runner,
    active: runner.active.map((work) => ({ ...work })),
    queue: runner.queue.map((work) => ({ ...work })),
  };
}
