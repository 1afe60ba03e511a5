import { canonicalJson, type JsonObject, ok, type TaskId } from "#base";
import type { Fence, KeyRow, LaneRow, QueueEvent, QueueStore, TaskRecord, TaskState } from "#queue";
import { LANES, TASK_STATES } from "#queue";
import { KEYS } from "./steps.ts";

/**
 * What must hold after each step, said again without the code under test: from the rows, the events and what the
 * outside was told. Numbers are those of src/queue/transition.ts.
 */

export class Violation extends Error {
  override readonly name = "Violation";
}

export function check(holds: boolean, rule: string): void {
  if (!holds) throw new Violation(rule);
}

/** Everything the store holds at one moment. */
export type Snapshot = {
  readonly tasks: ReadonlyMap<TaskId, TaskRecord>;
  readonly lanes: readonly LaneRow[];
  readonly keys: ReadonlyMap<string, KeyRow>;
  readonly nextWakeMs: number | null;
  readonly lastSeq: number;
};

const PAGE = 400;

export async function takeSnapshot(store: QueueStore): Promise<Snapshot> {
  const tasks = new Map<TaskId, TaskRecord>();
  for (let cursor: string | undefined, done = false; !done; ) {
    const page = await store.list({}, PAGE, cursor);
    if (!page.ok) throw new Violation(page.error.message);
    for (const record of page.value.items) tasks.set(record.row.id, record);
    cursor = page.value.nextCursor ?? undefined;
    done = cursor === undefined;
  }
  const lanes = await store.lanes();
  const range = await store.eventRange();
  const inner = await store.transact("look", (tx) =>
    ok({ keys: KEYS.map((key) => tx.key(key)), nextWakeMs: tx.nextWakeMs() }),
  );
  if (!lanes.ok || !range.ok || !inner.ok) throw new Violation("the store answers");
  const keys = new Map<string, KeyRow>();
  for (const row of inner.value.keys) if (row !== undefined) keys.set(row.key, row);
  return { tasks, lanes: lanes.value, keys, nextWakeMs: inner.value.nextWakeMs, lastSeq: range.value.lastSeq };
}

/** All rows as one text, to say that a step changed nothing. */
export function fingerprint(snapshot: Snapshot): string {
  return JSON.stringify([...snapshot.tasks.values()].map(({ row, attempts }) => [row, attempts.length]));
}

export function isOver(state: TaskState | undefined): boolean {
  return state === "done" || state === "dead" || state === "cancelled";
}

export function holdsFence(record: TaskRecord | undefined, fence: Fence): boolean {
  return record?.row.state === "running" && record.row.fenceEpoch === fence.epoch && record.row.fenceN === fence.n;
}

/** The states of tasks as the history tells them, and what was satisfied on the way. */
export class Oracle {
  readonly #told = new Map<TaskId, TaskState>();
  readonly #satisfied = new Set<string>();
  #seq = 0;

