import { type NodeId, ok, type Result, type TaskId } from "#base";
import { type OwnEvent, type Resend, TELLING_EVENTS } from "#fleet";
import type { AttemptReport, DependencyPolicy, NewTask, QueueEventKind, TaskState } from "#queue";
import { number, numberOrNull, type SqlRow, type SqlValue, text, textOrNull } from "../connection.ts";
import { LongReader } from "../long-reader.ts";
import { ATTEMPT_COLUMNS, toAttemptRow } from "../queue-columns.ts";
import { TAKEOVER } from "../takeovers.ts";

/** A page of events is read within milliseconds; one of tasks holds their whole submissions. */
export const PAGE_EVENTS = 500;

export type QuarantinedFacts = {
  readonly uuid: string;
  readonly epoch: number;
  /** By epoch: the last event that its hub found when it took over. */
  readonly takeovers: ReadonlyMap<number, number>;
};

const AMONG = "(SELECT value FROM json_each(?))";

/** That a schedule fired is told right after the submission that came of it. */
const EVENTS = `SELECT e.seq, e.at_ms, e.kind, e.task_id, t.state, a.n, a.node,
    e.kind = 'task.submitted' AND EXISTS (SELECT 1 FROM event f
      WHERE f.seq = e.seq + 1 AND f.kind = 'schedule.fired' AND json_extract(f.data, '$.taskId') = e.task_id)
  FROM event e
  LEFT JOIN task t ON t.id = e.task_id
  LEFT JOIN attempt a ON a.task_id = e.task_id AND a.n = json_extract(e.data, '$.attempt')
  WHERE e.seq > ? AND e.kind IN ${AMONG} ORDER BY e.seq LIMIT ${PAGE_EVENTS}`;

const TASKS = `SELECT t.id, t.lane, t.key, c.requirements, t.dependency_policy, t.wake_at_ms, t.wake_reason,
    t.max_attempts, t.retry_base_ms, t.retry_max_ms, i.key, i.body_hash, s.body,
    (SELECT json_group_array(d.depends_on) FROM dependency d WHERE d.task_id = t.id)
  FROM task t
  JOIN task_class c ON c.id = t.class_id
  JOIN submission s ON s.task_id = t.id
  LEFT JOIN idempotency i ON i.at_ms = t.created_at_ms AND i.task_id = t.id
  WHERE t.id IN ${AMONG}`;

const ATTEMPTS = `SELECT ${ATTEMPT_COLUMNS.map((column) => `a.${column}`).join(", ")},
    t.state = 'dead' AND t.reason_code = 'terminal' AND t.attempts = a.n
  FROM attempt a LEFT JOIN task t ON t.id = a.task_id
  WHERE a.task_id IN ${AMONG}`;

/** The database of a hub that was superseded, read by a thread of its own. */
export class QuarantinedDatabase {
  readonly #reader: LongReader;

