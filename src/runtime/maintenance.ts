import { type Clock, describeFailure, type Logger, ok, type Result, type TaskId, type Timer } from "#base";
import { ownWorkspaces, removeCheckpoint, removeWorkspace } from "#execution";
import type { PruneBefore, Queue } from "#queue";
import { type Stores, scheduleBackups } from "#store";
import type { Config } from "./config/settings.ts";
import type { Failsafes } from "./failsafes/failsafes.ts";
import type { NodeParts } from "./fleet/node-parts.ts";
import { removeFoldersOfRemovedGoals } from "./goals/goal-folders.ts";
import type { RepositoryWorkspaces } from "./repositories/attempt-workspaces.ts";

/** Rows removed by one transaction; while more are left the next one follows soon. */
const PRUNE_ROWS = 1_000;
/** Each with its tasks and events. */
const PRUNE_GOALS = 50;
/** Of findings that are gone, of questions that were answered and of tries that ended, each. */
const PRUNE_IMPROVEMENTS = 500;
/** What failed or was done decides for months what is tried again; what was taken back is never forgotten. */
const KEEP_IMPROVEMENTS_MS = 180 * 24 * 3_600_000;
const PRUNE_SOON_MS = 50;
const PRUNE_EVERY_MS = 60_000;
/** So much of their time ended tasks and events are kept while the disk is low. */
const LOW_DISK_SHARE = 0.25;
/** Longer than a command may wait in the outbox of a node that was away, so that none is ever carried out twice. */
const KEEP_COMMANDS_MS = 30 * 24 * 3_600_000;

/** Rounds of one pruning that somebody waits for; what is left follows by itself. */
const MAX_ROUNDS = 20;

export type Maintenance = {
  readonly stop: () => void;
  /** Removes what can be done without now, as while the disk is low. @returns rows that were removed */
  readonly pruneNow: () => Promise<Result<number>>;
};

type MaintenanceParts = {
  readonly stores: Stores;
  /** Undefined where this node writes no queue of its own. */
  readonly service?: unknown;
  readonly queue: Queue;
  readonly stateDir: string;
  readonly failsafes: Pick<Failsafes, "isDiskLow">;
  /** Absent where nothing of the kind is kept. */
  readonly parts?: Pick<NodeParts, "collect">;
  /** Absent where no repository is worked on. */
  readonly repositories?: { readonly workspaces: Pick<RepositoryWorkspaces, "tend"> };
  readonly clock: Clock;
  readonly logger: Logger;
};

/** What a node does beside its work so that it can run for months: retention, journal, backups. */
export function startMaintenance(parts: MaintenanceParts, config: Config): Maintenance {
  const { stores, clock, logger } = parts;
  let timer: Timer | undefined;
  let isStopped = false;
  let lookedAtUpTo: TaskId | undefined;

  /** An exception is a bug; it must not end retention for as long as the node runs. */
  const pruneAgain = async (): Promise<void> => {
    let isMoreLeft = false;
    try {
      isMoreLeft = await removeOld(parts, config);
      lookedAtUpTo = await removeWorkspacesOfRemovedTasks(parts, lookedAtUpTo);
      await tidyUp(parts);
    } catch (cause) {
      logger.error("retention failed by a bug", { cause: String(cause) });
    } finally {
      later(isMoreLeft ? PRUNE_SOON_MS : PRUNE_EVERY_MS);
    }
  };
  const later = (delayMs: number): void => {
    if (!isStopped) timer = clock.after(delayMs, () => void pruneAgain());
  };
  later(PRUNE_EVERY_MS);

  const everyMs = config["store.backup.every_ms"];
  const stopBackups =
    everyMs > 0
      ? scheduleBackups(stores.backups, { clock, logger, everyMs, keep: config["store.backup.keep"] })
      : () => undefined;
  return {
    stop: () => {
      isStopped = true;
      timer?.cancel();
      stopBackups();
    },
    pruneNow: async () => {
      const removed = await inRounds(() => removeRows(parts, config, LOW_DISK_SHARE));
      await parts.parts?.collect();
      return removed;
    },
  };
}

function removeRows({ queue, clock }: MaintenanceParts, config: Config, share: number): Promise<Result<number>> {
  return queue.store.prune(oldRows(config, clock.nowMs(), share), PRUNE_ROWS);
}

