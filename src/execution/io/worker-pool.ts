/**
 * The node's side of its attempts. Invariants:
 * W1: an attempt folder is executed by at most one worker, ever (the claim in `worker.json` is made once).
 * W2: a process is taken for a worker only by pid, start time and boot together with the attempt's token.
 * W3: a result that is on disk is reported as finished, also when worker and node died after writing it.
 * W4: an attempt is reported lost only after its processes were ended.
 * W5: an attempt's folder is removed only after the observer's answer, so a crash in between reports it again.
 */
import { closeSync, openSync } from "node:fs";
import {
  type Clock,
  err,
  type Failure,
  type Logger,
  MARKER_NAME,
  type NodeId,
  ok,
  type Random,
  type Result,
  retryable,
  sleep,
  type TaskId,
  type Timer,
} from "#base";
import { type Assignment, type AttemptLimits, type AttemptRef, DEFAULT_LIMITS } from "../attempt.ts";
import type { AttemptObserver } from "../attempt-observer.ts";
import { type CrashPoint, noCrash } from "../crash-labels.ts";
import { allowedEnvironment, type Environment } from "../environment.ts";
import type { LaunchRequest } from "../launch-request.ts";
import { PROTOCOL_VERSION, type WorkerFrame } from "../protocol.ts";
import { planWorkspace } from "../workspace.ts";
import { type Adoption, fateOf } from "./adoption.ts";
import { AttemptFolder, markerOf } from "./attempt-folder.ts";
import { Departures, endLeftovers, killProcess } from "./leftovers.ts";
import { DEFAULT_MAX_LOG_BYTES, DEFAULT_MAX_LOGS, logPathOf, trimLogs } from "./log-retention.ts";
import { type FinalAnswer, keyOf, newEntry, type PoolEntry, RememberedAnswers } from "./pool-entry.ts";
import { removePrivateLeftovers, restoreRepositories, sweepPrivateFolders } from "./private-leftovers.ts";
import { identify, isRunning } from "./process-identity.ts";
import { systemFailure } from "./system-failure.ts";
import { waitAtMost } from "./wait-at-most.ts";
import { HEARTBEAT_MS } from "./worker-link.ts";
import { type Hello, type Peer, type PeerHandlers, socketPathFor, WorkerSocket } from "./worker-socket.ts";

const TICK_MS = HEARTBEAT_MS;
/**
 * A worker that said nothing for this many of our own ticks is ended. Counted, not measured, so that a host that
 * slept or a node that was stopped does not take its own absence for the workers'.
 */
const SILENT_TICKS = 30;
/** After a cancel: the command's grace, the result on disk, and some. Then the worker is killed. */
const CANCEL_TICKS = 15;
const MAX_REPORT_BACKOFF_MS = 30_000;
const FIRST_REPORT_BACKOFF_MS = 500;
const STOP_LIMIT_MS = 20_000;
/** A report that cannot be stored must not keep a node from coming up and saying so. */
const ADOPTION_LIMIT_MS = 5_000;
const TRIM_EVERY = 50;
const MAX_REASON_CHARS = 1_000;

export type WorkerPoolOptions = {
  readonly stateDir: string;
  readonly nodeId: NodeId;
  /** How a worker is started, without its folder: `[process.execPath, "worker"]`. Absolute paths. */
  readonly workerCommand: readonly string[];
  readonly observer: AttemptObserver;
  readonly clock: Clock;
  /** Fit for secrets: the workers' tokens come from it. */
  readonly random: Random;
  readonly logger: Logger;
  readonly crashPoint?: CrashPoint;
  /** Added to the few names that workers inherit from the node. */
  readonly workerEnv?: Environment;
  readonly limits?: Partial<AttemptLimits>;
  readonly maxLogs?: number;
  readonly maxLogBytes?: number;
};

