/**
 * What the states of the mind may spend, and how much of it is left. Windows are whole hours and days of UTC. Pure.
 */

export const SPENDING_STATES = ["executing", "improving", "contemplating", "healing"] as const;
export type SpendingState = (typeof SPENDING_STATES)[number];

/** Label of a task that the mind had the queue carry out; its value says for what. */
export const MIND_LABEL = "drover.mind";

/** Whole percents of what each state of the mind may still spend; 0 is spent. Answers at once. */
export interface StateBudgets {
  leftPercent(): Readonly<Record<SpendingState, number>>;
}

/** What happens when a state has spent its budget. */
export const STATE_ACTIONS = ["pause", "localOnly", "warn"] as const;
export type StateAction = (typeof STATE_ACTIONS)[number];

/** 0 or nothing: no limit of this kind. */
export type StateLimits = {
  readonly hour_tokens?: number | undefined;
  readonly day_tokens?: number | undefined;
  readonly hour_microdollars?: number | undefined;
  readonly day_microdollars?: number | undefined;
};

export type Spent = { readonly tokens: number; readonly costMicrodollars: number };
export type SpentInWindows = { readonly hour: Spent; readonly day: Spent };

export type StateBudget = {
  readonly state: SpendingState;
  readonly span: "hour" | "day";
  readonly unit: "tokens" | "microdollars";
  readonly limit: number;
  readonly used: number;
};

const NOTHING: Spent = { tokens: 0, costMicrodollars: 0 };
export const NOTHING_SPENT: SpentInWindows = { hour: NOTHING, day: NOTHING };

/** By how a label begins; tasks of goals are carried out whatever the goal came from. */
const STATE_OF: readonly (readonly [string, SpendingState])[] = [
  ["heal", "healing"],
  ["fix", "healing"],
  ["scan", "improving"],
  ["improv", "improving"],
  ["contemplat", "contemplating"],
  ["propos", "contemplating"],
];

/** @returns the state of the mind that a task with this label belongs to. */
export function stateOfLabel(label: string): SpendingState {
  return STATE_OF.find(([beginning]) => label.startsWith(beginning))?.[1] ?? "executing";
}

/** @returns one budget for each limit that is set. */
export function budgetsOfState(
  state: SpendingState,
  limits: StateLimits,
  spent: SpentInWindows,
): readonly StateBudget[] {
  const budgets: StateBudget[] = [];
  for (const span of ["hour", "day"] as const) {
    const tokens = limits[`${span}_tokens`] ?? 0;
    const money = limits[`${span}_microdollars`] ?? 0;
    if (tokens > 0) budgets.push({ state, span, unit: "tokens", limit: tokens, used: spent[span].tokens });
    if (money > 0) {
      budgets.push({ state, span, unit: "microdollars", limit: money, used: spent[span].costMicrodollars });
    }
  }
  return budgets;
}

/**
 * @returns what is left of the tightest of a state's budgets; 100 without one. With an action that lets a state go on it is
 *   never 0.
 */
export function leftPercentOf(budgets: readonly StateBudget[], action: StateAction): number {
  const left = Math.min(
    100,
    ...budgets.map(({ limit, used }) => (used >= limit ? 0 : Math.max(1, Math.floor((100 * (limit - used)) / limit)))),
  );
  return action === "pause" ? left : Math.max(1, left);
}

export function isSpent({ limit, used }: StateBudget): boolean {
  return used >= limit;
}
