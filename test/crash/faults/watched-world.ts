/** One state folder with its watchdog, the faults it is given, and what is counted of them. */
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "#base";
import { type BinaryNode, BinaryWorld, nodePidOf, startBinaryNode } from "../../support/binary-node.ts";
import { submitTask, taskEnds } from "../../support/node-tasks.ts";
import { realClock } from "../../support/real-clock.ts";
import { waitUntil } from "../../support/wait-until.ts";
import type { InnerFault, OuterFault, WatchedFault, WatchedReport } from "./watched-run.ts";

/** As what each must be recorded. */
const EXPECTED: Readonly<Record<Exclude<WatchedFault, "watchdogKilled">, string>> = {
  exit: "exit",
  segv: "signal",
  kill: "killed",
  stop: "heartbeat",
  flood: "killed",
  grandchildren: "killed",
  pulse: "pulse",
  memory: "memory",
};

/** Two heartbeats and a half. */
const HEARTBEAT_LIMIT_MS = 2_500;
/** More than the log keeps in one file. */
const FLOOD_BYTES = 16 * 1024 * 1024;
const ANSWER_LIMIT_MS = 30_000;
const REQUEST_LIMIT_MS = 10_000;
const LOOK_MS = 2;
/** Bun closes the descriptors of an ended child a moment after it said that it ended. */
const SETTLE_LIMIT_MS = 3_000;
/** The watchdog looks every five seconds, and reaps what it sees twice. */
const REAP_LIMIT_MS = 12_000;

type LastFault = { readonly kind: string; readonly reason: string; readonly generation: number; readonly atMs: number };

export class WatchedWorld {
  readonly #world = new BinaryWorld();
  /** Seconds that nobody else sleeps: by them leftovers without environment are found. */
  readonly #tag: string;
  readonly #answeredAgainMs = new Map<WatchedFault, number[]>();
  readonly #wrong: string[] = [];
  readonly #tasks: string[] = [];
  readonly #tasksWrong: string[] = [];
  #watchdog: BinaryNode | undefined;
  #settings: Readonly<Record<string, string>> = {};
  #isAdopted = false;
  /** Of this watchdog when it had a node that it started anew: of one that it took over it has fewer. */
  #descriptors: number | undefined;
  #descriptorsGrown = 0;
  #refused = 0;
  #cut = 0;
  #leaked = 0;
  #zombies = 0;

  constructor(seed: number) {
    this.#tag = `8${process.pid}.${seed}`;
  }

  get #up(): BinaryNode {
    if (this.#watchdog === undefined) throw new Error("no watchdog was started");
    return this.#watchdog;
  }

