/** One goal played to its end against a store in memory and a queue that answers by chance. No process, no clock. */
import { createIdFactory, type NodeId, type Random, SimulatedClock, seededRandom, type TaskId } from "#base";
import { checkSchema } from "#execution";
import {
  decide,
  type Goal,
  type GoalFacts,
  type GoalStep,
  type GoalSubmission,
  type GoalTask,
  goalViolations,
  hasGoalEnded,
  MemoryGoalStore,
  orderOf,
  type SeenTask,
  WAYS,
} from "#goals";
import { MemoryQueueStore } from "#queue";
import { must } from "../../support/opened-stores.ts";

export const VOCABULARY = { executors: ["shell", "ollama"], tiers: ["trivial", "standard"], check: checkSchema };
export const NODE = "n_06d3w4q000e7v9w2m5x1y3z6ab" as NodeId; // `as`: the form of an id
const NOTHING = { tokens: 0, costMicrodollars: 0 };
/** More steps than any goal takes; one that takes more goes round in circles. */
const MAX_STEPS = 600;

/** What may come of the tasks of a goal. */
export type Chances = {
  /** 0 … 1 */
  readonly taskFails: number;
  readonly planIsBad: number;
  readonly judgeIsBad: number;
  readonly checkFails: number;
  /** A step is decided and then lost before it is kept: the process died. */
  readonly dies: number;
};

export class GoalPlay {
  readonly store: MemoryGoalStore;
  readonly clock = new SimulatedClock();
  readonly random: Random;
  readonly queue = new Map<TaskId, SeenTask>();
  /** Key of a submission → its task: what makes a repetition one. */
  readonly keys = new Map<string, TaskId>();
  readonly faults: string[] = [];
  readonly #chances: Chances;
  readonly #ids;
  #bodies = new Map<TaskId, GoalTask>();

  constructor(seed: number, chances: Chances) {
    this.random = seededRandom(seed);
    this.#chances = chances;
    this.store = new MemoryGoalStore(new MemoryQueueStore());
    this.#ids = createIdFactory(this.clock, this.random);
  }

  async submit(submission: GoalSubmission): Promise<Goal> {
    const id = this.#ids.goal();
    must(await this.store.submit({ id, order: orderOf(submission), node: NODE, nowMs: this.clock.nowMs() }));
    return this.#goal(id);
  }

