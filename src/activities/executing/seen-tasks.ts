import { describeFailure, type JsonObject, type JsonValue, type TaskId } from "#base";
import type { GoalTask, SeenTask, Spent } from "#goals";
import { type AttemptRow, hasEnded, type TaskRecord } from "#queue";
import type { ExecutingParts } from "./ports.ts";

type Parts = Pick<ExecutingParts, "queue" | "wholeReply">;

/** Looks at the tasks of a goal that are in the queue. Undefined: the store could not be read; try again later. */
export async function lookAt(
  tasks: readonly GoalTask[],
  parts: Parts,
): Promise<ReadonlyMap<TaskId, SeenTask> | undefined> {
  const open = tasks.flatMap(({ state, taskId }) => (state === "open" && taskId !== null ? [taskId] : []));
  if (open.length === 0) return new Map();
  const records = await parts.queue.store.findMany(open);
  if (!records.ok) return undefined;
  const seen = new Map<TaskId, SeenTask>();
  for (const record of records.value) {
    const one = await seenTask(record, tasks, parts);
    if (one === undefined) return undefined;
    seen.set(record.row.id, one);
  }
  return seen;
}

async function seenTask(
  record: TaskRecord,
  tasks: readonly GoalTask[],
  { wholeReply }: Parts,
): Promise<SeenTask | undefined> {
  const { row, attempts } = record;
  const last = attempts.at(-1);
  const kind = tasks.find(({ taskId }) => taskId === row.id)?.kind;
  const wantsReply = kind === "plan" || kind === "judge";
  let reply: string | null = null;
  let unread: string | null = null;
  if (wantsReply && hasEnded(row) && last !== undefined) {
    reply = lastWords(last);
    if (last.result?.["whole"] !== undefined) {
      const whole = await wholeReply(row.id, last.n);
      if (whole.ok) reply = whole.value ?? reply;
      else if (whole.error.kind === "retryable") return undefined;
      else unread = describeFailure(whole.error);
    }
  }
  return { state: row.state, reply, error: unread ?? errorOf(record, last), spent: spentOf(attempts) };
}

function errorOf({ row }: TaskRecord, last: AttemptRow | undefined): string | null {
  if (row.state === "done") return null;
  const detail = last?.report?.["checks"];
  const failed = Array.isArray(detail) ? detail.flatMap(failedCheck) : [];
  const said = row.reason?.code === "dependency" ? row.reason.text : (last?.error ?? row.reason?.text ?? null);
  return said === null ? null : [said, ...failed].join("\n");
}

/** What a check printed says more than that it failed. */
function failedCheck(check: JsonValue): readonly string[] {
  if (typeof check !== "object" || check === null || Array.isArray(check)) return [];
  const { passed, detail } = check as JsonObject; // `as`: an object of JSON that is no array
  return passed === false && typeof detail === "string" && detail.trim() !== "" ? [detail.trim()] : [];
}

/** @returns what the model said last, of a result as the queue keeps it. */
export function lastWords({ result }: Pick<AttemptRow, "result">): string | null {
  const model = result?.["model"];
  if (typeof model !== "object" || model === null || Array.isArray(model)) return null;
  const { lastWords: words } = model as JsonObject; // `as`: an object of JSON that is no array
  return typeof words === "string" ? words : null;
}

function spentOf(attempts: readonly AttemptRow[]): Spent {
  return {
    tokens: attempts.reduce((sum, { tokens }) => sum + tokens, 0),
    costMicrodollars: attempts.reduce((sum, { costMicrodollars }) => sum + costMicrodollars, 0),
  };
}
