/** The watchdog of one state folder: its lock, its socket, its node and releases, and safe mode when no node can run. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import {
  type Clock,
  err,
  type JsonValue,
  type Logger,
  ok,
  type Random,
  type Result,
  refused,
  retryable,
  sleep,
  type Timer,
  terminal,
} from "#base";
import type { ShutdownMode, WatchdogAction } from "../messages.ts";
import type { SupervisionPolicy } from "../policy.ts";
import type { ProcessSpec } from "../process-spec.ts";
import type { SafeModeFacts } from "../safe-mode.ts";
import { updateRequestOf } from "../update-request.ts";
import { awaitInstanceLock, type InstanceLock } from "./instance-lock.ts";
import { KeptProcesses } from "./kept-processes.ts";
import type { ListeningSocket } from "./listening-socket.ts";
import { openSocket, takeSocket, urlOf } from "./node-socket.ts";
import { type Environment, type GenerationFacts, NodeUnit } from "./node-unit.ts";
import { ProcessGroup } from "./process-group.ts";
import { isAlive } from "./process-table.ts";
import { ReleaseKeeper, type ReleaseOptions } from "./release-keeper.ts";
import { SafeMode } from "./safe-mode-unit.ts";
import type { ServiceManager } from "./service-manager.ts";
import type { FaultRecord } from "./supervisor.ts";
import { readWatchdogFile, type WatchdogFile, writeWatchdogFile } from "./watchdog-file.ts";

export type WatchdogOptions = {
  readonly stateDir: string;
  readonly version: string;
  readonly host: string;
  readonly port: number;
  /** Names under which the node may be asked, lower case, without ports. */
  readonly hosts: ReadonlySet<string>;
  readonly policy: SupervisionPolicy;
  readonly attemptVariable: string;
  /** What is kept alive beside the node. */
  readonly processes: readonly ProcessSpec[];
  readonly generation: (facts: GenerationFacts) => { readonly command: readonly string[]; readonly env: Environment };
  /** The environment of parts that a release is tried by. */
  readonly environment: Environment;
  readonly releases: ReleaseOptions;
  /** Becomes that executable with the same process id; returns only when it cannot. */
  readonly become: (binary: string) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly manager: ServiceManager;
  readonly echo: ((chunk: Uint8Array) => void) | null;
};

/** Ended within this time, each. */
const OTHERS_LIMIT_MS = 30_000;
/** Faults that are kept for people. */
const MAX_FAULTS = 20;
const SAFE_MODE_LINES = 50;
/** Under a second, so that a service manager that watches by the second hears it in time. */
const ALIVE_EVERY_MS = 900;
/** An answer that is on its way through the node gets there first. */
const ANSWER_FIRST_MS = 50;

/** @returns the running watchdog, whose node may not be ready yet, or why there can be none. */
export async function startWatchdog(options: WatchdogOptions): Promise<Result<Watchdog>> {
  const lock = await awaitInstanceLock(join(options.stateDir, "watchdog.lock"), options.clock);
  if (!lock.ok) return lock;
  const watchdog = new Watchdog(options, lock.value);
  const begun = await watchdog.begin();
  if (begun.ok) return ok(watchdog);
  watchdog.close();
  return begun;
}