  /** Checks everything that can be seen between steps. `redriven` is true for the step that may bring tasks back. */
  async observe(
    store: QueueStore,
    before: Snapshot,
    after: Snapshot,
    redriven: boolean,
  ): Promise<readonly QueueEvent[]> {
    const events = await this.#replay(store);
    for (const record of after.tasks.values()) {
      checkRow(record);
      this.#checkDependencies(record, after);
      checkAttempts(record);
      check(this.#told.get(record.row.id) === record.row.state, `Q9: events tell the state of ${record.row.id}`);
      const earlier = before.tasks.get(record.row.id)?.row.state;
      if (earlier === "done") check(record.row.state === "done", "Q7: done is never left");
      if (isOver(earlier) && !isOver(record.row.state)) check(redriven, "Q7: an ended task returns by redrive only");
    }
    checkCounters(after);
    return events;
  }

  async #replay(store: QueueStore): Promise<readonly QueueEvent[]> {
    const found = await store.events(this.#seq, 100_000);
    if (!found.ok) throw new Violation(found.error.message);
    for (const event of found.value) {
      check(event.seq > this.#seq, "Q9: sequence numbers rise");
      this.#seq = event.seq;
      if (event.taskId === null) continue;
      const target = TARGETS[event.kind]?.(event.data);
      if (target === undefined) continue;
      const state = this.#told.get(event.taskId);
      check(target.from.includes(state ?? "none"), `Q9: ${event.kind} follows ${state ?? "nothing"}`);
      if (target.to === "gone") this.#told.delete(event.taskId);
      else this.#told.set(event.taskId, target.to);
    }
    return found.value;
  }

  #checkDependencies({ row, dependsOn }: TaskRecord, after: Snapshot): void {
    let open = 0;
    let dead = 0;
    for (const id of dependsOn) {
      const name = `${row.id} ${id}`;
      const state = after.tasks.get(id)?.row.state;
      if (state === "done" || (row.dependencyPolicy === "ignore" && isOver(state))) this.#satisfied.add(name);
      if (this.#satisfied.has(name)) continue;
      check(state !== undefined, `Q8: ${id}, which ${row.id} still needs, exists`);
      open += 1;
      if (state === "dead" || state === "cancelled") dead += 1;
    }
    check(row.blockedBy === open, `Q5: ${row.id} counts ${row.blockedBy} open dependencies, there are ${open}`);
    if (row.state === "ready" || row.state === "running") check(open === 0, "Q5: starts after its dependencies");
    if (row.dependencyPolicy !== "fail") return;
    check(row.state !== "waiting" || dead === 0, `a task that depends on a dead one dies with it: ${row.id}`);
    if (row.reason?.code === "dependency")
      check(dead > 0, `a task that died with its dependency returns with it: ${row.id}`);
  }
}

type Target = { readonly from: readonly (TaskState | "none")[]; readonly to: TaskState | "gone" };

/** From which state each event leads to which. What is not listed leaves the state as it is. */
const TARGETS: Readonly<Record<string, (data: JsonObject) => Target>> = {
  "task.submitted": (data) => ({ from: ["none"], to: stateIn(data) }),
  "task.ready": () => ({ from: ["waiting"], to: "ready" }),
  "task.started": () => ({ from: ["ready"], to: "running" }),
  "task.retry": (data) => ({ from: ["running"], to: data["delayMs"] === 0 ? "ready" : "waiting" }),
  "task.released": () => ({ from: ["running"], to: "ready" }),
  "task.done": () => ({ from: ["running"], to: "done" }),
  "task.dead": () => ({ from: ["running", "waiting"], to: "dead" }),
  "task.cancelled": () => ({ from: ["running", "waiting", "ready"], to: "cancelled" }),
  "task.redriven": (data) => ({ from: ["dead", "cancelled"], to: stateIn(data) }),
  "task.dropped": () => ({ from: ["dead"], to: "gone" }),
  "task.progress": () => ({ from: ["running"], to: "running" }),
  "task.cancel_requested": () => ({ from: ["running"], to: "running" }),
};

function stateIn(data: JsonObject): TaskState {
  const state = TASK_STATES.find((name) => name === data["state"]);
  if (state === undefined) throw new Violation(`Q9: an event names the state: ${canonicalJson(data)}`);
  return state;
}

function checkRow({ row }: TaskRecord): void {
  const running = row.state === "running";
  check(running === (row.holder !== null), `Q1: holder while running: ${row.id}`);
  check(running === (row.startedAtMs !== null), `Q1: start instant while running: ${row.id}`);
  check(!running || (row.fenceEpoch > 0 && row.fenceN > 0), `Q1: fence while running: ${row.id}`);
  check(!row.admitted || row.state === "ready", `Q1: admitted only when ready: ${row.id}`);
  check(isOver(row.state) === (row.endedAtMs !== null), `Q1: end instant when ended: ${row.id}`);
  check((row.wakeAtMs === null) === (row.wakeReason === null), `Q1: a wake instant has a reason: ${row.id}`);
  check(row.wakeAtMs === null || row.state === "waiting", `Q1: only waiting tasks wake: ${row.id}`);
  check(!row.cancelRequested || running, `Q1: only a running task is asked to stop: ${row.id}`);
  check(row.attempts <= row.attemptLimit, `Q4: attempts within their limit: ${row.id}`);
  if (row.state === "waiting") check(row.blockedBy > 0 || row.wakeAtMs !== null, `nothing would wake ${row.id}`);
  if (row.state === "dead") check(row.reason !== null && row.reason.text !== "", `a dead letter says why: ${row.id}`);
}

function checkAttempts({ row, attempts }: TaskRecord): void {
  check(attempts.length === row.attempts, `Q4: ${row.id} counts ${row.attempts} attempts and has ${attempts.length}`);
  let last = 0;
  for (const [index, attempt] of attempts.entries()) {
    check(attempt.n === index + 1, `Q4: attempts of ${row.id} are numbered without a gap`);
    check(attempt.fenceN > last, `Q2: each attempt of ${row.id} has a greater fence`);
    last = attempt.fenceN;
  }
  const passed = attempts.filter((attempt) => attempt.outcome === "passed").length;
  check(passed === (row.state === "done" ? 1 : 0), `Q14: ${row.id} is ${row.state} with ${passed} passed attempts`);
}

function checkCounters(snapshot: Snapshot): void {
  const rows = [...snapshot.tasks.values()].map((record) => record.row);
  for (const lane of snapshot.lanes) {
    for (const state of TASK_STATES) {
      const count = rows.filter((row) => row.lane === lane.lane && row.state === state).length;
      check(
        lane.counts[state] === count,
        `Q8: lane ${LANES[lane.lane]} says ${lane.counts[state]} ${state}, has ${count}`,
      );
    }
  }
  for (const [name, key] of snapshot.keys) {
    const own = rows.filter((row) => row.key === name);
    const running = own.filter((row) => row.state === "running").length;
    const admitted = own.filter((row) => row.admitted).length;
    check(key.running === running, `Q6: key "${name}" says ${key.running} run, ${running} do`);
    check(key.admitted === admitted, `Q6: key "${name}" says ${key.admitted} are let through, ${admitted} are`);
  }
}

/** Once the queue has caught up, no task is held back without a cause that will end. */
export function checkNothingForgotten(snapshot: Snapshot, nowMs: number): void {
  check(
    snapshot.nextWakeMs === null || snapshot.nextWakeMs > nowMs,
    `work that fell due ${nowMs - (snapshot.nextWakeMs ?? 0)} ms ago is still not done`,
  );
  for (const { row } of snapshot.tasks.values()) {
    if (row.state !== "ready" || row.admitted) continue;
    const key = snapshot.keys.get(row.key);
    if (key === undefined) throw new Violation(`key "${row.key}" holds ${row.id} back and does not exist`);
    const { paused, maxConcurrent, ratePerSecond, burst } = key.policy;
    const full = maxConcurrent !== null && key.running + key.admitted >= maxConcurrent;
    const saturated = ratePerSecond !== null && key.admitted >= Math.max(1, burst);
    check(
      paused || full || saturated || key.wakeAtMs !== null,
      `nothing will let ${row.id} of key "${row.key}" through`,
    );
  }
}
