/** A releases folder with one running release, a publisher, and a node that exists in memory only. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result, SimulatedClock, seededRandom, silentLogger, terminal } from "#base";
import {
  type Health,
  type HistoryRow,
  PROBATION,
  type Refusal,
  ReleaseStore,
  type ReleaseStoreParts,
  type SwapPorts,
  SwapRun,
  type Version,
} from "#watchdog";
import { anyExecutable, makePublisher, type Publisher, scriptOf, TARGET, v } from "./releases.ts";

/** How a release behaves once it is started; what is not named is healthy. */
export type Behaviour = {
  readonly selftest?: "fails" | "changesState";
  readonly start?: "fails";
  /** Seen from so many milliseconds after the start on. */
  readonly laterMs?: number;
  readonly later?: Partial<Health>;
};

const HEALTHY: Health = { ok: true, fault: null, boots: 1, requests: 100, serverErrors: 0 };
const failure = (message: string): Result<never> => err(terminal("unavailable", message));

/** The ports of a swap over a node in memory. Records what it was asked, in order. */
export class MemoryNode implements SwapPorts {
  readonly calls: string[] = [];
  readonly #clock: SimulatedClock;
  readonly #behaviours: ReadonlyMap<Version, Behaviour>;
  running: Version | null;
  announced = false;
  /** The state: raised by whatever changes it. */
  schema = 1;
  copies = new Map<string, number>();
  isWrittenSince = false;
  failDrain = false;
  #startedMs = 0;

  constructor(clock: SimulatedClock, running: Version, behaviours: ReadonlyMap<Version, Behaviour>) {
    this.#clock = clock;
    this.running = running;
    this.#behaviours = behaviours;
  }

  async selftest(binary: string) {
    this.calls.push("selftest");
    const { selftest } = this.#behaviourOf(binary);
    if (selftest === "fails") return failure("it ended with 1");
    return ok({
      checks: [{ name: "databases", ok: true, detail: "opened" }],
      changesState: selftest === "changesState",
    });
  }

  announce(on: boolean): void {
    this.announced = on;
  }

  async drain() {
    this.calls.push("drain");
    this.running = null;
    return this.failDrain ? failure("it had to be killed") : ok(undefined);
  }

  async copyState() {
    this.calls.push("copyState");
    this.copies.set("copy-1", this.schema);
    return ok("copy-1");
  }

  async restoreState(copy: string) {
    this.calls.push("restoreState");
    if (this.isWrittenSince)
      return ok({ restored: false, remark: "the databases were written since and stay as they are" });
    this.schema = this.copies.get(copy) ?? this.schema;
    return ok({ restored: true, remark: "the databases are as before" });
  }

  dropState(copy: string): void {
    this.copies.delete(copy);
  }

  async start(binary: string) {
    const version = versionIn(binary);
    const { start, selftest } = this.#behaviourOf(binary);
    this.calls.push(`start ${version}`);
    if (selftest === "changesState") this.schema += 1;
    if (start === "fails") return failure("it was not ready within its limit");
    this.running = version;
    this.#startedMs = this.#clock.monotonicMs();
    return ok(undefined);
  }

  health(): Health {
    const { laterMs = 0, later = {} } = this.running === null ? {} : (this.#behaviours.get(this.running) ?? {});
    return this.#clock.monotonicMs() - this.#startedMs >= laterMs ? { ...HEALTHY, ...later } : HEALTHY;
  }

  #behaviourOf(binary: string): Behaviour {
    return this.#behaviours.get(versionIn(binary)) ?? {};
  }
}

function versionIn(binary: string): Version {
  return v(binary.split("/").at(-2) ?? "");
}

export type SwapWorld = {
  readonly clock: SimulatedClock;
  readonly publisher: Publisher;
  readonly store: ReleaseStore;
  readonly node: MemoryNode;
  readonly swap: SwapRun;
  readonly folder: string;
  /** Awaits a swap while its clock runs. */
  readonly settle: (swap: Promise<Result<HistoryRow, Refusal>>) => Promise<Result<HistoryRow, Refusal>>;
};

/** @param running the release that is current at first; `null` for an empty folder. */
export function swapWorld(
  folder: string,
  running: Version,
  behaviours: ReadonlyMap<Version, Behaviour> = new Map(),
  change: Partial<ReleaseStoreParts> = {},
): SwapWorld {
  const clock = new SimulatedClock();
  const publisher = makePublisher(clock.nowMs());
  const store = new ReleaseStore({
    folder: join(folder, "releases"),
    clock,
    roots: publisher.roots,
    target: TARGET,
    wishes: () => ({ channel: null, pinned: null, schema: { fleet: null, node: null } }),
    executableCheck: anyExecutable,
    ...change,
  });
  const node = new MemoryNode(clock, running, behaviours);
  const policy = { probation: PROBATION, watchEveryMs: 1_000, keptReleases: 1 };
  const swap = new SwapRun({ store, ports: node, clock, random: seededRandom(1), policy, logger: silentLogger });
  installFirst(folder, store, running);
  return { clock, publisher, store, node, swap, folder, settle: (run) => settle(run, clock) };
}

function installFirst(folder: string, store: ReleaseStore, version: Version): void {
  const executable = join(folder, "installed");
  writeFileSync(executable, scriptOf(version), { mode: 0o755 });
  for (const step of [store.prepare(), store.importRunning(executable, version), store.setLinks(version, null)]) {
    if (!step.ok) throw new Error(step.error.message);
  }
}

/** Moves the clock each time nothing else is left to do. */
async function settle<T>(run: Promise<T>, clock: SimulatedClock): Promise<T> {
  const ended = run.then(() => true);
  const later = (): Promise<false> => new Promise((resolve) => setImmediate(() => resolve(false)));
  while (!(await Promise.race([ended, later()]))) clock.advance(500);
  return run;
}
