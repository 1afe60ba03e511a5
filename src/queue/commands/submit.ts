import { err, type Failure, MAX_DEPENDENTS, MAX_OPEN_TASKS, ok, type Result, refused, type TaskId } from "#base";
import { type CommandContext, insert, placed, record } from "../ledger.ts";
import type { QueueTransaction } from "../ports.ts";
import { LANES, type NewTask, type TaskRow } from "../task.ts";
import { accepted } from "../transition.ts";

export type Receipt = {
  readonly id: TaskId;
  /** False when the idempotency key named a task that was there already. */
  readonly created: boolean;
};

/** How many tasks may be open. */
export type OpenLimits = {
  readonly maxOpenTasks: number;
  /** For tasks of the lanes low and background; by default as for the others. */
  readonly lowLaneTasks?: number;
  /** Told when tasks of those lanes are refused for that. */
  readonly lowLanesRefused?: () => void;
};

const LOW_LANE = LANES.indexOf("low");

/**
 * Accepts all tasks or none. Dependencies may name tasks of the store or of the same batch, in any order, as long as
 * they form no cycle.
 *
 * @param mayRepeat of another node: it may have sent the same tasks before, under another command, by way of a hub that
 *   was superseded; those that are there are a repetition (Q8). A node's own are new, and not looked for.
 */
export function submit(
  tx: QueueTransaction,
  context: CommandContext,
  tasks: readonly NewTask[],
  limits: OpenLimits = { maxOpenTasks: MAX_OPEN_TASKS },
  mayRepeat = false,
): Result<readonly Receipt[]> {
  const there = new Set(mayRepeat ? tasks.map(({ id }) => id).filter((id) => tx.task(id) !== undefined) : []);
  if (there.size === 0 && tasks.every(standsAlone)) return submitAlone(tx, context, tasks, limits);
  const known = recognise(tx, tasks);
  if (!known.ok) return known;
  const fresh = tasks.filter((task) => known.value.get(task.id) === task.id && !there.has(task.id));
  const full = refuseWhenFull(tx, fresh, limits);
  if (full !== undefined) return err(full);
  const checked = checkDependencies(tx, fresh, known.value);
  if (!checked.ok) return checked;

  for (const entry of checked.value) accept(tx, context, entry);
  for (const { task } of checked.value) settleKnown(tx, task.id, task.dependsOn);
  return ok(
    tasks.map((task) => {
      const id = known.value.get(task.id) ?? task.id;
      return { id, created: id === task.id && !there.has(id) };
    }),
  );
}

/** Most tasks neither repeat another nor depend on one; for them there is nothing to look up. */
function standsAlone(task: NewTask): boolean {
  return task.idempotencyKey === null && task.dependsOn.length === 0;
}

function submitAlone(
  tx: QueueTransaction,
  context: CommandContext,
  tasks: readonly NewTask[],
  limits: OpenLimits,
): Result<readonly Receipt[]> {
  const full = refuseWhenFull(tx, tasks, limits);
  if (full !== undefined) return err(full);
  for (const task of tasks) accept(tx, context, { task, open: 0 });
  return ok(tasks.map(({ id }) => ({ id, created: true })));
}

function accept(tx: QueueTransaction, context: CommandContext, { task, open }: Checked): void {
  let row: TaskRow = accepted(task, tx.classId(task.requirements), open, context.nowMs);
  if (open === 0 && row.wakeAtMs === null) row = placed(tx, context, row);
  insert(tx, row, task);
  if (task.idempotencyKey !== null) tx.putIdempotency(task.idempotencyKey, task.id, task.bodyHash, context.nowMs);
  record(tx, context, "task.submitted", row, { state: row.state, lane: LANES[row.lane] ?? row.lane });
}

/** Maps each task of the batch to itself, or to the task that its idempotency key already names (Q10). */
function recognise(tx: QueueTransaction, tasks: readonly NewTask[]): Result<ReadonlyMap<TaskId, TaskId>> {
  const ids = new Map<TaskId, TaskId>();
  const inBatch = new Map<string, { taskId: TaskId; bodyHash: string }>();
  for (const task of tasks) {
    ids.set(task.id, task.id);
    if (task.idempotencyKey === null) continue;
    const earlier = inBatch.get(task.idempotencyKey) ?? tx.idempotent(task.idempotencyKey);
    if (earlier === undefined) {
      inBatch.set(task.idempotencyKey, { taskId: task.id, bodyHash: task.bodyHash });
    } else if (earlier.bodyHash === task.bodyHash) {
      ids.set(task.id, earlier.taskId);
    } else {
      return err(
        refused(
          "conflict",
          `idempotency key "${task.idempotencyKey}" already names task ${earlier.taskId} with another body`,
          "Send the same body to repeat that submission, or choose a new key",
        ),
      );
    }
  }
  return ok(ids);
}

