/** From what people submit to what the queue accepts: checked, normalised, with a digest. */

import { createHash } from "node:crypto";
import {
  canonicalJson,
  err,
  type FieldFault,
  type IdFactory,
  type JsonObject,
  MAX_BATCH_TASKS,
  MAX_SUBMISSION_BYTES,
  ok,
  parseTaskId,
  RETRY_BASE_MS,
  RETRY_MAX_MS,
  type Result,
  refused,
  type TaskId,
} from "#base";
import {
  type ExecutorKind,
  isRegisteredName,
  planWorkspace,
  resolveExecutor,
  type TaskSpec,
  taskSpecSchema,
  taskSpecShape,
} from "#execution";
import { findCycle, LANES, type NewTask } from "#queue";
import { faultsOf } from "./faults.ts";
import { requirementsText } from "./requirements.ts";
import { type Submission, type SubmissionInput, submissionSchema } from "./submission-schema.ts";

/** What holds for a task that does not say; from the configuration. */
export type SubmissionDefaults = {
  readonly maxAttempts: number;
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
};

const SUBMISSION_DEFAULTS: SubmissionDefaults = {
  maxAttempts: 3,
  retryBaseMs: RETRY_BASE_MS,
  retryMaxMs: RETRY_MAX_MS,
};

export type SubmissionFacts = {
  readonly ids: IdFactory;
  /** Executors this build can carry out. */
  readonly executors: readonly ExecutorKind[];
  /** Of the `Idempotency-Key` header; it covers the whole batch. */
  readonly batchKey?: string | undefined;
  readonly defaults?: SubmissionDefaults | undefined;
};

/** A request: its tasks, and whether they were sent as an array. */
export type Batch = { readonly isArray: boolean; readonly tasks: readonly Submission[] };

/**
 * Checks one submission or an array of them against the schema. Faults of an array begin with the index.
 */
export function parseSubmissions(value: unknown): Result<Batch, readonly FieldFault[]> {
  if (!Array.isArray(value)) {
    const one = submissionSchema.safeParse(value);
    return one.success ? ok({ isArray: false, tasks: [one.data] }) : err(faultsOf(one.error, submissionSchema));
  }
  if (value.length === 0) return err([{ path: "", reason: "must hold at least one task" }]);
  if (value.length > MAX_BATCH_TASKS) {
    return err([
      { path: "", reason: `must hold at most ${MAX_BATCH_TASKS} tasks, not ${value.length}; send several batches` },
    ]);
  }
  const faults: FieldFault[] = [];
  const tasks: Submission[] = [];
  for (const [index, item] of value.entries()) {
    const one = submissionSchema.safeParse(item);
    if (one.success) tasks.push(one.data);
    else faults.push(...faultsOf(one.error, submissionSchema, [index]));
  }
  return faults.length > 0 ? err(faults) : ok({ isArray: true, tasks });
}

/** Labels by which the node knows its own tasks; from them follow budgets and the branch that changes go to. */
const RESERVED_LABELS = "drover.";

/** {@link newTasks} for whoever asks from outside. */
export function tasksOfCaller(batch: Batch, facts: SubmissionFacts): Result<readonly NewTask[]> {
  const faults = batch.tasks.flatMap(({ labels }, index) =>
    Object.keys(labels ?? {})
      .filter((name) => name.startsWith(RESERVED_LABELS))
      .map((name): FieldFault => {
        const path = `${batch.isArray ? `${index}.` : ""}labels.${name}`;
        return { path, reason: `labels that begin with ${RESERVED_LABELS} are the node's own; choose another name` };
      }),
  );
  const [first] = faults;
  if (first === undefined) return newTasks(batch, facts);
  return err(refused("invalid", `the body is not valid: ${first.path}: ${first.reason}`, undefined, faults));
}

/**
 * Makes the tasks of one batch ready for the queue: executor resolved, refs replaced by ids, sizes checked.
 * A refusal names every fault with its path.
 */
