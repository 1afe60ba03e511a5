/** What the states of the mind have spent in the whole fleet, from the attempts that ended. */
import { type Clock, describeFailure, type Logger, type TaskId } from "#base";
import type { Admission, RequestContext } from "#inference";
import type { CostSum, Queue } from "#queue";
import {
  budgetsOfState,
  isSpent,
  leftPercentOf,
  MIND_LABEL,
  NOTHING_SPENT,
  SPENDING_STATES,
  type SpendingState,
  type SpentInWindows,
  type StateAction,
  type StateBudget,
  type StateBudgets,
  stateOfLabel,
} from "#telemetry";
import type { Config } from "../config/settings.ts";

/** Labels of the mind are few; more than these are no sort of task. */
const MAX_LABELS = 200;
/** Tasks whose label is remembered; those that run are far fewer. */
const MAX_TASKS = 2_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

export type StateView = {
  readonly state: SpendingState;
  readonly leftPercent: number;
  readonly action: StateAction;
  readonly budgets: readonly StateBudget[];
};

export type StateSpendingParts = {
  readonly config: Config;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** As of the last look; what an attempt takes counts when it has ended. */
export class StateSpending implements StateBudgets {
  readonly #parts: StateSpendingParts;
  readonly #states = new Map<string, SpendingState | null>();
  #spent: ReadonlyMap<SpendingState, SpentInWindows> = new Map();

  constructor(parts: StateSpendingParts) {
    this.#parts = parts;
  }

  /** Sums anew. Never throws. */
  async look(): Promise<void> {
    const { queue, clock, logger } = this.#parts;
    if (!this.#hasLimits()) return;
    const nowMs = clock.nowMs();
    const sums = (spanMs: number) =>
      queue.store.costs({
        fromMs: Math.floor(nowMs / spanMs) * spanMs,
        toMs: nowMs + 1,
        by: { label: MIND_LABEL },
        limit: MAX_LABELS,
      });
    const [hour, day] = await Promise.all([sums(HOUR_MS), sums(DAY_MS)]);
    if (hour.ok && day.ok) {
      this.#spent = new Map(
        SPENDING_STATES.map((state) => [state, { hour: spentBy(state, hour.value), day: spentBy(state, day.value) }]),
      );
      return;
    }
    const failure = [hour, day].find((one) => !one.ok);
    if (failure?.ok === false) logger.warn("costs could not be summed", { failure: describeFailure(failure.error) });
  }

  leftPercent(): Readonly<Record<SpendingState, number>> {
    const left = (state: SpendingState): number => leftPercentOf(this.#budgets(state), this.#action);
    return {
      executing: left("executing"),
      improving: left("improving"),
      contemplating: left("contemplating"),
      healing: left("healing"),
    };
  }

  view(): readonly StateView[] {
    const action = this.#action;
    return SPENDING_STATES.map((state) => {
      const budgets = this.#budgets(state);
      return { state, leftPercent: leftPercentOf(budgets, action), action, budgets };
    });
  }

  /** What a request may do for what its task's state has spent. The first request of a task is let through. */
  admit({ taskId, priority }: RequestContext): Admission {
    if (taskId === undefined || this.#action !== "localOnly" || !this.#hasLimits() || priority === "critical") {
      return { kind: "allowed" };
    }
    const state = this.#stateOf(taskId);
    const spent = state === null ? undefined : this.#budgets(state).find(isSpent);
    if (spent === undefined) return { kind: "allowed" };
    const { span, unit, limit } = spent;
    return { kind: "localOnly", reason: `the ${unit} of ${spent.state} for this ${span} are used up: ${limit}` };
  }

  get #action(): StateAction {
    return this.#parts.config["budgets.state_action"];
  }

  #hasLimits(): boolean {
    return Object.keys(this.#parts.config["budgets.states"]).length > 0;
  }

  #budgets(state: SpendingState): readonly StateBudget[] {
    const limits = this.#parts.config["budgets.states"][state];
    return limits === undefined ? [] : budgetsOfState(state, limits, this.#spent.get(state) ?? NOTHING_SPENT);
  }

  #stateOf(taskId: string): SpendingState | null {
    const known = this.#states.get(taskId);
    if (known !== undefined) return known;
    if (this.#states.size >= MAX_TASKS) this.#states.clear();
    this.#states.set(taskId, null);
    // `as`: the context of a request names a task of the queue.
    void this.#parts.queue.store.find(taskId as TaskId).then((found) => {
      const label = found.ok ? found.value?.labels[MIND_LABEL] : undefined;
      if (!found.ok) this.#states.delete(taskId);
      else if (label !== undefined) this.#states.set(taskId, stateOfLabel(label));
    });
    return null;
  }
}

function spentBy(state: SpendingState, sums: readonly CostSum[]): SpentInWindows["hour"] {
  const own = sums.filter(({ group }) => stateOfLabel(group) === state);
  return {
    tokens: own.reduce((sum, { tokens }) => sum + tokens, 0),
    costMicrodollars: own.reduce((sum, { costMicrodollars }) => sum + costMicrodollars, 0),
  };
}