  async begin(settings: Readonly<Record<string, string>>): Promise<void> {
    this.#settings = {
      DROVER_WATCHDOG_HEARTBEAT_MS: String(HEARTBEAT_LIMIT_MS),
      // Every fault is wanted: each counts as a first one, and the budget does not end.
      DROVER_WATCHDOG_HEALTHY_MS: "1",
      DROVER_WATCHDOG_RESTARTS: "1000",
      DROVER_HW_DISCOVER: "false",
      DROVER_LOG_LEVEL: "warn",
      ...settings,
    };
    this.#isAdopted = false; // The watchdog before may have ended with a node that it had taken over.
    await this.#start(this.#settings);
  }

  async #start(env: Readonly<Record<string, string>>): Promise<void> {
    this.#watchdog = await startBinaryNode(this.#world, { watched: true, env });
    this.#descriptors = undefined;
  }

  /** Brings a sound node to a fault while it has a task, and waits for the answer of the next. */
  async inject(kind: OuterFault): Promise<void> {
    const before = nodePidOf(this.#world.state) ?? 0;
    await this.#submit(kind === "grandchildren" ? this.#grandchildren() : "sleep 0.1");
    if (kind === "watchdogKilled") {
      await this.#countGrowth();
      this.#took(kind, await this.#replaceWatchdog(before));
      return;
    }
    const beganMs = performance.now();
    if (kind === "flood") flood(before);
    process.kill(before, SIGNALS[kind]);
    await this.#answeredByNext(before);
    this.#took(kind, performance.now() - beganMs);
    this.#compare(kind, await this.#lastFault());
  }

  /** Waits until the node has come to the fault that it has by its settings, and the next one answers. */
  async await(kind: InnerFault): Promise<void> {
    await this.#answeredByNext(nodePidOf(this.#world.state) ?? 0);
    const answeredAtMs = realClock.nowMs();
    const fault = await this.#lastFault();
    this.#took(kind, answeredAtMs - (fault?.atMs ?? Number.NaN));
    this.#compare(kind, fault);
  }

  /** Every accepted task is done, by one attempt that passed. */
  async tasksEnd(): Promise<void> {
    for (const id of this.#tasks) {
      const task = await taskEnds(this.#up, id);
      const passed = task.attempts.filter(({ outcome }) => outcome === "passed").length;
      if (task.state !== "done" || passed !== 1) this.#tasksWrong.push(`${id}: ${JSON.stringify(task)}`);
    }
  }

  /** Counts what a watchdog has gathered, then ends it and counts what it leaves. */
  async finish(): Promise<void> {
    await this.#countGrowth();
    const { pid } = this.#up;
    const own = [pid, nodePidOf(this.#world.state)];
    await waitUntil("ended orphans are reaped", () => zombiesOf(pid) === 0, REAP_LIMIT_MS).catch(() => undefined);
    this.#zombies += zombiesOf(pid);
    this.#leaked += await this.#leftovers(own);
    await this.#up.stop();
    this.#leaked += await this.#leftovers([]);
    this.#watchdog = undefined;
  }

  remove(): void {
    this.#world.remove();
  }

  report(): Omit<WatchedReport, "faults"> {
    const logs = join(this.#world.state, "logs");
    return {
      answeredAgainMs: this.#answeredAgainMs,
      wrong: this.#wrong,
      refused: this.#refused,
      cut: this.#cut,
      leakedProcesses: this.#leaked,
      zombies: this.#zombies,
      descriptorsGrown: this.#descriptorsGrown,
      tasksAccepted: this.#tasks.length,
      tasksWrong: this.#tasksWrong,
      logBytes: readdirSync(logs).reduce((sum, name) => sum + statSync(join(logs, name)).size, 0),
    };
  }

  /** @returns how long the node was without a watchdog. */
  async #replaceWatchdog(node: number): Promise<number> {
    const { url } = this.#up;
    const beganMs = performance.now();
    await this.#up.kill();
    await this.#start({ ...this.#settings, DROVER_HTTP_PORT: new URL(url).port });
    const elapsedMs = performance.now() - beganMs;
    this.#isAdopted = true;
    if (nodePidOf(this.#world.state) !== node) this.#wrong.push("a killed watchdog took its node with it");
    if (this.#up.url !== url) this.#wrong.push(`the next watchdog is at ${this.#up.url} instead of ${url}`);
    return elapsedMs;
  }

  /** One that stays in its group, one in a session of its own without parent, one that cleared its environment too. */
  #grandchildren(): string {
    const sleeper = `sleep ${this.#tag}`;
    return `${sleeper} & setsid sh -c '${sleeper} & exit' & setsid sh -c 'env -i ${sleeper} & exit' & sleep 0.3`;
  }

  async #submit(script: string): Promise<void> {
    const task = await submitTask(this.#up, { title: "under way", command: ["sh", "-c", script] });
    this.#tasks.push(task.id);
  }

  async #answeredByNext(before: number): Promise<void> {
    const { url, token } = this.#up;
    const endMs = performance.now() + ANSWER_LIMIT_MS;
    while (performance.now() < endMs) {
      try {
        const response = await fetch(`${url}/api/queue`, {
          headers: { authorization: `Bearer ${token}`, connection: "close" },
          keepalive: false,
          signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
        });
        await response.arrayBuffer();
        const now = nodePidOf(this.#world.state);
        if (response.status === 200 && now !== undefined && now !== before) return;
      } catch (cause) {
        if (cause instanceof Error && "code" in cause && cause.code === "ConnectionRefused") this.#refused += 1;
        else this.#cut += 1;
      }
      await sleep(realClock, LOOK_MS);
    }
    throw new Error(`no other node than ${before} answered within ${ANSWER_LIMIT_MS} ms`);
  }

  async #lastFault(): Promise<LastFault | null> {
    const { body } = await this.#up.request("GET", "/api/watchdog", undefined, { connection: "close" });
    // `as`: the schema of the route.
    return (body as { readonly lastFault: LastFault | null }).lastFault;
  }

  #compare(kind: Exclude<WatchedFault, "watchdogKilled">, fault: LastFault | null): void {
    // Of a process that it did not start nobody tells a watchdog how it ended.
    const expected = this.#isAdopted && kind !== "stop" ? "unknown" : EXPECTED[kind];
    this.#isAdopted = false;
    if (fault?.kind === expected) return;
    this.#wrong.push(`${kind} was recorded as ${fault?.kind ?? "nothing"}: ${fault?.reason ?? ""}`);
  }

  #took(kind: WatchedFault, elapsedMs: number): void {
    const times = this.#answeredAgainMs.get(kind) ?? [];
    times.push(elapsedMs);
    this.#answeredAgainMs.set(kind, times);
    if (kind !== "watchdogKilled") this.#descriptors ??= this.#countDescriptors();
  }

  #countDescriptors(): number {
    return readdirSync(`/proc/${this.#up.pid}/fd`).length;
  }

  async #countGrowth(): Promise<void> {
    const before = this.#descriptors;
    if (before === undefined) return;
    const isBack = (): boolean => this.#countDescriptors() <= before;
    // What does not come back is counted, not thrown.
    await waitUntil("descriptors are closed", isBack, SETTLE_LIMIT_MS).catch(() => undefined);
    this.#descriptorsGrown += Math.max(0, this.#countDescriptors() - before);
  }

  /** Workers of tasks that have just ended are given a moment. */
  async #leftovers(own: readonly (number | undefined)[]): Promise<number> {
    const left = (): number => {
      const known = this.#world.processes().filter(({ pid }) => !own.includes(pid));
      const bare = pidsWith(this.#tag).filter((pid) => !known.some((one) => one.pid === pid));
      return known.length + bare.length;
    };
    await waitUntil("nothing else is left", () => left() === 0, SETTLE_LIMIT_MS).catch(() => undefined);
    return left();
  }
}

