/**
 * Knows what this host can give, at any moment, without waiting for anything.
 *
 * - M1: `current` never waits and never throws; what is not known yet is null.
 * - M2: a tool that hangs delays nobody: only its own figures become unknown.
 * - M3: whatever is remembered is bounded.
 */
import type { Clock, Failure, Random, Timer } from "#base";
import {
  type CapacityHistory,
  type CapacityMinute,
  type CapacitySample,
  MINUTE_MS,
  sampleOf,
  summarise,
} from "./capacity-history.ts";
import { cpuLoad } from "./cpu.ts";
import { EnergyMeter } from "./energy-meter.ts";
import { GpuSourceLoop } from "./gpu-source-loop.ts";
import type { Gpu, HostCapacity } from "./host-capacity.ts";
import { type Inventory, mergeInventory, needsInventory } from "./inventory.ts";
import type { CapacityProbes, HostReading } from "./probes.ts";

/** Distance of samples of CPU and RAM; a sample costs well below a millisecond. */
export const HOST_INTERVAL_MS = 5_000;
/** Nodes started together must not all sample in the same instant. */
const JITTER_RATIO = 0.1;
/** Samples in memory: one hour. */
export const MAX_SAMPLES = 720;
/** Minutes that wait while they cannot be stored: one hour. */
const MAX_UNSAVED_MINUTES = 60;
/** The inventory starts this long after the start, when the host has better things to do. */
const INVENTORY_DELAY_MS = 3_000;
/** What is built in changes with a reboot or a driver; a few looks a day find that. */
const INVENTORY_INTERVAL_MS = 6 * 3_600_000;
/** Notes shown at once; more than that is one fault in many places. */
const MAX_NOTES = 32;
/** The CPUs' meter; no GPU has such an id. */
const CPU_METER = "cpu packages";

export type CapacityMonitorOptions = {
  readonly clock: Clock;
  readonly random: Random;
  readonly probes: CapacityProbes;
  /** Where the minutes go; nowhere when absent. */
  readonly history?: CapacityHistory;
  /** Told when minutes cannot be stored, once per row of faults. */
  readonly report?: (failure: Failure) => void;
};

/** Energy used in a time, in joules; null where it was not measured. */
export type EnergyUse = {
  readonly gpus: readonly { readonly id: string; readonly joules: number | null }[];
  /** All CPU packages of the host, not only this process's share. */
  readonly cpuJoules: number | null;
};

export class CapacityMonitor {
  readonly #options: CapacityMonitorOptions;
  readonly #loops: readonly GpuSourceLoop[];
  readonly #meter = new EnergyMeter();
  #timers: Timer[] = [];
  #isRunning = false;
  #reading: HostReading | undefined;
  #readAtMs = 0;
  #loadRatio: number | null = null;
  #samples: CapacitySample[] = [];
  #minuteStartMs: number | undefined;
  #unsaved: CapacityMinute[] = [];
  #saving: Promise<void> | undefined;
  #savesFailed = false;
  #inventory: Inventory | null = null;
  #inventoryAbort = new AbortController();

