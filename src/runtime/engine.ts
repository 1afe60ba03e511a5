/** The whole engine of a node without its HTTP side: databases, queue, workers. `up` and `run` both stand on it. */
import { availableParallelism } from "node:os";
import { type NodeOffer, type SubmissionDefaults, type SubmissionFacts, unmetRequirements } from "#api";
import {
  type Clock,
  createIdFactory,
  type IdFactory,
  type Logger,
  type NodeId,
  ok,
  type Random,
  type Result,
} from "#base";
import { WorkerPool } from "#execution";
import { Consumer, fenceOf, QueueService } from "#queue";
import { openStores, type Stores } from "#store";
import { Attempts, EXECUTORS } from "./attempts.ts";
import type { Config } from "./config/settings.ts";
import { CRASH_VARIABLES } from "./crash-point.ts";
import { applyKeyPolicies } from "./key-policies.ts";

export type EngineOptions = {
  readonly config: Config;
  readonly stateDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly crashPoint: (label: string) => void;
  /** How this executable starts a worker, without the worker's folder. */
  readonly workerCommand: readonly string[];
};

export type Engine = {
  readonly stores: Stores;
  readonly queue: QueueService;
  readonly pool: WorkerPool;
  readonly ids: IdFactory;
  readonly nodeId: NodeId;
  readonly consumer: Consumer;
  readonly attempts: Attempts;
  /** What submissions are completed with. */
  readonly submissionFacts: SubmissionFacts & { readonly defaults: SubmissionDefaults };
  /** Ends what runs and gives its tasks back uncounted, also while a `drain` waits for it. */
  readonly endAttempts: () => Promise<void>;
  readonly stop: (mode: StopMode) => Promise<void>;
};

/**
 * `drain` lets running attempts end, `now` ends them and gives their tasks back uncounted, `leave` leaves the workers
 * to the next node.
 */
export type StopMode = "drain" | "now" | "leave";

/** Leases last four seconds; a renewal may come three times too late. */
const RENEW_MS = 1_000;

/** Opens the state folder, takes over what an earlier node left, and begins to claim. */
export async function startEngine(options: EngineOptions): Promise<Result<Engine>> {
  const { config, clock, random, logger, crashPoint, stateDir } = options;
  const backupDir = config["store.backup.dir"];
  const backupFolder = backupDir === "" ? {} : { backupFolder: backupDir };
  const opened = await openStores(stateDir, { clock, logger, random, crashPoint, ...backupFolder });
  if (!opened.ok) return opened;
  const stores = opened.value;
  const { nodeId } = stores;
  const ids = createIdFactory(clock, random);
  const maxOpenTasks = config["limits.open_tasks"];
  const queue = new QueueService({ store: stores.queue, clock, random, ids, node: nodeId, logger, maxOpenTasks });
  const attempts = new Attempts(queue, clock, logger, passedOn(config["executor.shell.env"]));
  const pool = createPool(options, nodeId, attempts);
  attempts.connect(pool);
  const offer = nodeOffer(config, nodeId);
  const consumer = new Consumer({
    queue,
    holder: nodeId,
    logger,
    concurrency: shellConcurrency(config),
    accepts: (requirements) => unmetRequirements(requirements, offer).length === 0,
    run: (task) => attempts.run(task),
  });
  const stopEvents = queue.onStop((id, fence) => attempts.stop(id, fence, "cancelled"));
  const stopRenewing = repeat(clock, RENEW_MS, () => attempts.renewLeases());
  const { endAttempts, stop } = stopping({ stores, queue, pool, consumer, attempts }, () => {
    stopEvents();
    stopRenewing();
  });

  const takenOver = await takeOver({ queue, pool, attempts, consumer, nodeId });
  const prepared = takenOver.ok ? await applyKeyPolicies(queue, config) : takenOver;
  if (!prepared.ok) {
    await stop("leave");
    return prepared;
  }
  consumer.start();
  const facts = submissionFacts(config, ids);
  return ok({ stores, queue, pool, ids, nodeId, consumer, attempts, submissionFacts: facts, endAttempts, stop });
}

type Stoppable = Pick<Engine, "stores" | "queue" | "pool" | "consumer" | "attempts">;