export function newTasks(batch: Batch, facts: SubmissionFacts): Result<readonly NewTask[]> {
  const at = (index: number, path: string): string => (batch.isArray ? `${index}.${path}` : path);
  const faults: FieldFault[] = [];
  const planned = withHeaderKey(batch, facts.batchKey).map((task) => ({ task, id: facts.ids.task() }));
  const refs = new Map<string, TaskId>();
  for (const [index, { task, id }] of planned.entries()) {
    if (task.ref === undefined) continue;
    if (refs.has(task.ref))
      faults.push({ path: at(index, "ref"), reason: `"${task.ref}" names another task of this batch too` });
    refs.set(task.ref, id);
  }
  const texts = planned.map(({ task }) => bodyText(task));
  const batchDigest = facts.batchKey !== undefined && batch.isArray ? digest(texts.join("\n")) : undefined;
  const tasks: NewTask[] = [];
  for (const [index, { task, id }] of planned.entries()) {
    const executor = resolveExecutor(task, facts.executors);
    if (!executor.ok) {
      if (!batch.isArray) return executor;
      const named = executor.error.faults?.[0];
      faults.push({ path: at(index, named?.path ?? "executor"), reason: executor.error.message });
      continue;
    }
    // The node that carries it out knows where a registered repository is.
    const isNamed = task.repo !== undefined && task.workspace === undefined && isRegisteredName(task.repo);
    const workspace = isNamed ? ok(undefined) : planWorkspace(task, { stateDir: "", taskId: id });
    if (!workspace.ok) {
      faults.push({
        path: at(index, workspace.error.faults?.[0]?.path ?? "workspace"),
        reason: workspace.error.message,
      });
    }
    const dependsOn = resolveDependencies(task, refs, (path) => at(index, path), faults);
    const key = idempotencyKeyOf(task, index, facts.batchKey, (path) => at(index, path), faults);
    const text = texts[index] ?? "";
    if (Buffer.byteLength(text) > MAX_SUBMISSION_BYTES) {
      return err(
        refused(
          "too_large",
          `task ${index + 1} of the request is larger than ${MAX_SUBMISSION_BYTES} bytes`,
          "Put large inputs into files and name them",
          [
            {
              path: batch.isArray ? String(index) : "",
              reason: `must be at most ${MAX_SUBMISSION_BYTES} bytes as JSON`,
            },
          ],
        ),
      );
    }
    const bodyHash = digest(batchDigest === undefined ? text : `${batchDigest}/${index}`);
    tasks.push(
      newTask(task, { id, dependsOn, idempotencyKey: key, bodyHash, executor: executor.value }, facts.defaults),
    );
  }
  const circle = circleIn(tasks, refs);
  if (circle !== undefined) faults.push(circle);
  if (faults.length === 0) return ok(tasks);
  const [first] = faults;
  return err(refused("invalid", `the body is not valid: ${first?.path}: ${first?.reason}`, undefined, faults));
}

/** The queue finds circles too; only here are they known by the names that their author gave. */
function circleIn(tasks: readonly NewTask[], refs: ReadonlyMap<string, TaskId>): FieldFault | undefined {
  const cycle = findCycle(new Map(tasks.map((task) => [task.id, task])));
  if (cycle === undefined) return undefined;
  const names = new Map([...refs].map(([ref, id]) => [id, ref]));
  const way = cycle.map((id) => names.get(id) ?? id).join(" → ");
  return { path: "dependsOn", reason: `these tasks depend on each other in a circle: ${way}` };
}

/** For a single task the header says the same as the field; both ways of naming it give one digest. */
function withHeaderKey(batch: Batch, key: string | undefined): readonly Submission[] {
  if (key === undefined || batch.isArray) return batch.tasks;
  return batch.tasks.map((task) => (task.idempotencyKey === undefined ? { ...task, idempotencyKey: key } : task));
}

type Resolved = Pick<NewTask, "id" | "dependsOn" | "idempotencyKey" | "bodyHash"> & { readonly executor: string };

