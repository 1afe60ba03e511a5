import { err, type GoalId, ok, type Result } from "#base";
import { LANES, type Once, type Page, type QueueStore, type QueueTransaction } from "#queue";
import {
  announced,
  type Changed,
  cancelledGoal,
  noGoal,
  orderText,
  otherOrder,
  resumedGoal,
  tooManyGoals,
} from "./changes.ts";
import type { GoalChange } from "./decide.ts";
import { type Goal, type GoalBudget, type GoalEvent, type GoalTask, hasGoalEnded, type NewGoalEvent } from "./goal.ts";
import { MAX_OPEN_GOALS } from "./limits.ts";
import { goalOnce } from "./once.ts";
import type { GoalFilter, GoalReceipt, GoalStore, NewGoal } from "./ports.ts";
import { submitted } from "./transition.ts";

type Kept = { goal: Goal; readonly tasks: Map<number, GoalTask>; readonly events: GoalEvent[] };

/** Goals in memory, beside a queue that may be in memory too. For tests and simulations. */
export class MemoryGoalStore implements GoalStore {
  readonly #queue: Pick<QueueStore, "transact">;
  readonly #goals = new Map<GoalId, Kept>();

  constructor(queue: Pick<QueueStore, "transact">) {
    this.#queue = queue;
  }

  submit({ id, order, nowMs }: NewGoal, once?: Once): Promise<Result<GoalReceipt>> {
    return this.#run<GoalReceipt>("submit goal", nowMs, once, (tx) => {
      const { idempotencyKey: key } = order;
      const known = this.#goals.get(id) ?? (key === null ? undefined : this.#byKey(key));
      if (known !== undefined) {
        const isSame = orderText(known.goal.order) === orderText(order);
        return isSame ? ok({ id: known.goal.id, existed: true }) : err(otherOrder(key ?? id, known.goal.id));
      }
      const open = [...this.#goals.values()].filter(({ goal }) => !hasGoalEnded(goal)).length;
      if (open >= MAX_OPEN_GOALS) return err(tooManyGoals(open));
      const goal = submitted(id, order, nowMs);
      const kept: Kept = { goal, tasks: new Map(), events: [] };
      this.#goals.set(id, kept);
      this.#tell(tx, undefined, kept, [{ kind: "submitted", data: {} }], nowMs);
      return ok({ id, existed: false });
    });
  }

  save(before: Goal, { goal, tasks, events }: GoalChange, nowMs: number): Promise<Result<boolean>> {
    return this.#queue.transact("change goal", (tx) => {
      const kept = this.#goals.get(before.id);
      if (kept?.goal.revision !== before.revision) return ok(false);
      const was = kept.goal;
      kept.goal = { ...goal, revision: before.revision + 1 };
      for (const task of tasks) kept.tasks.set(task.n, task);
      this.#tell(tx, was, kept, events, nowMs);
      return ok(true);
    });
  }

  cancel(id: GoalId, why: string, nowMs: number, once?: Once): Promise<Result<Goal>> {
    return this.#run("cancel goal", nowMs, once, (tx) =>
      this.#change(tx, id, nowMs, (goal) => cancelledGoal(goal, why, nowMs)),
    );
  }

  resume(id: GoalId, budget: GoalBudget | null, nowMs: number, once?: Once): Promise<Result<Goal>> {
    return this.#run("resume goal", nowMs, once, (tx) =>
      this.#change(tx, id, nowMs, (goal) => resumedGoal(goal, budget)),
    );
  }

  async find(id: GoalId): Promise<Result<Goal | undefined>> {
    return ok(this.#goals.get(id)?.goal);
  }

  async keyed(key: string): ReturnType<GoalStore["keyed"]> {
    const kept = this.#byKey(key);
    return ok(kept === undefined ? undefined : { id: kept.goal.id, order: kept.goal.order });
  }

  async tasks(id: GoalId): Promise<Result<readonly GoalTask[]>> {
    return ok([...(this.#goals.get(id)?.tasks.values() ?? [])].sort((a, b) => a.n - b.n));
  }

  async list({ states }: GoalFilter, limit: number, cursor?: string): Promise<Result<Page<Goal>>> {
    const found = this.#all()
      .filter(({ id, state }) => (cursor === undefined || id < cursor) && (states?.includes(state) ?? true))
      .sort((a, b) => (a.id < b.id ? 1 : -1));
    const items = found.slice(0, limit);
    return ok({ items, nextCursor: found.length > limit ? (items.at(-1)?.id ?? null) : null });
  }

  async open(limit: number): Promise<Result<readonly Goal[]>> {
    const isLeft = (kept: Kept): boolean =>
      !hasGoalEnded(kept.goal) || [...kept.tasks.values()].some(({ state }) => state === "open" || state === "planned");
    const found = [...this.#goals.values()].filter(isLeft).map(({ goal }) => goal);
    const rank = ({ order }: Goal): number => LANES.indexOf(order.priority);
    return ok(found.sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1)).slice(0, limit));
  }

  async events(id: GoalId, afterSeq: number, limit: number): Promise<Result<readonly GoalEvent[]>> {
    return ok((this.#goals.get(id)?.events ?? []).filter(({ seq }) => seq > afterSeq).slice(0, limit));
  }

  async prune(beforeMs: number, limit: number): Promise<Result<number>> {
    const old = [...this.#goals.values()].filter(
      ({ goal: { endedAtMs } }) => endedAtMs !== null && endedAtMs < beforeMs,
    );
    for (const { goal } of old.slice(0, limit)) this.#goals.delete(goal.id);
    return ok(Math.min(limit, old.length));
  }

  #all(): Goal[] {
    return [...this.#goals.values()].map(({ goal }) => goal);
  }

  #byKey(key: string): Kept | undefined {
    return [...this.#goals.values()].find(({ goal }) => goal.order.idempotencyKey === key);
  }

  async #run<T>(
    label: string,
    nowMs: number,
    once: Once | undefined,
    command: (tx: QueueTransaction) => Result<T>,
  ): Promise<Result<T>> {
    const answered = await this.#queue.transact(label, (tx) => ok(goalOnce(tx, label, nowMs, once, command)));
    return answered.ok ? answered.value : answered;
  }

  #change(tx: QueueTransaction, id: GoalId, nowMs: number, rule: (goal: Goal) => Result<Changed>): Result<Goal> {
    const kept = this.#goals.get(id);
    if (kept === undefined) return err(noGoal(id));
    const was = kept.goal;
    const changed = rule(was);
    if (!changed.ok) return changed;
    if (changed.value.events.length === 0) return ok(was);
    kept.goal = { ...changed.value.goal, revision: was.revision + 1 };
    this.#tell(tx, was, kept, changed.value.events, nowMs);
    return ok(kept.goal);
  }

  #tell(
    tx: QueueTransaction,
    before: Goal | undefined,
    kept: Kept,
    events: readonly NewGoalEvent[],
    atMs: number,
  ): void {
    for (const event of events) kept.events.push({ seq: kept.events.length + 1, atMs, ...event });
    const line = announced(before, kept.goal, atMs);
    if (line !== undefined) tx.appendEvent(line);
  }
}
