/** The whole engine of a node without its HTTP side: databases, queue, workers. `up` and `run` both stand on it. */
import { availableParallelism } from "node:os";
import { type NodeOffer, type SubmissionDefaults, type SubmissionFacts, unmetRequirements } from "#api";
import {
  type Clock,
  createIdFactory,
  type IdFactory,
  type JsonObject,
  type Logger,
  type NodeId,
  ok,
  type Random,
  type Result,
  type TaskId,
} from "#base";
import { EXECUTORS, ModelSocket, modelSocketPath, type SandboxPlan, socketPathFor, WorkerPool } from "#execution";
import type { Order } from "#fleet";
import type { GoalService } from "#goals";
import { fenceOf, type Queue, type QueueService, type TaskRow } from "#queue";
import { openStores, type Stores } from "#store";
import type { Pulse } from "#watchdog";
import { attemptPlanner } from "./attempt-planner.ts";
import { Attempts } from "./attempts.ts";
import type { Config } from "./config/settings.ts";
import { Consumers } from "./consumers.ts";
import { CRASH_VARIABLES, stalledLoop } from "./crash-point.ts";
import type { Failsafes } from "./failsafes/failsafes.ts";
import type { NodeParts } from "./fleet/node-parts.ts";
import type { NodeStores } from "./fleet/open-node-stores.ts";
import { carryOutOwn } from "./fleet/own-outbox.ts";
import { selfDescription } from "./fleet/self-description.ts";
import { applyKeyPolicies } from "./key-policies.ts";
import { makeQueue } from "./make-queue.ts";
import { Expectations } from "./models/expectations.ts";
import { type NodeModels, openModels } from "./models/open-models.ts";
import { sandboxPlanOf } from "./models/task-plans.ts";
import { Pulses } from "./pulses.ts";
import { type OpenRepositories, openRepositories } from "./repositories/open-repositories.ts";
import { version } from "./version.ts";

export type EngineOptions = {
  readonly config: Config;
  readonly stateDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly crashPoint: (label: string) => void;
  /** How this executable starts a worker, without the worker's folder. */
  readonly workerCommand: readonly string[];
  /** Address of an Ollama that the environment names. */
  readonly ollamaHost: string | null;
  /** Opens the databases by what this node is in a fleet; without it, as one that is alone. */
  readonly open?: () => Promise<Result<NodeStores>>;
  /** What this node tells its hub besides what the engine knows. */
  readonly announceAlso?: () => JsonObject;
  /** What the hub wants of this node beside the queue. */
  readonly obey?: (order: Order) => void;
};

export type Engine = {
  readonly stores: Stores;
  readonly queue: Queue;
  /** The queue where this node writes it; undefined on one that follows a hub. */
  readonly service: QueueService | undefined;
  /** Goals where this node writes them. */
  readonly goals: GoalService | undefined;
  readonly member: NodeStores["member"];
  /** Tasks that ran when the queue started, on whatever node. */
  readonly running: readonly TaskRow[];
  readonly pool: WorkerPool;
  readonly ids: IdFactory;
  readonly nodeId: NodeId;
  readonly consumers: Consumers;
  readonly models: NodeModels;
  readonly attempts: Attempts;
  readonly failsafes: Failsafes;
  /** Logs and large results. */
  readonly parts: NodeParts;
  readonly repositories: OpenRepositories;
  /** What this node tells its hub of itself. */
  readonly describe: () => JsonObject;
  /** How commands are confined here. */
  readonly sandbox: SandboxPlan;
  /** What submissions are completed with. */
  readonly submissionFacts: SubmissionFacts & { readonly defaults: SubmissionDefaults };
  /** Ends what runs and gives its tasks back uncounted, also while a `drain` waits for it. */
  readonly endAttempts: () => Promise<void>;
  /** Its inner loops and when each last came round. */
  readonly pulses: () => readonly Pulse[];
  /** The same of loops that keep their own time. */
  readonly pulsesOf: (turns: Readonly<Record<string, number | undefined>>) => readonly Pulse[];
  readonly stop: (mode: StopMode) => Promise<void>;
};

/**
 * `drain` lets running attempts end, `now` ends them and gives their tasks back uncounted, `leave` leaves the workers
 * to the next node.
 */
export type StopMode = "drain" | "now" | "leave";

/** Budgets end with an hour or a day, which nobody says. */
const LOOK_AGAIN_MS = 30_000;
/** A queue fills by thousands of tasks a second at most, and each submission looks for itself. */
const GUARD_MS = 5_000;
/** Leases last four seconds; a renewal may come three times too late. */
const RENEW_MS = 1_000;

/** Opens the state folder, takes over what an earlier node left, and begins to claim. */
export async function startEngine(options: EngineOptions): Promise<Result<Engine>> {
  const { config, clock, random, logger, crashPoint, stateDir } = options;
  const opened = await (options.open ?? openAlone)();
  if (!opened.ok) return opened;
  const ready = await startOn(opened.value, options);
  if (!ready.ok) await opened.value.stores.close();
  return ready;

  async function openAlone(): Promise<Result<NodeStores>> {
    const backupDir = config["store.backup.dir"];
    const backupFolder = backupDir === "" ? {} : { backupFolder: backupDir };
    const stores = await openStores(stateDir, { clock, logger, random, crashPoint, ...backupFolder });
    return stores.ok ? ok({ stores: stores.value, member: undefined }) : stores;
  }
}

