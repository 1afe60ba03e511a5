/** Why a task is where it is, in words and numbers. The decision is pure; the facts are read in one transaction. */

import { z } from "zod";
import { err, type JsonObject, type NodeId, ok, type Result, refused, type TaskId } from "#base";
import { type KeyRow, LANES, type QueueStore, type TaskRow, type TaskState } from "#queue";
import { lackOf } from "./held-tasks.ts";
import { type NodeOffer, unmetRequirements } from "./requirements.ts";
import { laneSchema } from "./submission-schema.ts";
import { taskStateSchema } from "./task-view.ts";

/** Tasks ahead that are counted one by one; beyond, the place is only known to be behind them. */
export const MAX_COUNTED_AHEAD = 1_000;

export const CAUSE_CODES = [
  "dependencies",
  "time",
  "retry",
  "queue_paused",
  "key_paused",
  "key_concurrency",
  "key_rate",
  "no_node",
  "turn",
  "running",
  "ended",
] as const;

const causeSchema = z.object({
  code: z.enum(CAUSE_CODES),
  text: z.string(),
  /** When it ends by itself; null when that depends on something else. */
  untilMs: z.int().nullable(),
  /** What a person can do about it; null when nothing has to be done. */
  remedy: z.string().nullable(),
});
export type Cause = z.output<typeof causeSchema>;

export const explanationSchema = z.object({
  id: z.string(),
  state: taskStateSchema,
  summary: z.string(),
  /** Every reason that holds now, the deciding one first. */
  causes: z.array(causeSchema),
  dependencies: z.array(z.object({ id: z.string(), state: z.string(), satisfied: z.boolean() })),
  /** Its place among the ready tasks of its lane; null unless it is ready and let through by its key. */
  place: z.object({ lane: laneSchema, ahead: z.int(), isExact: z.boolean() }).nullable(),
  key: z
    .object({
      key: z.string(),
      running: z.int(),
      admitted: z.int(),
      maxConcurrent: z.int().nullable(),
      ratePerSecond: z.number().nullable(),
      paused: z.boolean(),
    })
    .nullable(),
  nodes: z.array(
    z.object({
      node: z.string(),
      name: z.string(),
      lacks: z.array(z.string()),
      /** Why it leaves the task for another node for a moment, or gets no work at all now. */
      leaves: z.string().nullable(),
    }),
  ),
  /** Of each attempt that asked a model: where its latest request went and why. */
  routing: z.array(z.object({ attempt: z.int(), decision: z.record(z.string(), z.unknown()) })),
});
export type Explanation = z.output<typeof explanationSchema>;

export type ExplainFacts = {
  readonly row: TaskRow;
  readonly dependencies: readonly {
    readonly id: TaskId;
    readonly state: TaskState | "gone";
    readonly satisfied: boolean;
  }[];
  readonly isPaused: boolean;
  readonly key: KeyRow | undefined;
  /** Canonical text of what it requires. */
  readonly requirements: string;
  /** The submission as JSON text. */
  readonly body: string;
  readonly offers: readonly NodeOffer[];
  /** Tasks of its lane that are served before it; the list ends at {@link MAX_COUNTED_AHEAD}. */
  readonly ahead: number;
  readonly nowMs: number;
  readonly decisions: readonly { readonly attempt: number; readonly decision: JsonObject }[];
  readonly leaves: (node: NodeId) => string | null;
};

/** @returns everything that keeps the task from running now, or what became of it. */
export function explainTask(facts: ExplainFacts): Explanation {
  const { row, key } = facts;
  const causes = causesOf(facts);
  return {
    id: row.id,
    state: row.state,
    summary: causes[0]?.text ?? `it is ${row.state}`,
    causes: [...causes],
    dependencies: facts.dependencies.map((dependency) => ({ ...dependency })),
    place:
      row.state === "ready" && row.admitted
        ? { lane: LANES[row.lane] ?? "normal", ahead: facts.ahead, isExact: facts.ahead < MAX_COUNTED_AHEAD }
        : null,
    key: key === undefined || row.key === "" ? null : keyFigures(key),
    nodes: facts.offers.map((offer) => ({
      node: offer.node,
      name: offer.name,
      lacks: [...unmetRequirements(facts.requirements, offer)],
      leaves: row.state === "ready" || row.state === "waiting" ? facts.leaves(offer.node) : null,
    })),
    routing: facts.decisions.map(({ attempt, decision }) => ({ attempt, decision: { ...decision } })),
  };
}

function keyFigures(key: KeyRow): NonNullable<Explanation["key"]> {
  const { maxConcurrent, ratePerSecond, paused } = key.policy;
  return { key: key.key, running: key.running, admitted: key.admitted, maxConcurrent, ratePerSecond, paused };
}

function causesOf(facts: ExplainFacts): readonly Cause[] {
  const { row } = facts;
  switch (row.state) {
    case "done":
    case "dead":
    case "cancelled":
      return [endedCause(row)];
    case "running":
      return [runningCause(row)];
    case "waiting":
      return [...waitingCauses(facts), ...obstacles(facts)];
    case "ready":
      return [...obstacles(facts), ...(row.admitted ? [turnCause(facts)] : [keyCause(facts)])];
  }
}

