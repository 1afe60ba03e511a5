/**
 * Injects faults into a real process under a real supervisor, one after the other, and counts what is left behind.
 * To be run in a process of its own: it adopts orphans.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom, silentLogger } from "#base";
import {
  adoptOrphans,
  DEFAULT_POLICY,
  type FaultKind,
  type ProcessSpec,
  RotatedLog,
  Supervisor,
  startReaper,
} from "#watchdog";
import { realClock } from "../../support/real-clock.ts";
import { waitUntil } from "../../support/wait-until.ts";

export const INJECTIONS = ["exit", "segv", "kill", "stop", "busyLoop", "flood", "grandchildren", "memory"] as const;
export type Injection = (typeof INJECTIONS)[number];

/** As what each must be recorded. */
const EXPECTED: Readonly<Record<Injection, FaultKind>> = {
  exit: "exit",
  segv: "signal",
  kill: "killed",
  stop: "heartbeat",
  busyLoop: "heartbeat",
  flood: "exit",
  grandchildren: "exit",
  memory: "memory",
};

/** Thirty beats: with fewer, a child that a busy machine starves for a moment counts as one that hangs. */
const HEARTBEAT_LIMIT_MS = 1_500;
const LOG_LIMITS = { fileBytes: 256 * 1024, olderFiles: 2 };
/** Above what the child needs, below what it hoards. */
const MEMORY_LIMIT_BYTES = 256 * 1024 * 1024;
const READY_LIMIT_MS = 20_000;
/** Bun closes the descriptors of an ended child a moment after it said that it ended. */
const SETTLE_LIMIT_MS = 2_000;

/** The process under test: how it is started so that it connects to the socket, with the tag in what it starts. */
export type FaultTarget = (socketPath: string, tag: string) => Pick<ProcessSpec, "command" | "env">;

export type FaultReport = {
  readonly faults: number;
  readonly readyAgainMs: Readonly<Record<Injection, readonly number[]>>;
  /** What was recorded otherwise than it should have been. */
  readonly wrong: readonly string[];
  readonly leakedProcesses: number;
  readonly zombies: number;
  readonly descriptorsBefore: number;
  readonly descriptorsAfter: number;
  readonly logBytes: number;
};

export async function faultRun(options: {
  readonly faults: number;
  readonly seed: number;
  readonly target: FaultTarget;
}): Promise<FaultReport> {
  const folder = mkdtempSync(join(tmpdir(), "drover-faults-"));
  const missing = adoptOrphans();
  if (missing !== undefined) throw new Error(missing);
  const stopReaper = startReaper(realClock);
  // Distinguishes what these children start from what anybody else does: seconds that nobody sleeps.
  const tag = `9${process.pid}.${options.seed}`;
  const world = new FaultWorld(folder, tag, options);
  try {
    await world.begin();
    const random = seededRandom(options.seed);
    const descriptorsBefore = countDescriptors();
    for (let index = 0; index < options.faults; index += 1) {
      // Each kind in turn, in an order that the seed gives.
      if (world.turn.length === 0) world.turn = [...INJECTIONS].sort(() => random.next() - 0.5);
      await world.inject(world.turn.pop() ?? "exit");
    }
    await waitUntil("descriptors are closed", () => countDescriptors() <= descriptorsBefore, SETTLE_LIMIT_MS).catch(
      () => undefined, // The report says how many are left.
    );
    const descriptorsAfter = countDescriptors();
    await world.end();
    return { ...world.report(), faults: options.faults, descriptorsBefore, descriptorsAfter };
  } finally {
    await world.end();
    stopReaper();
    rmSync(folder, { recursive: true, force: true });
  }
}

class FaultWorld {
  turn: Injection[] = [];
  readonly #readyAgainMs = new Map<Injection, number[]>(INJECTIONS.map((kind) => [kind, []]));
  readonly #wrong: string[] = [];
  #leaked = 0;
  #socket: Socket | undefined;
  readonly #server: Server;
  readonly #supervisor: Supervisor;
  readonly #output: RotatedLog;

  readonly #folder: string;
  readonly #tag: string;