async function startOn({ stores, member }: NodeStores, options: EngineOptions): Promise<Result<Engine>> {
  const { config, clock, random, logger, stateDir, ollamaHost } = options;
  const { nodeId } = stores;
  const sandbox = sandboxPlanOf(config);
  if (!sandbox.ok) return sandbox;
  const known = { stores, sandbox: sandbox.value, passes: () => models.learned.passes };
  const repositories = openRepositories({ ...options, ...known });
  if (!repositories.ok) return repositories;
  const ids = createIdFactory(clock, random);
  let describeNode: () => JsonObject = () => ({});
  const isRunning: Attempts["isRunning"] = (taskId, attempt) => attempts.isRunning(taskId, attempt);
  const here = { stores, member, options, ids, isRunning, repositories: repositories.value.list };
  const made = await makeQueue({ ...here, describeNode: () => describeNode() });
  if (!made.ok) return made;
  const { queue, service, goals, failsafes, parts } = made.value;
  const opened = await openModels({ config, stateDir, stores, queue, clock, random, logger, ollamaHost });
  if (!opened.ok) return opened;
  const models = opened.value;
  const environment = passedOn(config["executor.shell.env"]);
  const attempts = new Attempts({ queue, clock, logger, environment, stateDir, parts });
  const pool = createPool(options, nodeId, attempts);
  const planner = attemptPlanner({ sandbox: sandbox.value, stores, models, logger });
  attempts.connect(pool, planner, repositories.value.workspaces);
  const socket = modelSocket(options, models, pool);
  const expectations = new Expectations(models.plans, models.inference);
  const consumers = createConsumers(options, { queue, nodeId, models, attempts, expectations });
  describeNode = () => ({
    ...describeSelf(nodeOffer(config, nodeId, models), attempts.running().length, models),
    places: consumers.places(),
    expectedSeconds: expectations.seconds(),
    ...options.announceAlso?.(),
  });
  const pulses = new Pulses(clock, config["watchdog.hang_ms"], stalledLoop(process.env));
  const silence = joinUp(pulses, { queue, attempts, models, consumers, failsafes });
  const { endAttempts, stop } = stopping({ stores, queue, pool, consumers, attempts, models, socket, parts }, silence);

  const takenOver = await takeOver({ queue, service, goals, stores, pool, attempts, consumers, socket, nodeId });
  // Those of the hub hold for the whole fleet.
  const prepared = takenOver.ok && member === undefined ? await applyKeyPolicies(queue, config) : takenOver;
  if (!prepared.ok) {
    await stop("leave");
    return prepared;
  }
  consumers.start();
  models.start();
  parts.start();
  return ok({
    stores,
    queue,
    service,
    goals,
    member,
    running: takenOver.ok ? takenOver.value : [],
    pool,
    ids,
    nodeId,
    consumers,
    models,
    attempts,
    failsafes,
    parts,
    repositories: repositories.value,
    describe: describeNode,
    sandbox: sandbox.value,
    submissionFacts: submissionFacts(config, ids),
    endAttempts,
    pulses: () => [...pulses.view(), ...pulses.ofTurns(queue.turns)],
    pulsesOf: (turns) => pulses.ofTurns(turns),
    stop,
  });
}

function modelSocket({ stateDir, logger }: EngineOptions, { inference }: NodeModels, pool: WorkerPool): ModelSocket {
  const path = modelSocketPath(socketPathFor(stateDir));
  return new ModelSocket({ path, model: inference, attemptOf: (token) => pool.attemptOf(token), logger });
}

function describeSelf(offer: NodeOffer, running: number, { ports }: NodeModels): JsonObject {
  return selfDescription({ version, offer, running, endpoints: ports.endpoints(), capacity: ports.capacity() });
}

/** Starts what goes on between the parts. @returns a function that ends it */
function joinUp(
  pulses: Pulses,
  {
    queue,
    attempts,
    models,
    consumers,
    failsafes,
  }: Pick<Engine, "queue" | "attempts" | "models" | "consumers" | "failsafes">,
): () => void {
  const ends = [
    queue.onStop((id, fence) => attempts.stop(id, fence, "cancelled")),
    pulses.repeat("leases", RENEW_MS, () => attempts.renewLeases()),
    models.registry.onChange(() => consumers.modelsChanged()),
    pulses.repeat("offers", LOOK_AGAIN_MS, () => consumers.modelsChanged()),
    pulses.repeat("failsafes", GUARD_MS, () => void failsafes.look()),
  ];
  return () => {
    for (const end of ends) end();
  };
}