function newTask(task: Submission, resolved: Resolved, defaults: SubmissionDefaults = SUBMISSION_DEFAULTS): NewTask {
  const { executor, ...rest } = resolved;
  // Whoever gives one of the two delays means that one; the other yields.
  const baseMs = task.retry?.baseMs ?? Math.min(defaults.retryBaseMs, task.retry?.maxMs ?? defaults.retryBaseMs);
  return {
    ...rest,
    lane: LANES.indexOf(task.lane),
    key: task.concurrencyKey ?? "",
    requirements: requirementsText({
      executor,
      labels: task.requires?.labels ?? {},
      models: task.requires?.models ?? [],
      vramBytes: task.requires?.vramBytes ?? 0,
    }),
    dependencyPolicy: task.onDependencyFailure,
    runAtMs: task.runAt === undefined ? null : Date.parse(task.runAt),
    maxAttempts: task.maxAttempts ?? defaults.maxAttempts,
    retryBaseMs: baseMs,
    retryMaxMs: Math.max(baseMs, task.retry?.maxMs ?? defaults.retryMaxMs),
    labels: task.labels ?? {},
    body: storedBody(task),
  };
}

function resolveDependencies(
  task: Submission,
  refs: ReadonlyMap<string, TaskId>,
  at: (path: string) => string,
  faults: FieldFault[],
): readonly TaskId[] {
  const found: TaskId[] = [];
  for (const [index, name] of (task.dependsOn ?? []).entries()) {
    const id = refs.get(name) ?? parseTaskId(name);
    if (id === undefined) {
      faults.push({
        path: at(`dependsOn.${index}`),
        reason: `"${name}" is neither the id of a task nor a ref of this batch`,
      });
    } else {
      found.push(id);
    }
  }
  return [...new Set(found)];
}

function idempotencyKeyOf(
  task: Submission,
  index: number,
  batchKey: string | undefined,
  at: (path: string) => string,
  faults: FieldFault[],
): string | null {
  if (batchKey === undefined) return task.idempotencyKey ?? null;
  if (task.idempotencyKey !== undefined && task.idempotencyKey !== batchKey) {
    faults.push({
      path: at("idempotencyKey"),
      reason: "differs from the Idempotency-Key header; give only one of them",
    });
  }
  // The first keeps the plain key, so that the same key with one task instead of an array is a conflict.
  return index === 0 ? batchKey : `${batchKey}#${index}`;
}

/** The submission as it was meant, for the digest: refs as written, because ids differ at each try. */
function bodyText(task: Submission): string {
  return canonicalJson(plainJson(task));
}

/** What is stored: dependencies are rows of the queue and refs mean nothing outside their batch. */
function storedBody(task: Submission): string {
  const { ref: _ref, dependsOn: _dependsOn, ...kept } = task;
  return JSON.stringify(kept);
}

function plainJson(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject; // `as`: the text is that of an object
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/**
 * Reads the part of a stored body that executors carry out. Fields it does not know (those of the queue, those of a
 * newer drover) are left out.
 */
export function taskSpecOf(bodyJson: string): Result<TaskSpec> {
  const stored = storedFields(bodyJson);
  const own = Object.fromEntries(
    Object.keys(taskSpecShape).flatMap((name) => (name in stored ? [[name, stored[name]]] : [])),
  );
  const parsed = taskSpecSchema.safeParse(own);
  if (parsed.success) return ok(parsed.data);
  const faults = faultsOf(parsed.error, taskSpecSchema);
  return err(refused("unsupported", "the stored task cannot be read by this version", "Submit it again", faults));
}

/** @returns the fields of a stored body; none when it is not an object. */
export function storedFields(bodyJson: string): JsonObject {
  try {
    const value: unknown = JSON.parse(bodyJson);
    // `as`: parsed JSON that is an object and no array.
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
  } catch {
    return {};
  }
}

/** For programs in the same process: checks and prepares in one step what a file or a request holds. */
export function submissionsToTasks(value: unknown, facts: SubmissionFacts): Result<readonly NewTask[]> {
  const batch = parseSubmissions(value);
  if (!batch.ok) {
    const [first] = batch.error;
    const where = first === undefined || first.path === "" ? "" : `${first.path}: `;
    return err(refused("invalid", `the task is not valid: ${where}${first?.reason}`, undefined, batch.error));
  }
  return newTasks(batch.value, facts);
}

export type { Submission, SubmissionInput };
