import {
  describeFailure,
  err,
  type Failure,
  type GoalId,
  ok,
  type Result,
  sleep,
  type TaskId,
  type Timer,
} from "#base";
import {
  decide,
  failed,
  type Goal,
  type GoalChange,
  type GoalStep,
  type GoalTask,
  hasGoalEnded,
  MAX_DELIVERY_TRIES,
  MAX_OPEN_GOALS,
  type RepositoryDescription,
} from "#goals";
import { LANES } from "#queue";
import { branchOf, type ExecutingParts, modelsOf } from "./ports.ts";
import { lookAt } from "./seen-tasks.ts";
import { submitTasks } from "./submit-tasks.ts";

/** Between looks when nothing was heard of; what ends in the queue is heard of at once. */
const LOOK_MS = 1_000;
/** After news more of it gathers. */
const NEWS_MS = 50;
/** Steps of one goal in one look: from a plan that was accepted to tasks in the queue are three. */
const MAX_STEPS = 16;
/** A description of a repository is used again for so long. */
const DESCRIBED_MS = 60_000;
/** Between tries of a delivery that failed for a while. */
const DELIVERY_PAUSE_MS = 15_000;

type Described = { readonly atMs: number; readonly description: RepositoryDescription };

/**
 * Works on goals, the most urgent first: has them planned, feeds the queue, watches what comes of it. It remembers
 * nothing that matters: each decision follows from the store, and each call elsewhere can be repeated, so it may be ended
 * at any point and begun again, by another process too.
 */
export class Executing {
  readonly #parts: ExecutingParts;
  readonly #described = new Map<string, Described>();
  readonly #delivering = new Set<GoalId>();
  readonly #deliverAgainAtMs = new Map<GoalId, number>();
  #isOn = false;
  #isLooking = false;
  #again = false;
  #timer: Timer | undefined;
  #unsubscribe: (() => void) | undefined;
  #isDone = false;
  #waitingFor: string | undefined;

  constructor(parts: ExecutingParts) {
    this.#parts = parts;
  }

