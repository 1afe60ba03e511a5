/** Work of the mind as tasks of the queue, and how it ended. */
import type { MindTaskEnd, MindTasks } from "#activities";
import { submissionsToTasks } from "#api";
import { err, type JsonObject, ok, parseTaskId, type Result, refused, type TaskId } from "#base";
import { type AttemptRow, hasEnded } from "#queue";
import type { Engine } from "../engine.ts";
import { wholeResult } from "../part-chunks.ts";

/** What is read of a command's output; a suite that says more has said the first error long before. */
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
const SLICE_BYTES = 512 * 1024;

export class QueueMindTasks implements MindTasks {
  readonly #engine: Pick<Engine, "queue" | "submissionFacts" | "parts">;

  constructor(engine: Pick<Engine, "queue" | "submissionFacts" | "parts">) {
    this.#engine = engine;
  }

  async submit(task: JsonObject & { readonly idempotencyKey: string }): Promise<Result<{ readonly id: string }>> {
    const { queue, submissionFacts } = this.#engine;
    // The same question may be put in other words after a crash: then the one that is there counts.
    const known = await queue.store.transact("look for a task of the mind", (tx) =>
      ok(tx.idempotent(task.idempotencyKey)?.taskId),
    );
    if (!known.ok) return known;
    if (known.value !== undefined) return ok({ id: known.value });
    const ready = submissionsToTasks(task, submissionFacts);
    if (!ready.ok) return ready;
    const receipts = await queue.submit(ready.value);
    if (!receipts.ok) return receipts;
    const id = receipts.value[0]?.id;
    return id === undefined ? err(refused("invalid", "the queue took no task")) : ok({ id });
  }

  async end(id: string): Promise<Result<MindTaskEnd | null>> {
    const taskId = parseTaskId(id);
    if (taskId === undefined) return ok(gone(id));
    const found = await this.#engine.queue.store.find(taskId);
    if (!found.ok) return found;
    if (found.value === undefined) return ok(gone(id));
    const { row, attempts } = found.value;
    if (!hasEnded(row)) return ok(null);
    const last = attempts.at(-1);
    const text = last === undefined ? ok(null) : await this.#textOf(taskId, last);
    if (!text.ok) return text.error.kind === "retryable" ? ok(null) : text;
    return ok({
      passed: row.state === "done",
      text: text.value,
      error: last?.error ?? row.reason?.text ?? null,
      report: last?.report ?? null,
    });
  }

  async #textOf(taskId: TaskId, attempt: AttemptRow): Promise<Result<string | null>> {
    if (attempt.executor === "shell") return this.#outputOf(taskId, attempt.n);
    const { reader } = this.#engine.parts;
    const words = wordsIn(attempt.result);
    if (attempt.result?.["whole"] === undefined) return ok(words);
    const whole = await wholeResult(reader, { taskId, attempt: attempt.n, part: "result" });
    return whole.ok ? ok(wordsIn(whole.value?.result ?? null) ?? words) : whole;
  }

  /** The end of a longer one: there stands how it ended. */
  async #outputOf(taskId: TaskId, attempt: number): Promise<Result<string | null>> {
    const { reader } = this.#engine.parts;
    const key = { taskId, attempt, part: "output" } as const;
    const pieces: Uint8Array[] = [];
    let offset = 0;
    while (offset < MAX_OUTPUT_BYTES) {
      const slice = await reader.read(key, offset, SLICE_BYTES);
      if (!slice.ok) return slice;
      if (slice.value === undefined || slice.value.bytes.byteLength === 0) break;
      pieces.push(slice.value.bytes);
      offset += slice.value.bytes.byteLength;
      if (offset >= slice.value.sizeBytes) break;
    }
    return ok(Buffer.concat(pieces).toString("utf8"));
  }
}

function wordsIn(result: JsonObject | null): string | null {
  const model = result?.["model"];
  if (typeof model !== "object" || model === null || Array.isArray(model)) return null;
  const words = (model as JsonObject)["lastWords"]; // `as`: an object of JSON that is no array
  return typeof words === "string" ? words : null;
}

function gone(id: string): MindTaskEnd {
  return { passed: false, text: null, error: `task ${id} is gone from the queue`, report: null };
}
