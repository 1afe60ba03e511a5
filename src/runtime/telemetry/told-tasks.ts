/** Tells of tasks, attempts, requests to models and tools as traces. Each node tells of what it ran itself. */
import { createHash } from "node:crypto";
import { storedFields } from "#api";
import type { JsonObject, Logger, TaskId } from "#base";
import type { PartReader } from "#fleet";
import { type AttemptRow, LANES, type Queue, type QueueEvent, type TaskRecord } from "#queue";
import { attemptSpan, type ModelCall, modelCallSpan, type Span, taskSpan, toolSpan } from "#telemetry";

/** Ends that wait to be looked up; with more a node is busier than a person can follow. */
const MAX_PENDING = 1_000;
const MAX_STEPS_BYTES = 256 * 1024;
const MAX_TOOLS = 200;

const ENDS: ReadonlySet<string> = new Set(["task.done", "task.dead", "task.cancelled", "task.retry"]);

export type ToldTasksParts = {
  readonly queue: Queue;
  readonly self: string;
  /** Only the node that writes the queue tells of whole tasks. */
  readonly isWriter: boolean;
  readonly steps: Pick<PartReader, "read">;
  readonly onCall: (listener: (call: ModelCall) => void) => () => void;
  readonly add: (span: Span) => void;
  readonly logger: Logger;
};

export class ToldTasks {
  readonly #parts: ToldTasksParts;
  readonly #ends: readonly (() => void)[];
  #pending: readonly QueueEvent[] = [];
  #isLooking = false;
  #calls = 0;

  constructor(parts: ToldTasksParts) {
    this.#parts = parts;
    this.#ends = [
      parts.onCall((call) => {
        this.#calls += 1;
        const unique = `${parts.self} ${call.startedAtMs} ${this.#calls}`;
        parts.add(modelCallSpan(call, unique, sha256));
      }),
      parts.queue.store.subscribe((events) => this.#heard(events)),
    ];
  }

  stop(): void {
    for (const end of this.#ends) end();
    this.#pending = [];
  }

  #heard(events: readonly QueueEvent[]): void {
    const ended = events.filter(({ kind, taskId }) => ENDS.has(kind) && taskId !== null);
    if (ended.length === 0) return;
    this.#pending = [...this.#pending, ...ended].slice(-MAX_PENDING);
    if (!this.#isLooking) void this.#look();
  }

  /** One after another: traces must not take the database from what they tell of. */
  async #look(): Promise<void> {
    this.#isLooking = true;
    try {
      for (let next = this.#pending[0]; next !== undefined; next = this.#pending[0]) {
        this.#pending = this.#pending.slice(1);
        await this.#tell(next);
      }
    } catch (cause) {
      this.#parts.logger.error("a task could not be told of by a bug", { cause: String(cause) });
    } finally {
      this.#isLooking = false;
    }
  }

  async #tell({ kind, taskId, data }: QueueEvent): Promise<void> {
    if (taskId === null) return;
    const { queue, self, isWriter, add } = this.#parts;
    const found = await queue.store.find(taskId);
    if (!found.ok || found.value === undefined) return;
    const attempt = found.value.attempts.find(({ n, node }) => n === data["attempt"] && node === self);
    if (attempt !== undefined) {
      add(attemptSpan(attempt, sha256));
      if (attempt.executor !== "shell") await this.#tellTools(taskId, attempt);
    }
    if (isWriter && kind !== "task.retry") add(taskSpan(toldTask(found.value), sha256));
  }

  async #tellTools(taskId: TaskId, { n }: AttemptRow): Promise<void> {
    const { steps, add } = this.#parts;
    const read = await steps.read({ taskId, attempt: n, part: "steps" }, 0, MAX_STEPS_BYTES);
    if (!read.ok || read.value === undefined) return;
    const lines = new TextDecoder().decode(read.value.bytes).split("\n");
    const observed = lines.map(parseStep).filter((step) => step?.["kind"] === "observed");
    for (const [index, step] of observed.slice(0, MAX_TOOLS).entries()) {
      const { tool, atMs, tookMs, error } = step ?? {};
      if (typeof tool !== "string" || typeof atMs !== "number" || typeof tookMs !== "number") continue;
      const failure = typeof error === "string" ? error : null;
      add(toolSpan({ taskId, attempt: n, index, tool, endedAtMs: atMs, tookMs, error: failure }, sha256));
    }
  }
}

function toldTask({ row, body, labels }: TaskRecord): Parameters<typeof taskSpan>[0] {
  const { title, goal } = storedFields(body);
  return {
    id: row.id,
    title: typeof title === "string" && title !== "" ? title : row.id,
    state: row.state,
    lane: LANES[row.lane] ?? String(row.lane),
    createdAtMs: row.createdAtMs,
    endedAtMs: row.endedAtMs ?? row.createdAtMs,
    attempts: row.attempts,
    goal: typeof goal === "string" ? goal : null,
    labels,
  };
}

function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/** The last line may be cut. */
function parseStep(line: string): JsonObject | undefined {
  try {
    // `as`: written as an object; each field is checked.
    return JSON.parse(line) as JsonObject;
  } catch {
    return undefined;
  }
}