  /** Whether the last look found nothing to do or to wait for. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Begins to decide. Again while it does changes nothing. */
  begin(_deadlineMs: number): void {
    if (this.#isOn) return;
    this.#isOn = true;
    this.#isDone = false;
    this.#unsubscribe = this.#parts.queue.store.subscribe((events) => {
      const isNews = events.some(
        ({ kind }) =>
          kind === "task.done" ||
          kind === "task.dead" ||
          kind === "task.cancelled" ||
          kind === "goal.submitted" ||
          kind === "goal.changed",
      );
      if (isNews) this.#lookIn(NEWS_MS);
    });
    this.#lookIn(0);
  }

  /** Decides nothing more; what is in the queue goes on. */
  end(): void {
    this.#isOn = false;
    this.#timer?.cancel();
    this.#unsubscribe?.();
  }

  /** Takes out of the queue what a goal that has ended still has there; whether or not goals are worked on now. */
  async sweep(id: GoalId): Promise<void> {
    const goal = await this.#parts.goals.find(id);
    if (goal.ok && goal.value !== undefined && hasGoalEnded(goal.value)) await this.#advance(goal.value, false);
  }

  /** Resolves when a look that is under way has come to its end. */
  async idle(): Promise<void> {
    while (this.#isLooking || this.#delivering.size > 0) await sleep(this.#parts.clock, NEWS_MS);
  }

  #lookIn(delayMs: number): void {
    if (!this.#isOn) return;
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.after(delayMs, () => {
      void this.look().finally(() => {
        if (this.#again) this.#lookIn(0);
        else this.#lookIn(LOOK_MS);
      });
    });
  }

  /** Looks at every goal once. Not while another look is under way: that one is followed by another. */
  async look(): Promise<void> {
    if (this.#isLooking) {
      this.#again = true;
      return;
    }
    this.#isLooking = true;
    this.#again = false;
    try {
      await this.#lookAtAll();
      this.#waitingFor = undefined;
    } catch (cause) {
      this.#parts.logger.error("work on goals failed by a bug", { cause: String(cause) });
    } finally {
      this.#isLooking = false;
    }
  }

  async #lookAtAll(): Promise<void> {
    const open = await this.#parts.goals.open(MAX_OPEN_GOALS);
    if (!open.ok) return this.#wait(open.error);
    const active = open.value.filter(
      (goal) => goal.state !== "submitted" && !hasGoalEnded(goal) && goal.paused === null,
    );
    const places = active.map(({ order }) => LANES.indexOf(order.priority));
    let isDone = true;
    for (const goal of open.value) {
      if (!this.#isOn) return;
      const rank = LANES.indexOf(goal.order.priority);
      // Goals that are less urgent do not keep one that is more urgent from beginning.
      const before = places.filter((place) => place <= rank).length;
      const mayBegin = before < this.#parts.settings.atOnce;
      const after = await this.#advance(goal, mayBegin);
      if (goal.state === "submitted" && after !== undefined && after.state !== "submitted") places.push(rank);
      if (after !== undefined && !hasGoalEnded(after) && after.paused === null) isDone = false;
    }
    this.#isDone = isDone;
  }

  /** @returns the goal as it is after all that can be done now; undefined when it could not be looked at. */
  async #advance(first: Goal, mayBegin: boolean): Promise<Goal | undefined> {
    let goal = first;
    for (let steps = 0; steps < MAX_STEPS; steps += 1) {
      const tasks = await this.#parts.goals.tasks(goal.id);
      if (!tasks.ok) return this.#wait(tasks.error);
      const step = await this.#next(goal, tasks.value, mayBegin);
      if (step === undefined) return undefined;
      if (step.kind === "wait" || step.kind === "settled") return goal;
      const change = await this.#carryOut(goal, tasks.value, step);
      if (change === undefined) return goal;
      const saved = await this.#parts.goals.save(goal, change, this.#parts.clock.nowMs());
      if (!saved.ok) return this.#wait(saved.error);
      this.#parts.atStep?.("goal:saved");
      const now = await this.#parts.goals.find(goal.id);
      if (!now.ok || now.value === undefined) return undefined;
      goal = now.value;
    }
    this.#again = true;
    return goal;
  }

  async #next(goal: Goal, tasks: readonly GoalTask[], mayBegin: boolean): Promise<GoalStep | undefined> {
    const { clock, vocabulary, settings, node, goneFor } = this.#parts;
    const seen = await lookAt(tasks, this.#parts);
    if (seen === undefined) return undefined;
    const nowMs = clock.nowMs();
    const fails = (code: "repository" | "tasks_failed", failure: Failure): GoalStep => {
      const text = describeFailure(failure);
      const event = { kind: "failed", data: { code, why: text } };
      return { kind: "change", change: { goal: failed(goal, { code, text }, nowMs), tasks: [], events: [event] } };
    };
    const described = await this.#describe(goal, mayBegin);
    if (!described.ok) {
      if (described.error.kind === "retryable") return this.#wait(described.error);
      return fails("repository", described.error);
    }
    const isElsewhere = goal.home !== null && goal.home.node !== node;
    const homeLost = isElsewhere ? goneFor(goal.home.node) : undefined;
    const needsHome = homeLost !== undefined || (goal.state === "submitted" && mayBegin);
    const home = needsHome ? await this.#home(goal) : ok(null);
    if (!home.ok) {
      if (home.error.kind === "retryable") return this.#wait(home.error);
      return fails(goal.order.repository === null ? "tasks_failed" : "repository", home.error);
    }
    return decide(goal, tasks, {
      nowMs,
      seen,
      mayBegin,
      repository: described.value,
      vocabulary,
      tier: settings.tier,
      home: home.value,
      homeLost,
    });
  }

  /** @returns where a goal works that must stay on one node, which is this one; null where any node will do */
  async #home({ id, order }: Goal): Promise<Result<Goal["home"]>> {
    const { node, folder, repositories } = this.#parts;
    if (order.workspace !== null) return ok(null);
    const found = order.repository === null ? folder(id) : await repositories.onlyFolder(order.repository, id);
    if (!found.ok) return found;
    return ok(found.value === undefined ? null : { node, folder: found.value });
  }

  /** Only a plan needs to know the repository. */
  async #describe(goal: Goal, mayBegin: boolean): Promise<Result<RepositoryDescription | null>> {
    const name = goal.order.repository;
    const isPlanned = goal.state === "decomposing" || (goal.state === "submitted" && mayBegin);
    if (name === null || !isPlanned || goal.paused !== null) return ok(null);
    const { clock, repositories } = this.#parts;
    const known = this.#described.get(name);
    if (known !== undefined && clock.monotonicMs() - known.atMs < DESCRIBED_MS) return ok(known.description);
    const found = await repositories.describe(name);
    if (found.ok) this.#described.set(name, { atMs: clock.monotonicMs(), description: found.value });
    return found;
  }

  /** Does what a step asks for elsewhere. @returns what is to be kept of it; undefined when it is to be tried again later. */
  async #carryOut(goal: Goal, tasks: readonly GoalTask[], step: GoalStep): Promise<GoalChange | undefined> {
    switch (step.kind) {
      case "wait":
      case "settled":
        return undefined;
      case "change":
        return step.change;
      case "submit": {
        const rows = await submitTasks(step.tasks, tasks, this.#parts);
        if (!rows.ok) return this.#wait(rows.error);
        this.#parts.atStep?.("goal:submitted");
        return { goal, tasks: rows.value, events: [] };
      }
      case "cancel":
        return this.#cancel(goal, step.tasks, step.change);
      case "deliver":
        this.#deliver(goal, tasks);
        return undefined;
    }
  }

  /** What ended meanwhile stays as it is, to be taken up; unless nobody wants it any more. */
  async #cancel(goal: Goal, tasks: readonly GoalTask[], change: GoalChange): Promise<GoalChange | undefined> {
    const ended = new Set<TaskId>();
    const why = goal.reason?.text ?? goal.paused ?? `goal ${goal.id} does not want it any more`;
    for (const { taskId } of tasks) {
      if (taskId === null) continue;
      const cancelled = await this.#parts.queue.cancel(taskId, why);
      if (cancelled.ok || cancelled.error.code === "not_found") continue;
      if (cancelled.error.code !== "conflict") return this.#wait(cancelled.error);
      ended.add(taskId);
    }
    if (hasGoalEnded(goal)) return change;
    const isLeft = ({ n }: GoalTask): boolean =>
      tasks.some((task) => task.n === n && task.taskId !== null && ended.has(task.taskId));
    return { ...change, tasks: change.tasks.filter((task) => !isLeft(task)) };
  }

  /** Beside the looks at other goals: a forge may take its time. */
  #deliver(goal: Goal, tasks: readonly GoalTask[]): void {
    const { clock, logger } = this.#parts;
    const againAtMs = this.#deliverAgainAtMs.get(goal.id) ?? 0;
    if (this.#delivering.has(goal.id) || clock.monotonicMs() < againAtMs) return;
    this.#delivering.add(goal.id);
    void this.#delivered(goal, tasks)
      .catch((cause: unknown) => {
        logger.error("a delivery failed by a bug", { goal: goal.id, cause: String(cause) });
        this.#deliverAgainAtMs.set(goal.id, clock.monotonicMs() + DELIVERY_PAUSE_MS);
      })
      .finally(() => {
        this.#delivering.delete(goal.id);
        this.#lookIn(0);
      });
  }

  async #delivered(goal: Goal, tasks: readonly GoalTask[]): Promise<void> {
    const { goals, repositories, queue, clock, logger } = this.#parts;
    const work = tasks.filter(({ kind }) => kind === "work");
    const ids = work.flatMap(({ taskId }) => taskId ?? []);
    const done = work.flatMap(({ state, taskId }) => (state === "done" && taskId !== null ? [taskId] : []));
    const records = await queue.store.findMany(ids);
    const { title, description, repository } = goal.order;
    const delivered = await repositories.deliver({
      goalId: goal.id,
      title,
      description,
      repository: repository ?? "",
      branch: branchOf(goal.id),
      models: records.ok ? modelsOf(records.value) : [],
      tasks: done,
    });
    const nowMs = clock.nowMs();
    if (delivered.ok) {
      this.#parts.atStep?.("goal:delivered");
      this.#deliverAgainAtMs.delete(goal.id);
      const { outcome, detail, link } = delivered.value;
      const event = { kind: "delivered", data: { outcome, detail, link } };
      await goals.save(goal, { goal: { ...goal, delivery: delivered.value }, tasks: [], events: [event] }, nowMs);
      return;
    }
    const why = describeFailure(delivered.error);
    logger.warn("a goal was not delivered", { goal: goal.id, why });
    this.#deliverAgainAtMs.set(goal.id, clock.monotonicMs() + DELIVERY_PAUSE_MS);
    const isOver = delivered.error.kind !== "retryable" || goal.deliveryTries + 1 >= MAX_DELIVERY_TRIES;
    const tried = { ...goal, deliveryTries: goal.deliveryTries + 1 };
    const after = isOver ? failed(tried, { code: "delivery", text: why }, nowMs) : tried;
    const event = { kind: isOver ? "failed" : "delivery.failed", data: { code: "delivery", why } };
    await goals.save(goal, { goal: after, tasks: [], events: [event] }, nowMs);
  }

  /** Said once, until something works again. */
  #wait({ message }: Failure): undefined {
    if (this.#waitingFor !== message) this.#parts.logger.warn("work on goals waits", { why: message });
    this.#waitingFor = message;
    return undefined;
  }
}

/** What the mind is told of goals. */
export type GoalFigures = { readonly readyGoals: number; readonly readyTasks: number };

/** @returns how many goals may be worked on, and how many tasks of theirs are not ended. */
export async function goalFigures({ goals }: Pick<ExecutingParts, "goals">): Promise<Result<GoalFigures>> {
  const open = await goals.open(MAX_OPEN_GOALS);
  if (!open.ok) return open;
  let readyGoals = 0;
  let readyTasks = 0;
  for (const goal of open.value) {
    const tasks = await goals.tasks(goal.id);
    if (!tasks.ok) return err(tasks.error);
    readyTasks += tasks.value.filter(({ state }) => state === "open" || state === "planned").length;
    // An ended goal that is still in this list has tasks to be taken out of the queue.
    if (goal.paused === null) readyGoals += 1;
  }
  return ok({ readyGoals, readyTasks });
}