function createConsumers(
  { config, logger }: EngineOptions,
  {
    queue,
    nodeId,
    models,
    attempts,
    expectations,
  }: Pick<Engine, "queue" | "nodeId" | "models" | "attempts"> & { readonly expectations: Expectations },
): Consumers {
  return new Consumers({
    queue,
    holder: nodeId,
    logger,
    shellConcurrency: shellConcurrency(config),
    modelConcurrency: config["executor.ollama.concurrency"],
    accepts: (requirements) => {
      const isAccepted = unmetRequirements(requirements, nodeOffer(config, nodeId, models)).length === 0;
      if (isAccepted) expectations.asked(requirements);
      return isAccepted;
    },
    run: (task) => attempts.run(task),
  });
}

type Stoppable = Pick<Engine, "stores" | "queue" | "pool" | "consumers" | "attempts" | "models" | "parts"> & {
  readonly socket: ModelSocket;
};

/** @param silence ends the timers and listeners between the parts */
function stopping(
  { stores, queue, pool, consumers, attempts, models, socket, parts }: Stoppable,
  silence: () => void,
): Pick<Engine, "endAttempts" | "stop"> {
  let ended: Promise<void> | undefined;
  let closed: Promise<void> | undefined;
  const endAll = async (): Promise<void> => {
    void consumers.stop();
    attempts.stopping();
    await pool.stop({ leaveRunning: false });
    attempts.leaveRest();
  };
  const endAttempts = (): Promise<void> => {
    ended ??= endAll();
    return ended;
  };
  const close = async (mode: StopMode): Promise<void> => {
    const drained = consumers.stop();
    if (mode === "now") await endAttempts();
    if (mode !== "leave") await drained;
    await ended;
    await pool.stop({ leaveRunning: true });
    attempts.leaveRest();
    silence();
    await socket.close();
    await models.stop();
    parts.stop();
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
    // For each attempt anew, here and below: settings of the fleet change while the node runs.
    get limits() {
      return {
        wallMs: config["limits.wall_time_ms"],
        outputBytes: config["executor.shell.output_bytes"],
        orphanMs: config["limits.orphan_ms"],
      };
    },
  });
}

type Parts = Pick<Engine, "service" | "goals" | "stores" | "queue" | "pool" | "consumers" | "nodeId" | "attempts"> & {
  readonly socket: ModelSocket;
};

/** Adopts live workers, applies results that wait on disk, and offers everything else of this node again. */
async function takeOver({
  queue,
  service,
  goals,
  stores,
  pool,
  attempts,
  consumers,
  socket,
  nodeId,
}: Parts): Promise<Result<readonly TaskRow[]>> {
  const discovered = stores.quarantine.discover();
  if (!discovered.ok) return discovered;
  const running = await queue.start();
  if (!running.ok) return running;
  // Of a fleet that this node left, nothing is carried into its own queue.
  const isSuccessor = service !== undefined && stores.fleetNodes.hub()?.node === nodeId;
  const told = isSuccessor ? await carryOutOwn(stores.outbox, service, nodeId, goals) : ok(new Set<TaskId>());
  if (!told.ok) return told;
  const listening = await pool.start();
  if (!listening.ok) return listening;
  // After the pool: that no other node lives on this folder is seen at its socket.
  const answering = socket.listen();
  if (!answering.ok) return answering;
  const adoption = await pool.adoptAll();
  const found = [...adoption.adopted, ...adoption.finished, ...adoption.lost];
  // Those that ended, too: one that cannot be recorded yet keeps its lease until it is.
  for (const ref of found) consumers.adopt(ref.executor, attempts.answered(ref));
  const known = new Set(found.map((ref) => `${ref.taskId} ${ref.fence.n}`));
  for (const row of running.value) {
    // Asked for while the node before this one ended: its worker may not have heard of it.
    if (row.cancelRequested) attempts.stop(row.id, fenceOf(row), "cancelled");
    if (row.holder !== nodeId || known.has(`${row.id} ${row.fenceN}`) || told.value.has(row.id)) continue;
    // It ended while this node was the hub, and that is to be sent to the new one.
    const ended = await stores.quarantine.hasEnded(row.id, fenceOf(row));
    if (!ended.ok) return ended;
    if (ended.value) continue;
    const reason = "the node stopped before it had started a worker";
    const receipt = await queue.release(row.id, fenceOf(row), reason);
    if (!receipt.ok) return receipt;
  }
  return running;
}

/** What this node can carry out at this moment; endpoints come and go. */
export function nodeOffer(config: Config, nodeId: NodeId, models: Pick<NodeModels, "offer">): NodeOffer {
  return { node: nodeId, name: config["node.name"], labels: config["node.labels"], ...models.offer() };
}

function submissionFacts(config: Config, ids: IdFactory): Engine["submissionFacts"] {
  return {
    ids,
    executors: EXECUTORS,
    get defaults() {
      return {
        maxAttempts: config["limits.attempts"],
        retryBaseMs: config["limits.retry_base_ms"],
        retryMaxMs: config["limits.retry_max_ms"],
      };
    },
  };
}

export function shellConcurrency(config: Config): number {
  const asked = config["executor.shell.concurrency"];
  return asked > 0 ? asked : availableParallelism();
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