export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #lock: InstanceLock;
  readonly #node: NodeUnit;
  readonly #others: ProcessGroup;
  readonly #kept: KeptProcesses;
  readonly #safeMode: SafeMode;
  readonly #releases: ReleaseKeeper;
  readonly #filePath: string;
  readonly #startedAtMs: number;
  readonly #faults: FaultRecord[] = [];
  readonly #stopped = Promise.withResolvers<void>();
  /** Until then it does not know its socket and releases, and whoever asks has to wait. */
  readonly #begun = Promise.withResolvers<void>();
  #socket: ListeningSocket | undefined;
  #stopping: Promise<void> | undefined;
  #alive: Timer | undefined;
  #hasBegun = false;

  constructor(options: WatchdogOptions, lock: InstanceLock) {
    this.#options = options;
    this.#lock = lock;
    const { stateDir, clock, random, logger, version } = options;
    this.#filePath = join(stateDir, "watchdog.json");
    this.#startedAtMs = clock.nowMs();
    const logDir = join(stateDir, "logs");
    const changed = (): void => this.#writeFile();
    this.#others = new ProcessGroup(options.processes, { logDir, clock, random, logger, changed });
    this.#kept = new KeptProcesses(options);
    this.#safeMode = new SafeMode({
      ...options,
      socket: () => this.#socket ?? null,
      facts: () => this.#safeModeFacts(),
      act: (action, body) => (action === "shutdown" ? this.#askedToStop() : this.#act(action, body)),
    });
    this.#node = new NodeUnit({
      ...options,
      kept: this.#kept,
      binary: () => this.#releases.binary,
      socketFd: () => this.#socket?.fd ?? null,
      events: {
        // A node that is taken over says so before its socket was handed over: until then nothing is promised.
        ready: () => this.#hasBegun && this.#saidReady(),
        stopping: (mode) =>
          void this.#begun.promise.then(() => {
            this.#stopping ??= this.#shutDown(mode, () => this.#node.awaitEnd(mode));
          }),
        asked: (action, body) => this.#begun.promise.then(() => this.#act(action, body)),
        failed: (fault) => this.#failed(fault),
        held: () => {
          // During a swap the release before it takes over; safe mode is for when there is nothing to return to.
          if (!this.#releases.isSwapping) this.#enterSafeMode();
        },
      },
    });
    this.#releases = new ReleaseKeeper({
      stateDir,
      version,
      options: options.releases,
      node: {
        backup: (path) => this.#node.backup(path),
        drain: () => this.#drainForSwap(),
        start: () => this.#node.start(),
        health: () => this.#node.health(),
        announce: (on, next) => this.#node.announce(on, next),
      },
      env: () => options.environment,
      clock,
      random,
      logger,
      ended: () => this.#swapEnded(),
    });
  }

  get logPath(): string {
    return this.#node.logPath;
  }

  /** Whether the node says that to start it again as things are would be in vain. */
  get isRefused(): boolean {
    const { phase, fault } = this.#node.snapshot();
    return phase === "held" && fault?.kind === "refused";
  }

  /** Resolves when everything has ended. */
  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  /** The node's address, as soon as it is ready; or why it is in safe mode. */
  async untilServing(limitMs: number): Promise<Result<string>> {
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + limitMs;
    while (clock.monotonicMs() < endMs && this.#stopping === undefined) {
      if (this.#node.url !== null) return ok(this.#node.url);
      if (this.#safeMode.reason !== null) {
        const lines = this.#node.lines(3).join("\n");
        const remedy = `The whole log is ${this.logPath}; see also drover doctor`;
        return err(terminal("unavailable", `the node did not start: ${this.#safeMode.reason}\n${lines}`, remedy));
      }
      await sleep(clock, 1);
    }
    return err(retryable("timed_out", `the node was not ready after ${limitMs} ms`, `Read ${this.logPath}`));
  }

  /** Takes the socket, takes over a node that an earlier watchdog left, or starts one. */
  async begin(): Promise<Result<void>> {
    const opened = this.#node.open();
    if (!opened.ok) return opened;
    const { stateDir, host, port, clock, logger } = this.#options;
    const left = readWatchdogFile(this.#filePath);
    const living = left !== undefined && left.node !== null && isAlive(left.node) ? left.node : undefined;
    const place = { host, port, handoverPath: join(stateDir, "handover.sock"), clock, logger };
    const socket =
      living === undefined ? openSocket(place) : await takeSocket(living, place, () => this.#node.connection);
    if (!socket.ok) return socket;
    this.#socket = socket.value;
    const { resume } = this.#releases.recover();
    if (living === undefined) this.#becomeCurrent();
    this.#beAlive();
    this.#others.start(left?.others ?? {});
    if (resume) {
      // A swap that was interrupted decides itself what runs; what still runs of it ends first.
      if (living !== undefined && isAlive(living)) this.#node.adopt(living);
      void this.#releases.resume();
    } else if (living !== undefined && isAlive(living)) this.#node.adopt(living);
    else this.#node.launch();
    this.#hasBegun = true;
    this.#begun.resolve();
    this.#saidReady();
    this.#releases.startChecks();
    return ok(undefined);
  }

  /** Ends the node and then the watchdog. A second call with `now` cuts a `drain` short. */
  stop(mode: ShutdownMode): Promise<void> {
    if (this.#stopping !== undefined && mode === "now") this.#node.hurry();
    this.#stopping ??= this.#shutDown(mode, () => this.#node.stop(mode));
    return this.#stopping;
  }

  close(): void {
    this.#alive?.cancel();
    this.#releases.stopChecks();
    this.#node.close();
    this.#socket?.close();
    this.#lock.release();
  }

  async #shutDown(mode: ShutdownMode, end: () => Promise<void>): Promise<void> {
    const { manager, logger } = this.#options;
    manager.stopping();
    logger.info("the watchdog stops", { mode });
    await end();
    await this.#safeMode.leave();
    await Promise.all([this.#kept.stop(OTHERS_LIMIT_MS), this.#others.stop(OTHERS_LIMIT_MS)]);
    rmSync(this.#filePath, { force: true });
    this.close();
    this.#stopped.resolve();
  }

  #saidReady(): void {
    this.#writeFile();
    if (this.#node.url !== null) this.#options.manager.ready();
  }

  /** Only where somebody watches: a timer that tells nobody would wake an idle process all the same. */
  #beAlive(): void {
    if (this.#options.manager.aliveWithinMs === null) return;
    this.#options.manager.alive();
    this.#alive = this.#options.clock.after(ALIVE_EVERY_MS, () => this.#beAlive());
  }

  /** What a person asked for, through the node or in safe mode. */
  async #act(action: WatchdogAction, body: JsonValue): Promise<Result<JsonValue>> {
    const askedBy = "a person, through the API";
    switch (action) {
      case "status":
        return ok(this.#view());
      case "restart":
        return this.#askedToRestart(body);
      case "reset":
        this.#faults.length = 0;
        this.#node.forgive();
        return ok({ reset: true });
      case "update":
      case "check": {
        const request = updateRequestOf(body);
        if (!request.ok) return request;
        return action === "check"
          ? this.#releases.check(request.value.from)
          : this.#releases.update(request.value, request.value.askedBy ?? askedBy);
      }
      case "rollback":
        return this.#releases.rollback(askedBy);
      case "releases":
        return this.#releases.view();
    }
  }

  #askedToRestart(body: JsonValue): Result<JsonValue> {
    // `as`: any object may be read by name.
    const name = typeof body === "object" && body !== null ? (body as { readonly name?: JsonValue }).name : undefined;
    if (typeof name === "string") {
      return this.#others.restart(name) || this.#kept.restart(name)
        ? ok({ accepted: true })
        : err(refused("not_found", `there is no process ${name}`));
    }
    if (this.#releases.isSwapping) {
      return err(refused("in_use", "a swap is under way", "Wait until it has ended; drover releases shows it"));
    }
    this.#options.clock.after(ANSWER_FIRST_MS, () => void this.#restart());
    return ok({ accepted: true });
  }

  /** In safe mode, where no node runs that could drain. */
  async #askedToStop(): Promise<Result<JsonValue>> {
    this.#options.clock.after(ANSWER_FIRST_MS, () => void this.stop("now"));
    return ok({ mode: "now", running: 0, safeMode: true });
  }

  /** The next generation takes over; attempts go on in their workers, and connections wait. */
  async #restart(): Promise<void> {
    this.#options.logger.info("the node is restarted: a person asked for it");
    if (this.#safeMode.reason !== null) await this.#leaveSafeMode();
    await this.#node.drain();
    if (this.#stopping === undefined) this.#node.launch();
  }

  async #drainForSwap(): Promise<Result<void>> {
    if (this.#stopping !== undefined) return err(refused("cancelled", "drover is being stopped"));
    if (this.#safeMode.reason !== null) await this.#leaveSafeMode();
    return this.#node.drain();
  }

  #swapEnded(): void {
    if (this.#node.health().fault !== null) this.#enterSafeMode();
    else this.#options.clock.after(ANSWER_FIRST_MS, () => this.#becomeCurrent());
  }

  /** The watchdog itself is replaced last, while the node goes on serving. */
  #becomeCurrent(): void {
    const { binary } = this.#releases;
    const { releases, become, logger } = this.#options;
    // A try that began meanwhile would be lost with its answer; when it has ended, this is called again.
    if (binary === releases.executable || this.#stopping !== undefined || this.#releases.isTrying) return;
    this.#writeFile();
    become(binary);
    logger.warn("the watchdog goes on in its own release", { current: binary });
  }

  #failed(fault: FaultRecord): void {
    this.#faults.push(fault);
    if (this.#faults.length > MAX_FAULTS) this.#faults.shift();
    this.#writeFile();
  }

  #enterSafeMode(): void {
    if (this.#safeMode.reason !== null) return;
    const reason = this.#node.snapshot().fault?.reason ?? "it failed too often";
    this.#safeMode.enter(reason);
    this.#writeFile();
    this.#options.manager.status(`safe mode: ${reason}`);
  }

  async #leaveSafeMode(): Promise<void> {
    await this.#safeMode.leave();
    this.#options.manager.status("");
    this.#writeFile();
  }

  #safeModeFacts(): Omit<SafeModeFacts, "sinceMs" | "reason"> {
    const view = this.#releases.view();
    // `as`: any object may be read by name.
    const previous = view.ok ? (view.value as { readonly previous?: JsonValue }).previous : null;
    return {
      version: this.#options.version,
      faults: this.#faults.map(({ atMs, reason }) => ({ atMs, reason })),
      lastLines: this.#node.lines(SAFE_MODE_LINES),
      logPath: this.logPath,
      canRollBack: typeof previous === "string",
      restarts: this.#node.restarts,
    };
  }

  #view(): JsonValue {
    const { phase, pid, generation, phaseMs, fault } = this.#node.snapshot();
    const restarts = this.#node.restarts;
    return {
      pid: process.pid,
      version: this.#options.version,
      startedAtMs: this.#startedAtMs,
      sharesSocket: this.#socket !== undefined,
      node: { phase, pid, generation, phaseMs: Math.round(phaseMs), restarts },
      lastFault: fault === null ? null : { ...fault },
      faults: this.#faults.map((one) => ({ ...one })),
      log: this.logPath,
      processes: [...this.#others.view(), ...this.#kept.view()],
    };
  }

  #writeFile(): void {
    const file: WatchdogFile = {
      pid: process.pid,
      version: this.#options.version,
      startedAtMs: this.#startedAtMs,
      url: this.#node.url,
      node: this.#node.identity ?? null,
      others: this.#others.identities(),
      safeMode: this.#safeMode.reason,
      safeModeUrl: this.#safeMode.reason === null ? null : urlOf(this.#options.host, this.#socket?.port),
    };
    try {
      writeWatchdogFile(this.#filePath, file);
    } catch (cause) {
      // A full disk must not end the watchdog: without the file only a later watchdog has to end the node.
      this.#options.logger.warn("watchdog.json cannot be written", { reason: String(cause) });
    }
  }
}