/** @param silence ends the timers and listeners between the parts */
function stopping(
  { stores, queue, pool, consumer, attempts }: Stoppable,
  silence: () => void,
): Pick<Engine, "endAttempts" | "stop"> {
  let ended: Promise<void> | undefined;
  let closed: Promise<void> | undefined;
  const endAll = async (): Promise<void> => {
    void consumer.stop();
    attempts.stopping();
    await pool.stop({ leaveRunning: false });
    attempts.leaveRest();
  };
  const endAttempts = (): Promise<void> => {
    ended ??= endAll();
    return ended;
  };
  const close = async (mode: StopMode): Promise<void> => {
    const drained = consumer.stop();
    if (mode === "now") await endAttempts();
    if (mode !== "leave") await drained;
    await ended;
    await pool.stop({ leaveRunning: true });
    attempts.leaveRest();
    silence();
    await queue.stop();
    await stores.close();
  };
  const stop = (mode: StopMode): Promise<void> => {
    closed ??= close(mode);
    return closed;
  };
  return { endAttempts, stop };
}

function createPool(options: EngineOptions, nodeId: NodeId, observer: Attempts): WorkerPool {
  const { config, clock, random, logger, crashPoint, stateDir, workerCommand } = options;
  return new WorkerPool({
    stateDir,
    nodeId,
    workerCommand,
    observer,
    clock,
    random,
    logger,
    crashPoint,
    workerEnv: passedOn(CRASH_VARIABLES),
    limits: {
      wallMs: config["limits.wall_time_ms"],
      outputBytes: config["executor.shell.output_bytes"],
      orphanMs: config["limits.orphan_ms"],
    },
  });
}

type Parts = Pick<Engine, "queue" | "pool" | "consumer" | "nodeId" | "attempts">;

/** Adopts live workers, applies results that wait on disk, and offers everything else of this node again. */
async function takeOver({ queue, pool, attempts, consumer, nodeId }: Parts): Promise<Result<void>> {
  const running = await queue.start();
  if (!running.ok) return running;
  const listening = await pool.start();
  if (!listening.ok) return listening;
  const adoption = await pool.adoptAll();
  const found = [...adoption.adopted, ...adoption.finished, ...adoption.lost];
  // Those that ended, too: one that cannot be recorded yet keeps its lease until it is.
  for (const ref of found) consumer.adopt(attempts.answered(ref));
  const known = new Set(found.map((ref) => `${ref.taskId} ${ref.fence.n}`));
  for (const row of running.value) {
    // Asked for while the node before this one ended: its worker may not have heard of it.
    if (row.cancelRequested) attempts.stop(row.id, fenceOf(row), "cancelled");
    if (row.holder !== nodeId || known.has(`${row.id} ${row.fenceN}`)) continue;
    const reason = "the node stopped before it had started a worker";
    const receipt = await queue.release(row.id, fenceOf(row), reason);
    if (!receipt.ok) return receipt;
  }
  return ok(undefined);
}

export function nodeOffer(config: Config, nodeId: NodeId): NodeOffer {
  return {
    node: nodeId,
    name: config["node.name"],
    executors: ["shell"],
    labels: config["node.labels"],
    models: [],
    vramBytes: 0,
  };
}

function submissionFacts(config: Config, ids: IdFactory): Engine["submissionFacts"] {
  return {
    ids,
    executors: EXECUTORS,
    defaults: {
      maxAttempts: config["limits.attempts"],
      retryBaseMs: config["limits.retry_base_ms"],
      retryMaxMs: config["limits.retry_max_ms"],
    },
  };
}

export function shellConcurrency(config: Config): number {
  const asked = config["executor.shell.concurrency"];
  return asked > 0 ? asked : availableParallelism();
}

/** @returns a function that ends it. */
function repeat(clock: Clock, everyMs: number, action: () => void): () => void {
  let timer = clock.after(everyMs, again);
  function again(): void {
    action();
    timer = clock.after(everyMs, again);
  }
  return () => timer.cancel();
}

/** Those of the named variables that this process has. */
function passedOn(names: readonly string[]): Readonly<Record<string, string>> {
  const passed: Record<string, string> = {};
  for (const name of names) {
    const value = process.env[name];
    if (value !== undefined) passed[name] = value;
  }
  return passed;
}