function endedCause(row: TaskRow): Cause {
  if (row.state === "done") return cause("ended", "it is done");
  const text = row.reason === null ? `it is ${row.state}` : `it is ${row.state}: ${row.reason.text}`;
  return cause("ended", text, null, `Run it again with: drover task retry ${row.id}`);
}

function runningCause(row: TaskRow): Cause {
  const asked = row.cancelRequested ? " and was asked to stop" : "";
  return cause(
    "running",
    `attempt ${row.attempts + 1} of ${row.attemptLimit} runs on ${row.holder ?? "a node"}${asked}`,
  );
}

function waitingCauses({ row, dependencies, nowMs }: ExplainFacts): readonly Cause[] {
  const causes: Cause[] = [];
  const open = dependencies.filter((dependency) => !dependency.satisfied);
  if (open.length > 0) {
    const named = open.slice(0, 5).map(({ id, state }) => `${id} (${state})`);
    const more = open.length > 5 ? ` and ${open.length - 5} more` : "";
    const failed = open.find(({ state }) => state === "dead" || state === "cancelled");
    const remedy = failed === undefined ? null : `Run that one again: drover task retry ${failed.id}`;
    causes.push(cause("dependencies", `it depends on ${named.join(", ")}${more}`, null, remedy));
  }
  if (row.wakeAtMs !== null) {
    const wait = waitText(row.wakeAtMs - nowMs);
    const left = `attempt ${row.attempts + 1} of ${row.attemptLimit}`;
    if (row.wakeReason === "retry") {
      causes.push(cause("retry", `${left} begins ${wait}`, row.wakeAtMs, `Begin it now: drover task retry ${row.id}`));
    } else {
      causes.push(cause("time", `its time comes ${wait}`, row.wakeAtMs));
    }
  }
  return causes;
}

/** What would hold it back even when it were its turn. */
function obstacles({ row, isPaused, key, offers, requirements }: ExplainFacts): readonly Cause[] {
  const causes: Cause[] = [];
  if (isPaused) causes.push(cause("queue_paused", "the queue is paused", null, "Resume it: drover queue resume"));
  const lack = lackOf(requirements, offers);
  if (lack !== null) causes.push(cause("no_node", lack.text, null, lack.remedy));
  if (row.key !== "" && key?.policy.paused === true) {
    causes.push(
      cause("key_paused", `its key ${row.key} is paused`, null, `Resume it: drover key set ${row.key} --resume`),
    );
  }
  return causes;
}

function keyCause({ row, key, nowMs }: ExplainFacts): Cause {
  const { maxConcurrent = null, ratePerSecond = null } = key?.policy ?? {};
  const running = key?.running ?? 0;
  const admitted = key?.admitted ?? 0;
  if (maxConcurrent !== null && running + admitted >= maxConcurrent) {
    const text = `key ${row.key} allows ${maxConcurrent} at once; ${running} run and ${admitted} are next`;
    return cause("key_concurrency", text);
  }
  if (ratePerSecond !== null) {
    const next = key?.wakeAtMs ?? null;
    const wait = next === null ? "when one of those let through has started" : waitText(next - nowMs);
    return cause(
      "key_rate",
      `key ${row.key} allows ${ratePerSecond} starts per second; the next is let through ${wait}`,
      next,
    );
  }
  return cause("turn", `key ${row.key} lets it through at the next look`);
}

function turnCause({ row, ahead }: ExplainFacts): Cause {
  const lane = LANES[row.lane] ?? "normal";
  if (ahead === 0) return cause("turn", `it is the next of lane ${lane}`);
  const many = ahead >= MAX_COUNTED_AHEAD ? `at least ${MAX_COUNTED_AHEAD}` : String(ahead);
  return cause("turn", `${many} ${ahead === 1 ? "task is" : "tasks are"} ahead of it in lane ${lane}`);
}

function cause(code: Cause["code"], text: string, untilMs: number | null = null, remedy: string | null = null): Cause {
  return { code, text, untilMs, remedy };
}

function waitText(ms: number): string {
  if (ms <= 0) return "now";
  if (ms < 1_000) return "in less than a second";
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `in ${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `in ${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `in ${hours} h` : `in ${Math.round(hours / 24)} days`;
}

/** Reads what {@link explainTask} needs, all of it as of one instant. */
export function loadExplainFacts(
  store: QueueStore,
  id: TaskId,
  nowMs: number,
  offers: readonly NodeOffer[],
): Promise<Result<Omit<ExplainFacts, "decisions" | "leaves">>> {
  return store.transact("explain", (tx) => {
    const row = tx.task(id);
    if (row === undefined)
      return err(refused("not_found", `there is no task ${id}`, "List tasks with: drover task list"));
    const classes = tx.classes();
    const isNext = row.state === "ready" && row.admitted;
    const heads = isNext ? tx.heads(row.lane, [...classes.keys()], MAX_COUNTED_AHEAD) : [];
    const place = heads.findIndex((head) => head.id === id);
    return ok({
      row,
      dependencies: tx.dependencies(id).map(({ id: dependency, satisfied }) => ({
        id: dependency,
        state: tx.task(dependency)?.state ?? ("gone" as const),
        satisfied,
      })),
      isPaused: tx.paused(),
      key: tx.key(row.key),
      requirements: classes.get(row.classId) ?? "",
      body: tx.bodies([id]).get(id) ?? "",
      offers,
      ahead: place < 0 ? heads.length : place,
      nowMs,
    });
  });
}