const SIGNALS: Readonly<Record<Exclude<OuterFault, "watchdogKilled">, NodeJS.Signals>> = {
  // A node that nobody but the system asked to end: it does so, and is missed.
  exit: "SIGTERM",
  segv: "SIGSEGV",
  kill: "SIGKILL",
  stop: "SIGSTOP",
  flood: "SIGKILL",
  grandchildren: "SIGKILL",
};

/** Writes to what the node writes to, which the watchdog reads. */
function flood(pid: number): void {
  const line = Buffer.from(`${"flood ".repeat(20)}\n`.repeat(512));
  const output = openSync(`/proc/${pid}/fd/1`, "w");
  try {
    for (let sent = 0; sent < FLOOD_BYTES; sent += writeSync(output, line)) continue;
  } finally {
    closeSync(output);
  }
}

function zombiesOf(parent: number): number {
  return pidsOf().filter((pid) => {
    const fields = read(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ");
    return fields?.[0] === "Z" && fields[1] === String(parent);
  }).length;
}

function pidsWith(tag: string): readonly number[] {
  return pidsOf().filter((pid) => pid !== process.pid && read(`/proc/${pid}/cmdline`).includes(tag));
}

function pidsOf(): readonly number[] {
  return readdirSync("/proc").map(Number).filter(Number.isInteger);
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // It ended.
  }
}