function refuseWhenFull(tx: QueueTransaction, fresh: readonly NewTask[], limits: OpenLimits): Failure | undefined {
  const { maxOpenTasks, lowLaneTasks = maxOpenTasks, lowLanesRefused } = limits;
  const adding = fresh.length;
  const open = LANES.reduce((sum, _lane, index) => {
    const { counts } = tx.lane(index);
    return sum + counts.waiting + counts.ready + counts.running;
  }, 0);
  if (adding === 0) return undefined;
  if (open + adding <= maxOpenTasks) {
    if (open + adding <= lowLaneTasks || fresh.every(({ lane }) => lane < LOW_LANE)) return undefined;
    lowLanesRefused?.();
    return refused(
      "limit",
      `the queue holds ${open} tasks that have not ended, and the lanes low and background take no more of them`,
      "Wait until some have ended, choose the lane normal, or let them in: drover breakers reset queue",
    );
  }
  return refused(
    "limit",
    `the queue holds ${open} tasks that have not ended and takes at most ${maxOpenTasks}`,
    "Wait until some have ended, or cancel some",
  );
}

/** `task` names each dependency once, by the id it has in the store; `open` of them are not satisfied yet. */
type Checked = { readonly task: NewTask; readonly open: number };

function checkDependencies(
  tx: QueueTransaction,
  fresh: readonly NewTask[],
  known: ReadonlyMap<TaskId, TaskId>,
): Result<readonly Checked[]> {
  // Repetitions stand for the task they repeat, also on the way round a circle.
  const batch = new Map<TaskId, NewTask>(
    fresh.map((task) => [
      task.id,
      { ...task, dependsOn: [...new Set(task.dependsOn.map((id) => known.get(id) ?? id))] },
    ]),
  );
  const cycle = findCycle(batch);
  if (cycle !== undefined) {
    return err(
      refused(
        "invalid",
        `tasks depend on each other in a circle: ${cycle.join(" → ")}`,
        "Remove one of these dependencies",
      ),
    );
  }
  const checked: Checked[] = [];
  const openDependents = new Map<TaskId, number>();
  for (const task of batch.values()) {
    let open = 0;
    for (const id of task.dependsOn) {
      if (!batch.has(id)) {
        const fault = dependencyFault(tx, task, id);
        if (fault !== undefined) return err(fault);
        if (isSatisfied(tx.task(id), task)) continue;
      }
      open += 1;
      const count = (openDependents.get(id) ?? tx.dependents(id, true, MAX_DEPENDENTS).length) + 1;
      if (count > MAX_DEPENDENTS) return err(tooManyDependents(id));
      openDependents.set(id, count);
    }
    checked.push({ task, open });
  }
  return ok(checked);
}

function tooManyDependents(id: TaskId): Failure {
  return refused(
    "limit",
    `task ${id} would have more than ${MAX_DEPENDENTS} dependents`,
    "Depend on an intermediate task instead",
  );
}

function dependencyFault(tx: QueueTransaction, task: NewTask, id: TaskId): Failure | undefined {
  const dependency = tx.task(id);
  if (dependency === undefined) {
    return refused(
      "invalid",
      `depends on task ${id}, which does not exist`,
      "Submit it first; ids of pruned tasks are gone",
    );
  }
  if (task.dependencyPolicy === "fail" && (dependency.state === "dead" || dependency.state === "cancelled")) {
    return refused(
      "conflict",
      `depends on task ${id}, which is ${dependency.state}`,
      `Redrive it first (drover task retry ${id}), or submit with onDependencyFailure "wait" or "ignore"`,
    );
  }
  return undefined;
}

function isSatisfied(dependency: TaskRow | undefined, task: NewTask): boolean {
  if (dependency === undefined) return false;
  if (dependency.state === "done") return true;
  return task.dependencyPolicy === "ignore" && (dependency.state === "dead" || dependency.state === "cancelled");
}

/** Dependency rows start open; those that are satisfied already are marked. */
function settleKnown(tx: QueueTransaction, id: TaskId, dependsOn: readonly TaskId[]): void {
  if (dependsOn.length === 0) return;
  const policy = tx.task(id)?.dependencyPolicy;
  for (const dependency of dependsOn) {
    const state = tx.task(dependency)?.state;
    const over = state === "done" || (policy === "ignore" && (state === "dead" || state === "cancelled"));
    if (over) tx.setDependency(id, dependency, true);
  }
}

/** @returns the ids of one cycle within the batch, the first repeated at the end; undefined when there is none. */
export function findCycle(batch: ReadonlyMap<TaskId, NewTask>): readonly TaskId[] | undefined {
  const finished = new Set<TaskId>();
  for (const start of batch.keys()) {
    const path: TaskId[] = [];
    const onPath = new Set<TaskId>();
    const stack: { id: TaskId; next: number }[] = [{ id: start, next: 0 }];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (top.next === 0 && !finished.has(top.id)) {
        path.push(top.id);
        onPath.add(top.id);
      }
      const dependencies = finished.has(top.id) ? [] : (batch.get(top.id)?.dependsOn ?? []);
      const dependency = dependencies[top.next];
      top.next += 1;
      if (dependency === undefined) {
        stack.pop();
        if (path.at(-1) === top.id) path.pop();
        onPath.delete(top.id);
        finished.add(top.id);
      } else if (onPath.has(dependency)) {
        return [...path.slice(path.indexOf(dependency)), dependency];
      } else if (batch.has(dependency) && !finished.has(dependency)) {
        stack.push({ id: dependency, next: 0 });
      }
    }
  }
  return undefined;
}