  constructor(folder: string, tag: string, options: { readonly seed: number; readonly target: FaultTarget }) {
    this.#folder = folder;
    this.#tag = tag;
    this.#output = new RotatedLog(join(folder, "logs", "child.log"), LOG_LIMITS);
    const socketPath = join(folder, "child.sock");
    this.#server = createServer((socket) => this.#listen(socket)).listen(socketPath);
    this.#supervisor = new Supervisor({
      spec: () => ({
        name: "child",
        ...options.target(socketPath, tag),
        descriptors: [],
        policy: {
          ...DEFAULT_POLICY,
          heartbeatLimitMs: HEARTBEAT_LIMIT_MS,
          termGraceMs: 500,
          killLimitMs: 5_000,
          memoryLimitBytes: MEMORY_LIMIT_BYTES,
          // Every fault is wanted, so the budget is without end and each counts as the first one.
          backoff: { firstMs: 50, maxMs: 1_000, healthyAfterMs: 0 },
          budget: { restarts: Infinity, withinMs: 60_000 },
        },
        probe: null,
        usesHeartbeat: true,
      }),
      clock: realClock,
      random: seededRandom(options.seed),
      logger: silentLogger,
      output: this.#output,
    });
  }

  async begin(): Promise<void> {
    this.#output.accept(Buffer.from("the log is open from now on\n")); // Its descriptor is there before they are counted.
    this.#supervisor.start();
    await this.#ready(0);
  }

  async inject(kind: Injection): Promise<void> {
    const { generation, pid } = this.#supervisor.snapshot();
    const beganMs = performance.now();
    switch (kind) {
      case "segv":
        process.kill(pid ?? 0, "SIGSEGV");
        break;
      case "kill":
        process.kill(pid ?? 0, "SIGKILL");
        break;
      case "stop":
        process.kill(pid ?? 0, "SIGSTOP");
        break;
      case "exit":
      case "busyLoop":
      case "flood":
      case "grandchildren":
      case "memory":
        this.#socket?.write(`${kind}\n`);
        break;
    }
    await this.#ready(generation);
    this.#readyAgainMs.get(kind)?.push(performance.now() - beganMs);
    const fault = this.#supervisor.snapshot().fault;
    if (fault?.generation !== generation || fault.kind !== EXPECTED[kind]) {
      this.#wrong.push(`${kind} was recorded as ${fault?.kind ?? "nothing"}: ${fault?.reason ?? ""}`);
    }
    this.#leaked += taggedProcesses(this.#tag, this.#supervisor.identity?.pid);
  }

  async end(): Promise<void> {
    await this.#supervisor.stop({ graceMs: 500 });
    this.#leaked += taggedProcesses(this.#tag, undefined);
    this.#output.close();
    this.#server.close();
    this.#socket?.destroy();
  }

  report(): Omit<FaultReport, "faults" | "descriptorsBefore" | "descriptorsAfter"> {
    // `as`: made from the list of all kinds.
    const readyAgainMs = Object.fromEntries(this.#readyAgainMs) as unknown as FaultReport["readyAgainMs"];
    const logs = join(this.#folder, "logs");
    const logBytes = readdirSync(logs).reduce((sum, name) => sum + statSync(join(logs, name)).size, 0);
    return { readyAgainMs, wrong: this.#wrong, leakedProcesses: this.#leaked, zombies: countZombies(), logBytes };
  }

  async #ready(after: number): Promise<void> {
    await waitUntil(
      "the child is ready again",
      () => {
        const { phase, generation } = this.#supervisor.snapshot();
        return phase === "running" && generation > after;
      },
      READY_LIMIT_MS,
    );
  }

  #listen(socket: Socket): void {
    this.#socket = socket;
    socket.on("error", () => socket.destroy());
    socket.on("data", (data) => {
      if (socket !== this.#socket) return;
      if (data.toString().startsWith("ready")) this.#supervisor.ready();
      else this.#supervisor.heartbeat([]);
    });
  }
}

function countDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Living processes with the tag in their command line, but for the child itself. */
function taggedProcesses(tag: string, child: number | undefined): number {
  return readdirSync("/proc").filter((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === child || pid === process.pid) return false;
    return read(`/proc/${name}/cmdline`).includes(tag) && !isZombie(name);
  }).length;
}

function countZombies(): number {
  return readdirSync("/proc").filter((name) => {
    const fields = read(`/proc/${name}/stat`).split(") ").at(-1)?.split(" ");
    return fields?.[1] === String(process.pid) && fields[0] === "Z";
  }).length;
}

function isZombie(name: string): boolean {
  return /\) Z /.test(read(`/proc/${name}/stat`));
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // It ended.
  }
}