  constructor(path: string) {
    this.#reader = new LongReader(path);
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  async facts(): Promise<Result<QuarantinedFacts>> {
    const notes = await this.#all("SELECT name, value FROM meta", []);
    if (!notes.ok) return notes;
    const commits = await this.#all("SELECT epoch FROM fleet_commit", []);
    if (!commits.ok) return commits;
    const meta = new Map(notes.value.map((row) => [text(row, 0), text(row, 1)]));
    const written = commits.value.map((row) => number(row, 0));
    return ok({
      uuid: meta.get("uuid") ?? "",
      epoch: Math.max(Number(meta.get("epoch") ?? 1), ...written),
      takeovers: takeoversIn(notes.value),
    });
  }

  /** @returns up to {@link PAGE_EVENTS} of those that tell of something to be sent or shown. */
  async events(afterSeq: number): Promise<Result<readonly Omit<OwnEvent, "isOwnTask">[]>> {
    const rows = await this.#all(EVENTS, [afterSeq, JSON.stringify(TELLING_EVENTS)]);
    return rows.ok ? ok(rows.value.map(toOwnEvent)) : rows;
  }

  async submissions(ids: readonly TaskId[]): Promise<Result<ReadonlyMap<TaskId, Resend>>> {
    const wanted = JSON.stringify(ids);
    const tasks = await this.#all(TASKS, [wanted]);
    if (!tasks.ok) return tasks;
    const sql = `SELECT task_id, name, value FROM task_label WHERE task_id IN ${AMONG}`;
    const labels = await this.#all(sql, [wanted]);
    if (!labels.ok) return labels;
    return ok(
      new Map(
        tasks.value.map((row) => {
          const id = text(row, 0) as TaskId; // `as`: written from one, here and below
          const own = labels.value.filter((label) => text(label, 0) === id);
          const task = toNewTask(row, Object.fromEntries(own.map((label) => [text(label, 1), text(label, 2)])));
          return [id, { kind: "submit", task }];
        }),
      ),
    );
  }

  /** By task and number of the attempt, as {@link attemptName} writes it. */
  async completions(ids: readonly TaskId[]): Promise<Result<ReadonlyMap<string, Resend>>> {
    const rows = await this.#all(ATTEMPTS, [JSON.stringify(ids)]);
    if (!rows.ok) return rows;
    return ok(
      new Map(
        rows.value.map((row) => {
          const { taskId, n, fenceEpoch, fenceN, ...attempt } = toAttemptRow(row);
          const report: AttemptReport = {
            outcome: attempt.outcome,
            consequence: row[ATTEMPT_COLUMNS.length] === 1 ? "terminal" : "retryable",
            executor: attempt.executor,
            endpoint: attempt.endpoint,
            model: attempt.model,
            durationMs: attempt.durationMs,
            tokens: attempt.tokens,
            costMicrodollars: attempt.costMicrodollars,
            error: attempt.error,
            report: attempt.report,
            result: attempt.result,
          };
          const fence = { epoch: fenceEpoch, n: fenceN };
          return [attemptName(taskId, n), { kind: "finish", taskId, fence, report }];
        }),
      ),
    );
  }

  async hasAttempt(taskId: TaskId, fence: { readonly epoch: number; readonly n: number }): Promise<Result<boolean>> {
    const sql = "SELECT 1 FROM attempt WHERE task_id = ? AND fence_epoch = ? AND fence_n = ?";
    const rows = await this.#all(sql, [taskId, fence.epoch, fence.n]);
    return rows.ok ? ok(rows.value.length > 0) : rows;
  }

  #all(sql: string, params: readonly SqlValue[]): Promise<Result<readonly SqlRow[]>> {
    return this.#reader.all("read what a former hub had", sql, params);
  }
}

export function attemptName(taskId: TaskId, n: number): string {
  return `${taskId} ${n}`;
}

export function takeoversIn(notes: readonly SqlRow[]): ReadonlyMap<number, number> {
  return new Map(
    notes.flatMap((row) => {
      const name = text(row, 0);
      return name.startsWith(TAKEOVER) ? [[Number(name.slice(TAKEOVER.length)), Number(text(row, 1))] as const] : [];
    }),
  );
}

/** The kinds and states are checked where they are written. */
function toOwnEvent(row: SqlRow): Omit<OwnEvent, "isOwnTask"> {
  const n = numberOrNull(row, 5);
  return {
    seq: number(row, 0),
    atMs: number(row, 1),
    kind: text(row, 2) as QueueEventKind,
    taskId: textOrNull(row, 3) as TaskId | null,
    state: textOrNull(row, 4) as TaskState | null,
    attempt: n === null ? null : { n, node: text(row, 6) as NodeId },
    isScheduled: row[7] === 1,
  };
}

function toNewTask(row: SqlRow, labels: Readonly<Record<string, string>>): NewTask {
  return {
    id: text(row, 0) as TaskId,
    lane: number(row, 1),
    key: text(row, 2),
    requirements: text(row, 3),
    dependencyPolicy: text(row, 4) as DependencyPolicy,
    runAtMs: row[6] === "schedule" ? numberOrNull(row, 5) : null,
    maxAttempts: number(row, 7),
    retryBaseMs: number(row, 8),
    retryMaxMs: number(row, 9),
    idempotencyKey: textOrNull(row, 10),
    bodyHash: textOrNull(row, 11) ?? "",
    body: text(row, 12),
    dependsOn: JSON.parse(text(row, 13)) as readonly TaskId[],
    labels,
  };
}