export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #crashPoint: CrashPoint;
  readonly #socketPath: string;
  readonly #socket: WorkerSocket;
  readonly #entries = new Map<string, PoolEntry>();
  readonly #answered = new RememberedAnswers();
  readonly #adopted = Promise.withResolvers<void>();
  readonly #departures = new Departures();
  #ticker: Timer | undefined;
  #settledCount = 0;
  readonly #stopped = Promise.withResolvers<void>();
  /** Why workers are to end, once this node is to leave none behind. */
  #ending: string | undefined;
  #isStopped = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#crashPoint = options.crashPoint ?? noCrash;
    this.#socketPath = socketPathFor(options.stateDir);
    this.#socket = new WorkerSocket(this.#socketPath, options.clock, (hello, peer) => this.#admit(hello, peer));
  }

  /** The attempts that this node answers for: launched or adopted, and not yet answered by the observer. */
  get live(): readonly AttemptRef[] {
    return [...this.#entries.values()].map((entry) => entry.ref);
  }

  /** @returns the attempt whose worker has this token, as long as it runs. */
  attemptOf(token: string): AttemptRef | undefined {
    return [...this.#entries.values()].find((entry) => entry.token === token)?.ref;
  }

  /** Listens for workers. To be followed by {@link adoptAll} before anything is launched. */
  async start(): Promise<Result<void, Failure>> {
    const listening = await this.#socket.listen();
    if (!listening.ok) return listening;
    this.#tick();
    return ok(undefined);
  }

  /**
   * Takes over what an earlier node left: results are reported as finished, running workers adopted, everything else
   * reported lost. Resolves when all of that is with the observer, or after a few seconds: what the observer cannot take
   * yet is reported in the background.
   */
  async adoptAll(): Promise<Adoption> {
    const adoption: Record<keyof Adoption, AttemptRef[]> = { adopted: [], finished: [], lost: [] };
    const settling: Promise<void>[] = [];
    for (const folder of AttemptFolder.list(this.#options.stateDir)) {
      const head = folder.readHead();
      if (head === undefined) {
        // The node died before the assignment was whole, so no worker was ever started for it.
        this.#options.logger.warn("remove attempt folder without assignment", { path: folder.path });
        folder.remove();
        continue;
      }
      if (head.nodeId !== this.#options.nodeId) {
        // This state folder is a copy: the worker belongs to the original, which may well run.
        this.#options.logger.warn("remove attempt folder of another node", { path: folder.path, node: head.nodeId });
        folder.remove();
        continue;
      }
      const { taskId, attempt, fence, executor } = head;
      const ref: AttemptRef = { taskId, attempt, fence, executor };
      const entry = this.#register(ref, folder, head.token, head.logPath, false);
      const fate = await fateOf(entry);
      adoption[fate].push(ref);
      if (fate !== "adopted") settling.push(this.#settle(entry, "its worker died while no node was there"));
    }
    settling.push(sweepPrivateFolders(this.#options.stateDir, this.#options.logger));
    this.#adopted.resolve();
    await waitAtMost(this.#options.clock, ADOPTION_LIMIT_MS, Promise.all(settling));
    this.#trimLogs();
    return adoption;
  }

  /**
   * Starts a worker for an attempt. It runs on when this node ends.
   * @returns a failure when it could not be started; then nothing of it is left, and nobody will report it.
   */
  async launch(request: LaunchRequest): Promise<Result<void, Failure>> {
    const { stateDir, nodeId, random, limits } = this.#options;
    const { taskId, attempt, spec } = request;
    const workspace = request.workspace ? ok(request.workspace) : planWorkspace(spec, { stateDir, taskId });
    if (!workspace.ok) return workspace;
    const folder = AttemptFolder.of(stateDir, taskId, attempt);
    const token = Buffer.from(random.bytes(32)).toString("hex");
    const assignment: Assignment = {
      ...request,
      version: 1,
      nodeId,
      token,
      socketPath: this.#socketPath,
      workspace: workspace.value,
      limits: { ...DEFAULT_LIMITS, ...limits },
      stateDir,
      logPath: logPathOf(stateDir, taskId, attempt),
    };
    try {
      this.#crashPoint("pool:before-assignment");
      // Retryable: after a restore a worker of the time before may still have it; it is stopped, and its folder goes.
      if (!folder.create()) return err(retryable("conflict", `attempt ${attempt} of ${taskId} was launched before`));
      await folder.writeAssignment(assignment);
      this.#crashPoint("pool:after-assignment");
      if (this.#ending !== undefined || this.#isStopped) {
        folder.remove();
        return err(retryable("unavailable", `launch attempt ${attempt} of ${taskId}: the node stops`));
      }
      this.#spawn(assignment, folder);
      this.#crashPoint("pool:after-spawn");
      return ok(undefined);
    } catch (error) {
      folder.remove();
      return err(systemFailure(error, `launch attempt ${attempt} of ${taskId}`));
    }
  }

  /**
   * Ends the attempts of a task, or the one given; each still reports how it ended: `cancelled`, or `lost` when its
   * worker had to be killed. @returns how many were asked.
   */
  cancel(taskId: TaskId, reason: string, attempt?: number): number {
    const entries = [...this.#entries.values()].filter(
      ({ ref }) => ref.taskId === taskId && (attempt === undefined || ref.attempt === attempt),
    );
    for (const entry of entries) {
      entry.cancelTicks ??= 0;
      entry.pendingCancel = reason.slice(0, MAX_REASON_CHARS);
      entry.peer?.send({ v: PROTOCOL_VERSION, type: "cancel", reason: entry.pendingCancel });
    }
    return entries.length;
  }

  /**
   * Stops listening. With `leaveRunning` workers go on and the next node adopts them; without, each is asked to stop,
   * its result is reported, and what does not end within 20 s is killed and reported lost.
   */
  async stop(how: { readonly leaveRunning: boolean }): Promise<void> {
    if (this.#isStopped) return;
    if (!how.leaveRunning) await this.#endAll();
    this.#isStopped = true;
    this.#stopped.resolve();
    this.#ticker?.cancel();
    this.#adopted.resolve();
    await this.#socket.close();
  }

  async #endAll(): Promise<void> {
    const { clock } = this.#options;
    const reason = "the node shuts down";
    this.#ending = reason; // Also for workers that have not connected yet, and against launches under way.
    for (const entry of this.#entries.values()) {
      entry.pendingCancel = undefined;
      entry.peer?.send({ v: PROTOCOL_VERSION, type: "shutdown", reason });
    }
    const endMs = clock.monotonicMs() + STOP_LIMIT_MS;
    while (this.#entries.size > 0 && clock.monotonicMs() < endMs) await sleep(clock, 20);
    const killed = [...this.#entries.values()].map((entry) => this.#kill(entry, reason));
    if (killed.length > 0) await Promise.race([Promise.all(killed), sleep(clock, STOP_LIMIT_MS)]);
  }

  #spawn(assignment: Assignment, folder: AttemptFolder): void {
    const { workerCommand, workerEnv, stateDir } = this.#options;
    const log = openSync(folder.workerLogPath, "a", 0o600);
    try {
      const { taskId, attempt, fence, executor, token, logPath } = assignment;
      const child = Bun.spawn([...workerCommand, folder.path], {
        cwd: stateDir,
        // With the marker: between fork and execve a command still has its worker's environment.
        env: { ...allowedEnvironment(process.env), ...workerEnv, [MARKER_NAME]: markerOf(token) },
        stdio: ["ignore", log, log],
        detached: true,
      });
      const entry = this.#register({ taskId, attempt, fence, executor }, folder, token, logPath, true);
      entry.identity = identify(child.pid);
      child.unref();
      void child.exited.then((code) => {
        if (!this.#isStopped) void this.#settle(entry, `its worker ended (${child.signalCode ?? `exit code ${code}`})`);
      });
    } finally {
      closeSync(log);
    }
  }

  #register(ref: AttemptRef, folder: AttemptFolder, token: string, logPath: string, own: boolean): PoolEntry {
    const entry = newEntry({ ref, folder, token, logPath, own });
    this.#entries.set(keyOf(ref), entry);
    return entry;
  }

  async #admit(hello: Hello, peer: Peer): Promise<PeerHandlers | undefined> {
    const key = `${hello.taskId}-${hello.attempt}`; // As keyOf; what a peer says is not yet an id.
    if (!this.#entries.has(key)) await this.#adopted.promise;
    if (this.#isStopped) {
      peer.close();
      return undefined;
    }
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.token !== hello.token) {
      const answer = this.#answered.get(hello.token);
      const reason = "this node does not know the attempt";
      peer.send({ v: PROTOCOL_VERSION, ...(answer === undefined ? { type: "unknown", reason } : { type: answer }) });
      peer.close();
      return undefined;
    }
    entry.peer = peer;
    entry.silentTicks = 0;
    peer.send({ v: PROTOCOL_VERSION, type: "welcome" });
    if (this.#ending !== undefined) peer.send({ v: PROTOCOL_VERSION, type: "shutdown", reason: this.#ending });
    else if (entry.pendingCancel !== undefined) {
      peer.send({ v: PROTOCOL_VERSION, type: "cancel", reason: entry.pendingCancel });
    }
    return {
      onFrame: (frame) => this.#receive(entry, frame),
      onClose: () => {
        if (entry.peer === peer) entry.peer = undefined;
        this.#checkAlive(entry);
      },
    };
  }

  #receive(entry: PoolEntry, frame: WorkerFrame): void {
    entry.silentTicks = 0;
    if (entry.settling !== undefined) return;
    switch (frame.type) {
      case "hello":
        return;
      case "heartbeat":
        this.#options.observer.heartbeat(entry.ref, frame.phase);
        return;
      case "progress":
        this.#options.observer.progress(entry.ref, { ratio: frame.ratio, message: frame.message });
        return;
      case "finished":
        void this.#settle(entry, "its worker said that it finished, without a result");
        return;
    }
  }

  #tick(): void {
    for (const entry of this.#entries.values()) {
      if (entry.settling !== undefined) continue;
      entry.silentTicks += 1;
      if (entry.cancelTicks !== undefined) entry.cancelTicks += 1;
      if (entry.silentTicks > SILENT_TICKS) void this.#kill(entry, "its worker was silent for too long");
      else if ((entry.cancelTicks ?? 0) > CANCEL_TICKS) void this.#kill(entry, "its worker did not end after a cancel");
      else this.#checkAlive(entry);
    }
    this.#departures.tick();
    this.#ticker = this.#options.clock.after(TICK_MS, () => this.#tick());
  }

  /** The exit of an own worker is an event; an adopted one is looked at. */
  #checkAlive(entry: PoolEntry): void {
    if (entry.own || this.#isStopped || entry.identity === undefined || isRunning(entry.identity)) return;
    void this.#settle(entry, "its worker died");
  }

  async #kill(entry: PoolEntry, reason: string): Promise<void> {
    if (entry.identity !== undefined) killProcess(entry.identity);
    await this.#settle(entry, reason);
  }

  /** Brings an attempt to its end, once: reports its result, or that it is lost, and removes its folder. */
  #settle(entry: PoolEntry, reason: string): Promise<void> {
    entry.settling ??= this.#report(entry, reason);
    return entry.settling;
  }

  async #report(entry: PoolEntry, reason: string): Promise<void> {
    const { observer, logger } = this.#options;
    const result = entry.folder.readResult();
    let answer: FinalAnswer | undefined;
    this.#crashPoint("pool:before-report");
    if (result === undefined) {
      const left = await endLeftovers(entry, this.#options.clock);
      if (left > 0) logger.error("processes of a lost attempt do not end", { ...entry.ref, left });
      restoreRepositories(this.#options.stateDir, entry.ref, logger);
      const said = entry.folder.workerLogTail(MAX_REASON_CHARS);
      const full = said === "" ? reason : `${reason}; it said: ${said}`;
      logger.warn("attempt lost", { taskId: entry.ref.taskId, attempt: entry.ref.attempt, reason: full });
      answer = await this.#persist(() => observer.lost(entry.ref, full).then(() => "refused" as const));
    } else {
      answer = await this.#persist(() => observer.finished(entry.ref, result));
    }
    if (answer === undefined) return; // The pool stopped first: the folder stays, and the next node reports it.
    this.#crashPoint("pool:after-report");
    await removePrivateLeftovers(this.#options.stateDir, entry.ref, logger);
    this.#answered.set(entry.token, answer);
    entry.peer?.send({ v: PROTOCOL_VERSION, type: answer });
    this.#departures.add(entry.identity);
    entry.folder.remove();
    this.#entries.delete(keyOf(entry.ref));
    this.#crashPoint("pool:after-remove");
    this.#settledCount += 1;
    if (this.#settledCount % TRIM_EVERY === 0) this.#trimLogs();
  }

  /** Repeats a report until the observer has it durable. @returns undefined when the pool stopped before. */
  async #persist<T>(report: () => Promise<T>): Promise<T | undefined> {
    for (let backoffMs = FIRST_REPORT_BACKOFF_MS; ; backoffMs = Math.min(backoffMs * 2, MAX_REPORT_BACKOFF_MS)) {
      if (this.#isStopped) return undefined;
      try {
        return await report();
      } catch (error) {
        this.#options.logger.error("report attempt", { error });
      }
      await waitAtMost(this.#options.clock, backoffMs, this.#stopped.promise);
    }
  }

  #trimLogs(): void {
    const { stateDir, maxLogs, maxLogBytes } = this.#options;
    const inUse = new Set([...this.#entries.values()].map((entry) => entry.logPath));
    trimLogs(stateDir, inUse, {
      maxLogs: maxLogs ?? DEFAULT_MAX_LOGS,
      maxBytes: maxLogBytes ?? DEFAULT_MAX_LOG_BYTES,
    });
  }
}
