import { ok, type Result, type TaskId } from "#base";
import { accepted, type NewTask, type QueueStore, type TaskRecord } from "#queue";
import type { Outbox } from "./ports.ts";

/** Submissions of the outbox that a lookup goes through. */
const MAX_LOOKED = 1_000;

/**
 * A member's view of the queue: its replica, and those tasks that it accepted and the replica does not show yet: because
 * the hub does not have them, or because the replica is behind what the hub has answered. They are shown as waiting; lists and counts leave them out.
 */
export function memberStore(replica: QueueStore, outbox: Outbox): QueueStore {
  const findMany = async (ids: readonly TaskId[]): Promise<Result<readonly TaskRecord[]>> => {
    const found = await replica.findMany(ids);
    if (!found.ok || found.value.length === ids.length) return found;
    const rows = outbox.unshown(MAX_LOOKED);
    if (!rows.ok) return rows;
    const pending = new Map(
      rows.value.flatMap(({ command }) =>
        command.kind === "submit" ? command.args.tasks.map((task) => [task.id, task] as const) : [],
      ),
    );
    const known = new Map(found.value.map((record) => [record.row.id, record]));
    return ok(
      ids.flatMap((id) => {
        const record = known.get(id);
        if (record !== undefined) return [record];
        const task = pending.get(id);
        return task === undefined ? [] : [pendingRecord(task)];
      }),
    );
  };
  return {
    transact: (label, command) => replica.transact(label, command),
    subscribe: (listener) => replica.subscribe(listener),
    find: async (id) => {
      const found = await findMany([id]);
      return found.ok ? ok(found.value[0]) : found;
    },
    findMany,
    list: (filter, limit, cursor) => replica.list(filter, limit, cursor),
    events: (afterSeq, limit, taskId) => replica.events(afterSeq, limit, taskId),
    eventRange: () => replica.eventRange(),
    lanes: () => replica.lanes(),
    keys: (limit) => replica.keys(limit),
    schedules: (limit) => replica.schedules(limit),
    recentAttempts: (sinceMs, limit) => replica.recentAttempts(sinceMs, limit),
    costs: (query) => replica.costs(query),
    prune: (before, limit) => replica.prune(before, limit),
    isPaused: () => replica.isPaused(),
    requirements: (limit) => replica.requirements(limit),
  };
}

/** As the hub will first have it; it waits for the hub, which no field says. */
function pendingRecord(task: NewTask): TaskRecord {
  const row = accepted(task, 0, task.dependsOn.length, createdAtMs(task.id));
  return { row, body: task.body, labels: task.labels, dependsOn: task.dependsOn, attempts: [] };
}

const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";

/** An id begins with its time: after the prefix, ten digits of five bits. */
function createdAtMs(id: TaskId): number {
  let ms = 0;
  for (const digit of id.slice(2, 12)) ms = ms * 32 + DIGITS.indexOf(digit);
  return ms;
}