/** @returns whether more is left. */
async function removeOld(parts: MaintenanceParts, config: Config): Promise<boolean> {
  const { stores, clock, logger } = parts;
  const nowMs = clock.nowMs();
  const removed = await removeRows(parts, config, parts.failsafes.isDiskLow ? LOW_DISK_SHARE : 1);
  if (!removed.ok) logger.warn("retention could not remove old rows", { failure: describeFailure(removed.error) });
  const forgotten = await stores.models.prune(
    { usageMs: nowMs - config["queue.keep_usage_ms"], decisionsMs: nowMs - config["queue.keep_dead_ms"] },
    PRUNE_ROWS,
  );
  if (!forgotten.ok) logger.warn("retention could not remove old usage", { failure: describeFailure(forgotten.error) });
  if (parts.service !== undefined) {
    await pruneGoals(parts, nowMs - config["goals.keep_ms"]);
    const improved = await stores.improvements.prune(nowMs - KEEP_IMPROVEMENTS_MS, PRUNE_IMPROVEMENTS);
    if (!improved.ok)
      logger.warn("retention could not remove old findings", { failure: describeFailure(improved.error) });
  }
  return Math.max(removed.ok ? removed.value : 0, forgotten.ok ? forgotten.value : 0) >= PRUNE_ROWS;
}

async function tidyUp({ stores, repositories, parts, logger }: MaintenanceParts): Promise<void> {
  await repositories?.workspaces.tend();
  await parts?.collect();
  const flushed = stores.checkpoint();
  if (!flushed.ok) logger.warn("the journal could not be written back", { failure: describeFailure(flushed.error) });
}

async function pruneGoals(
  { stores, stateDir, logger }: { readonly stores: Stores; readonly stateDir: string; readonly logger: Logger },
  beforeMs: number,
): Promise<void> {
  const removed = await stores.goals.prune(beforeMs, PRUNE_GOALS);
  if (!removed.ok) logger.warn("retention could not remove old goals", { failure: describeFailure(removed.error) });
  await removeFoldersOfRemovedGoals(stateDir, stores.goals);
}

/** What can be done without goes earlier. Dead letters wait for a person, and a forgotten key would repeat a task. */
function oldRows(config: Config, nowMs: number, share: number): PruneBefore {
  return {
    endedTasksMs: nowMs - Math.floor(config["queue.keep_done_ms"] * share),
    deadLettersMs: nowMs - config["queue.keep_dead_ms"],
    eventsMs: nowMs - Math.floor(config["queue.keep_events_ms"] * share),
    idempotencyMs: nowMs - config["queue.keep_idempotency_ms"],
    commandsMs: nowMs - KEEP_COMMANDS_MS,
  };
}

async function inRounds(remove: () => Promise<Result<number>>): Promise<Result<number>> {
  let sum = 0;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const removed = await remove();
    if (!removed.ok) return removed;
    sum += removed.value;
    if (removed.value < PRUNE_ROWS) break;
  }
  return ok(sum);
}

/**
 * A task's workspace stays as long as the task can be looked at: it holds what the task made.
 * @returns where the next round goes on; undefined for the beginning
 */
async function removeWorkspacesOfRemovedTasks(
  parts: { readonly queue: Queue; readonly stateDir: string; readonly clock: Clock; readonly logger: Logger },
  after: TaskId | undefined,
): Promise<TaskId | undefined> {
  const own = ownWorkspaces(parts.stateDir, after);
  if (own.length === 0) return undefined;
  const records = await parts.queue.store.findMany(own.map(({ taskId }) => taskId));
  if (!records.ok) return after; // the store says so itself; the next round looks again
  const known = new Set(records.value.map(({ row }) => row.id));
  for (const { taskId, plan } of own) {
    if (known.has(taskId)) continue;
    try {
      const removed = await removeWorkspace(plan, parts.clock);
      removeCheckpoint(parts.stateDir, taskId);
      if (removed.ok) continue;
      parts.logger.warn("a workspace could not be removed", { failure: describeFailure(removed.error) });
    } catch (cause) {
      parts.logger.error("the removal of a workspace failed by a bug", { path: plan.path, cause: String(cause) });
    }
  }
  return own.at(-1)?.taskId;
}