  /** Plays until nothing is left to be done. @returns the goal as it ended, with its tasks */
  async play(first: Goal): Promise<{ readonly goal: Goal; readonly tasks: readonly GoalTask[] }> {
    let goal = first;
    for (let steps = 0; steps < MAX_STEPS; steps += 1) {
      const tasks = must(await this.store.tasks(goal.id));
      const step = decide(goal, tasks, this.facts());
      if (step.kind === "settled") return { goal, tasks };
      if (step.kind === "wait" && goal.paused !== null && [...this.queue.values()].every(isOver))
        return { goal, tasks };
      if (step.kind === "wait") this.#endOne();
      else if (!this.#happens(this.#chances.dies)) await this.#carryOut(goal, step);
      const after = await this.#goal(goal.id);
      this.#check(goal, after, must(await this.store.tasks(goal.id)));
      goal = after;
      this.clock.advance(1);
    }
    this.faults.push(`it did not come to an end within ${MAX_STEPS} steps`);
    return { goal, tasks: must(await this.store.tasks(goal.id)) };
  }

  facts(): GoalFacts {
    return {
      nowMs: this.clock.nowMs(),
      seen: this.queue,
      mayBegin: true,
      repository: null,
      vocabulary: VOCABULARY,
      tier: "standard",
      home: { node: NODE, folder: "/goals/one" },
      homeLost: undefined,
    };
  }

  async #carryOut(goal: Goal, step: GoalStep): Promise<void> {
    switch (step.kind) {
      case "wait":
      case "settled":
      case "deliver":
        return;
      case "change":
        await this.store.save(goal, step.change, this.clock.nowMs());
        return;
      case "submit": {
        if (goal.paused !== null || hasGoalEnded(goal)) this.faults.push(`G8: ${goal.state} submits`);
        const rows = step.tasks.map((task): GoalTask => ({ ...task, state: "open", taskId: this.#enqueue(task) }));
        if (this.#happens(this.#chances.dies)) return;
        await this.store.save(goal, { goal, tasks: rows, events: [] }, this.clock.nowMs());
        return;
      }
      case "cancel": {
        for (const { taskId } of step.tasks) {
          const seen = taskId === null ? undefined : this.queue.get(taskId);
          if (taskId !== null && seen !== undefined && !isOver(seen))
            this.queue.set(taskId, { ...seen, state: "cancelled" });
        }
        await this.store.save(goal, step.change, this.clock.nowMs());
        return;
      }
    }
  }

  #enqueue(task: GoalTask): TaskId {
    const key = `${task.goalId}/${task.n}/${task.tries}`;
    const known = this.keys.get(key);
    if (known !== undefined) return known;
    const id = this.#ids.task();
    this.keys.set(key, id);
    this.queue.set(id, { state: "ready", error: null, reply: null, spent: NOTHING });
    this.#bodies.set(id, task);
    return id;
  }

  /** The oldest open task ends, by chance well or badly; dependents of a failed one die with it. */
  #endOne(): void {
    const next = [...this.queue].find(([, seen]) => !isOver(seen));
    if (next === undefined) {
      this.faults.push("it waits, and nothing is under way");
      return;
    }
    const [id, seen] = next;
    const task = this.#bodies.get(id);
    if (task === undefined) return;
    const { taskFails, planIsBad, judgeIsBad, checkFails } = this.#chances;
    const spent = { tokens: 10, costMicrodollars: 3 };
    const fails = { plan: planIsBad / 4, judge: judgeIsBad / 4, work: taskFails, check: checkFails }[task.kind];
    if (this.#happens(fails)) {
      this.queue.set(id, { ...seen, state: "dead", error: "it broke", spent });
      return;
    }
    const reply =
      task.kind === "plan" ? this.#plan(planIsBad, task) : task.kind === "judge" ? this.#judgement(judgeIsBad) : null;
    this.queue.set(id, { ...seen, state: "done", reply, spent });
  }

  #plan(bad: number, { n }: GoalTask): string {
    if (this.#happens(bad)) return this.random.next() < 0.5 ? "I would rather not." : '{"tasks":[]}';
    const count = 1 + Math.floor(this.random.next() * 3);
    const tasks = Array.from({ length: count }, (_, index) => ({
      key: `k${n}-${index}`,
      title: `do ${index}`,
      prompt: "do it",
      dependsOn: index > 0 && this.random.next() < 0.5 ? [`k${n}-${index - 1}`] : [],
    }));
    return JSON.stringify({ tasks });
  }

  #judgement(bad: number): string {
    if (this.#happens(bad)) return this.random.next() < 0.5 ? "Fine." : '{"criteria":[{"n":9,"met":true,"why":""}]}';
    return JSON.stringify({ criteria: [{ n: 1, met: this.random.next() < 0.7, why: "seen" }] });
  }

  #check(before: Goal, after: Goal, tasks: readonly GoalTask[]): void {
    this.faults.push(...goalViolations(after, tasks));
    if (before.state !== after.state && !WAYS[before.state].includes(after.state)) {
      this.faults.push(`G1: from ${before.state} to ${after.state}`);
    }
    if (after.spent.tokens < before.spent.tokens) this.faults.push("G9: what was spent fell");
  }

  #happens(chance: number): boolean {
    return this.random.next() < chance;
  }

  async #goal(id: Goal["id"]): Promise<Goal> {
    const goal = must(await this.store.find(id));
    if (goal === undefined) throw new Error("the goal is gone");
    return goal;
  }
}

function isOver({ state }: SeenTask): boolean {
  return state === "done" || state === "dead" || state === "cancelled";
}
