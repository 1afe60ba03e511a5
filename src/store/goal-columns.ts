import { canonicalJson, type GoalId, type JsonObject, type TaskId } from "#base";
import { type Goal, type GoalEvent, type GoalOrder, type GoalTask, orderText } from "#goals";
import { LANES } from "#queue";
import { number, type SqlRow, type SqlValue, text, textOrNull } from "./connection.ts";

export const GOAL_COLUMNS = [
  "id",
  "state",
  "priority",
  "revision",
  "idempotency_key",
  "definition",
  "round",
  "asks",
  "paused",
  "reason_code",
  "reason",
  "tokens",
  "cost_microdollars",
  "progress",
  "created_at_ms",
  "started_at_ms",
  "ended_at_ms",
] as const;

type Progress = Pick<Goal, "home" | "planBy" | "verdict" | "delivery" | "deliveryTries">;

export function goalValues(goal: Goal): readonly SqlValue[] {
  const { home, planBy, verdict, delivery, deliveryTries } = goal;
  const progress: Progress = { home, planBy, verdict, delivery, deliveryTries };
  return [
    goal.id,
    goal.state,
    LANES.indexOf(goal.order.priority),
    goal.revision,
    goal.order.idempotencyKey,
    orderText(goal.order),
    goal.round,
    goal.asks,
    goal.paused,
    goal.reason?.code ?? null,
    goal.reason?.text ?? null,
    goal.spent.tokens,
    goal.spent.costMicrodollars,
    canonicalJson(progress),
    goal.createdAtMs,
    goal.startedAtMs,
    goal.endedAtMs,
  ];
}

/** `as`, in all of these: the CHECKs of the tables say which words there are, and the rest was written by the functions here. */
export function goalOf(row: SqlRow): Goal {
  const code = textOrNull(row, 9);
  const progress = JSON.parse(text(row, 13)) as Progress;
  return {
    id: text(row, 0) as GoalId,
    state: text(row, 1) as Goal["state"],
    revision: number(row, 3),
    order: JSON.parse(text(row, 5)) as GoalOrder,
    round: number(row, 6),
    asks: number(row, 7),
    paused: textOrNull(row, 8),
    reason: code === null ? null : { code: code as NonNullable<Goal["reason"]>["code"], text: text(row, 10) },
    spent: { tokens: number(row, 11), costMicrodollars: number(row, 12) },
    ...progress,
    createdAtMs: number(row, 14),
    startedAtMs: row[15] === null ? null : number(row, 15),
    endedAtMs: row[16] === null ? null : number(row, 16),
  };
}

export const GOAL_TASK_COLUMNS = [
  "goal_id",
  "n",
  "kind",
  "round",
  "key",
  "title",
  "body",
  "depends_on",
  "state",
  "tries",
  "task_id",
  "reply",
  "error",
  "tokens",
  "cost_microdollars",
] as const;

export function goalTaskValues(task: GoalTask): readonly SqlValue[] {
  return [
    task.goalId,
    task.n,
    task.kind,
    task.round,
    task.key,
    task.title,
    task.body,
    JSON.stringify(task.dependsOn),
    task.state,
    task.tries,
    task.taskId,
    task.reply,
    task.error,
    task.spent.tokens,
    task.spent.costMicrodollars,
  ];
}

export function goalTaskOf(row: SqlRow): GoalTask {
  return {
    goalId: text(row, 0) as GoalId,
    n: number(row, 1),
    kind: text(row, 2) as GoalTask["kind"],
    round: number(row, 3),
    key: text(row, 4),
    title: text(row, 5),
    body: text(row, 6),
    dependsOn: JSON.parse(text(row, 7)) as readonly number[],
    state: text(row, 8) as GoalTask["state"],
    tries: number(row, 9),
    taskId: textOrNull(row, 10) as TaskId | null,
    reply: textOrNull(row, 11),
    error: textOrNull(row, 12),
    spent: { tokens: number(row, 13), costMicrodollars: number(row, 14) },
  };
}

export function goalEventOf(row: SqlRow): GoalEvent {
  return {
    seq: number(row, 0),
    atMs: number(row, 1),
    kind: text(row, 2),
    data: JSON.parse(text(row, 3)) as JsonObject,
  };
}