  constructor(options: CapacityMonitorOptions) {
    this.#options = options;
    const { clock, random } = options;
    this.#loops = options.probes.gpuSources.map(
      (source) => new GpuSourceLoop({ clock, random, source, onAnswer: (gpus, atMs) => this.#recordPower(gpus, atMs) }),
    );
  }

  /** Begins to sample. CPU and RAM are known when this returns. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#inventoryAbort = new AbortController();
    this.#tick();
    for (const loop of this.#loops) loop.start();
    this.#later(1, INVENTORY_DELAY_MS, () => this.#takeInventory());
  }

  /** Ends sampling, questions under way included, and stores the full minutes that still wait. */
  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    for (const timer of this.#timers) timer.cancel();
    this.#inventoryAbort.abort();
    await Promise.all(this.#loops.map((loop) => loop.stop()));
    await this.#save();
  }

  /** What is known at this moment (M1). CPU and RAM are at most some seconds old, GPUs as old as {@link refresh} says. */
  current(): HostCapacity {
    const reading = this.#reading ?? this.#sample();
    const views = this.#loops.map((loop) => loop.view());
    const gpus = mergeInventory(
      views.flatMap((view) => view.gpus),
      this.#inventory,
    );
    const notes = new Set([...reading.notes, ...views.flatMap((view) => view.notes)]);
    const model = reading.cpu.model ?? this.#inventory?.cpuModel ?? null;
    const asked = views.flatMap(({ askedAtMs }) => askedAtMs ?? []);
    const { clock } = this.#options;
    return {
      atMs: this.#readAtMs,
      cpu: { ...reading.cpu, model, loadRatio: this.#loadRatio },
      ram: reading.ram,
      gpus,
      gpusKnown: views.every((view) => view.isKnown),
      ...(asked.length === 0 ? {} : { gpusSampledAtMs: clock.nowMs() - clock.monotonicMs() + Math.min(...asked) }),
      disk: reading.disk,
      notes: [...notes].slice(0, MAX_NOTES),
    };
  }

  /**
   * Samples everything again and resolves with it. Takes as long as the slowest source of GPUs, some seconds for a tool
   * that hangs, so nothing that a person or a task waits for may depend on it. GPUs are asked again only when their
   * last answer is older than 2 s or `changedAtMs`, or than 30 s when they fail.
   * @param changedAtMs epoch milliseconds of what the figures have to show, such as a model that was loaded.
   */
  async refresh(changedAtMs = Number.NEGATIVE_INFINITY): Promise<HostCapacity> {
    const { clock } = this.#options;
    const monotonicMs = changedAtMs - clock.nowMs() + clock.monotonicMs();
    await Promise.all(this.#loops.map((loop) => loop.refresh(monotonicMs)));
    this.#sample();
    return this.current();
  }

  /** The samples of the last hour, oldest first, from `sinceMs` on. */
  samples(sinceMs = 0): readonly CapacitySample[] {
    return this.#samples.filter((sample) => sample.atMs >= sinceMs);
  }

  /**
   * Energy used between two instants, epoch milliseconds, within the last half day and this run of the node. GPUs: the
   * power samples added up, so a burst shorter than their distance is not seen. CPUs: the processor's own counter.
   */
  energyJoules(fromMs: number, toMs: number): EnergyUse {
    const { clock } = this.#options;
    // The wall clock may have jumped since, the meter runs on the monotonic one: distances from now are what counts.
    const offsetMs = clock.monotonicMs() - clock.nowMs();
    const joules = (id: string): number | null => this.#meter.joules(id, fromMs + offsetMs, toMs + offsetMs);
    return {
      gpus: this.#meter.ids.filter((id) => id !== CPU_METER).map((id) => ({ id, joules: joules(id) })),
      cpuJoules: joules(CPU_METER),
    };
  }

  #tick(): void {
    this.#sample();
    const spread = 1 + JITTER_RATIO * (2 * this.#options.random.next() - 1);
    this.#later(0, HOST_INTERVAL_MS * spread, () => this.#tick());
  }

  #later(slot: 0 | 1, delayMs: number, action: () => void): void {
    if (this.#isRunning) this.#timers[slot] = this.#options.clock.after(delayMs, action);
  }

  #sample(): HostReading {
    const { clock, probes } = this.#options;
    const before = this.#reading;
    const reading = probes.readHost();
    this.#reading = reading;
    this.#readAtMs = clock.nowMs();
    if (before !== undefined) {
      // Two samples within one tick of the kernel's clock show no time between them: the last figure still holds.
      const { counters, allowedCpus, quotaCpus } = reading;
      this.#loadRatio = cpuLoad(before.counters, counters, allowedCpus, quotaCpus) ?? this.#loadRatio;
    }
    if (reading.cpuJoules !== null) this.#meter.recordCounter(CPU_METER, clock.monotonicMs(), reading.cpuJoules);
    this.#remember(this.current());
    return reading;
  }

  #remember(capacity: HostCapacity): void {
    const minuteMs = Math.floor(capacity.atMs / MINUTE_MS) * MINUTE_MS;
    if (this.#minuteStartMs !== undefined && this.#minuteStartMs !== minuteMs)
      this.#endMinute(this.#minuteStartMs, capacity);
    this.#minuteStartMs = minuteMs;
    this.#samples.push(sampleOf(capacity));
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
  }

  #endMinute(atMs: number, capacity: HostCapacity): void {
    if (this.#options.history === undefined) return;
    const endMs = atMs + MINUTE_MS;
    const samples = this.#samples.filter((sample) => sample.atMs >= atMs && sample.atMs < endMs);
    const energy = this.energyJoules(atMs, endMs);
    const gpuJoules = new Map(energy.gpus.map(({ id, joules }) => [id, joules]));
    this.#unsaved.push(summarise(atMs, samples, capacity, { cpuJoules: energy.cpuJoules, gpuJoules }));
    if (this.#unsaved.length > MAX_UNSAVED_MINUTES) this.#unsaved.shift();
    void this.#save();
  }

  #save(): Promise<void> {
    this.#saving ??= this.#saveAll().finally(() => {
      this.#saving = undefined;
    });
    return this.#saving;
  }

  async #saveAll(): Promise<void> {
    const { history, report } = this.#options;
    if (history === undefined) return;
    for (let minute = this.#unsaved[0]; minute !== undefined; minute = this.#unsaved[0]) {
      const kept = await history.keep(minute);
      if (!kept.ok) {
        if (!this.#savesFailed) report?.(kept.error);
        this.#savesFailed = true;
        return;
      }
      this.#savesFailed = false;
      const saved = minute;
      this.#unsaved = this.#unsaved.filter((other) => other !== saved);
    }
  }

  #recordPower(gpus: readonly Gpu[], atMs: number): void {
    for (const gpu of gpus) this.#meter.recordPower(gpu.id, atMs, gpu.powerWatts);
  }

  #takeInventory(): void {
    const { probes } = this.#options;
    const gpus = this.#loops.flatMap((loop) => loop.view().gpus);
    this.#later(1, INVENTORY_INTERVAL_MS, () => this.#takeInventory());
    if (!needsInventory(this.#reading?.cpu.model ?? null, gpus, probes.isLinux)) return;
    void probes.readInventory(this.#inventoryAbort.signal).then((inventory) => {
      this.#inventory = inventory ?? this.#inventory;
    });
  }
}
