import type { Connection, SqlValue } from "./connection.ts";
import { InsertBuffer } from "./insert-buffer.ts";
import { TASK_COLUMNS } from "./task-columns.ts";

type TaskColumn = (typeof TASK_COLUMNS)[number];

/** What the schema fills in for a column that an insert leaves out; the same values stand there as DEFAULT. */
export const TASK_DEFAULTS: Readonly<Partial<Record<TaskColumn, SqlValue>>> = {
  key: "",
  blocked_by: 0,
  dependency_policy: "fail",
  wake_at_ms: null,
  wake_reason: null,
  started_at_ms: null,
  ended_at_ms: null,
  fence_epoch: 0,
  fence_n: 0,
  holder: null,
  attempts: 0,
  attempt_limit: 3,
  max_attempts: 3,
  retry_base_ms: 1_000,
  retry_max_ms: 300_000,
  cancel_requested: 0,
  reason_code: null,
  reason_text: null,
  progress_ratio: null,
  progress_message: null,
};

/** What only a claim changes, so that hardly any new task differs from the default. */
const OF_CLAIMS: readonly TaskColumn[] = [
  "started_at_ms",
  "ended_at_ms",
  "fence_epoch",
  "fence_n",
  "holder",
  "attempts",
  "cancel_requested",
  "reason_code",
  "reason_text",
  "progress_ratio",
  "progress_message",
];

/** An insert that leaves out columns which are at their defaults. */
type Shape = { readonly places: readonly number[]; readonly omitted: readonly number[]; readonly buffer: InsertBuffer };

/**
 * New rows of `task`. Binding a value costs as much as storing it, so a row is inserted with as few columns as it
 * takes: without those of claims, and without anything that a plain task leaves at its default.
 */
export class TaskInserts {
  /** From narrow to wide; the last one takes every row. */
  readonly #shapes: readonly Shape[];

  constructor(connection: Connection) {
    // `as`: the keys of an object literal whose type names them.
    const omitted = Object.keys(TASK_DEFAULTS) as TaskColumn[];
    this.#shapes = [omitted, OF_CLAIMS, []].map((left) => shapeWithout(connection, left));
  }

  /** @param values of all columns, in the order of TASK_COLUMNS */
  add(values: readonly SqlValue[]): void {
    for (const { places, omitted, buffer } of this.#shapes) {
      if (!omitted.every((place) => values[place] === DEFAULT_AT[place])) continue;
      buffer.add(places.map((place) => values[place] ?? null));
      return;
    }
  }

  flush(): void {
    for (const { buffer } of this.#shapes) buffer.flush();
  }

  clear(): void {
    for (const { buffer } of this.#shapes) buffer.clear();
  }
}

const DEFAULT_AT = TASK_COLUMNS.map((column) => TASK_DEFAULTS[column]);

function shapeWithout(connection: Connection, left: readonly TaskColumn[]): Shape {
  const columns = TASK_COLUMNS.filter((column) => !left.includes(column));
  return {
    places: columns.map((column) => TASK_COLUMNS.indexOf(column)),
    omitted: left.map((column) => TASK_COLUMNS.indexOf(column)),
    buffer: new InsertBuffer(connection, "task", columns),
  };
}
