/**
 * What was spent, and whether more may be. Windows are whole hours and days of UTC: what is spent is free again at the
 * next full hour or midnight.
 */
/** What of a reply counts for budgets. */
export type SpentEntry = {
  readonly atMs: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costMicrodollars: number;
};

export const BUDGET_WINDOWS = { hour: 3_600_000, day: 86_400_000 } as const;
export type BudgetWindow = keyof typeof BUDGET_WINDOWS;

/** What happens to a request that a budget does not cover. `queue` waits until the window ends. */
export const BUDGET_ACTIONS = ["warn", "localOnly", "queue", "refuse"] as const;
export type BudgetAction = (typeof BUDGET_ACTIONS)[number];

export type Budget = {
  readonly window: BudgetWindow;
  /** Null: no limit of this kind. */
  readonly limitMicrodollars: number | null;
  readonly limitTokens: number | null;
  readonly action: BudgetAction;
};

export type Spent = { readonly costMicrodollars: number; readonly tokens: number };

/** What was spent in the current windows. */
export type BudgetUsage = {
  readonly spent: (window: BudgetWindow, nowMs: number) => Spent;
};

const NOTHING_SPENT: Spent = { costMicrodollars: 0, tokens: 0 };

/** Keeps the sums of the current hour and day; two of them, whatever is spent. */
export class BudgetCounter implements BudgetUsage {
  readonly #sums = new Map<BudgetWindow, { startMs: number; spent: Spent }>();

  add({ atMs, promptTokens, completionTokens, costMicrodollars }: SpentEntry): void {
    for (const window of ["hour", "day"] as const) {
      this.#add(window, atMs, { costMicrodollars, tokens: promptTokens + completionTokens });
    }
  }

  spent(window: BudgetWindow, nowMs: number): Spent {
    const sum = this.#sums.get(window);
    return sum?.startMs === windowStartMs(window, nowMs) ? sum.spent : NOTHING_SPENT;
  }

  #add(window: BudgetWindow, atMs: number, added: Spent): void {
    const startMs = windowStartMs(window, atMs);
    const before = this.#sums.get(window);
    if (before !== undefined && before.startMs > startMs) return; // of a window that has passed
    const spent = before?.startMs === startMs ? before.spent : NOTHING_SPENT;
    const costMicrodollars = spent.costMicrodollars + added.costMicrodollars;
    this.#sums.set(window, { startMs, spent: { costMicrodollars, tokens: spent.tokens + added.tokens } });
  }
}

/** When the window that holds an instant began. */
export function windowStartMs(window: BudgetWindow, atMs: number): number {
  return Math.floor(atMs / BUDGET_WINDOWS[window]) * BUDGET_WINDOWS[window];
}

export type BudgetDecision =
  | { readonly kind: "allowed" }
  /** `action` is the strictest of the budgets that do not cover it; `freesAtMs` when the last of these is free again. */
  | {
      readonly kind: BudgetAction;
      readonly reason: string;
      readonly freesAtMs: number;
      readonly budget: Budget;
    };

/** Checks a request before it is sent. @param estimate what it will cost as far as one can tell */
export function checkBudget(
  usage: BudgetUsage,
  budgets: readonly Budget[],
  estimate: Spent,
  nowMs: number,
): BudgetDecision {
  let worst: Exclude<BudgetDecision, { kind: "allowed" }> | null = null;
  for (const budget of budgets) {
    const spent = usage.spent(budget.window, nowMs);
    const reason = overReason(budget, spent, estimate);
    if (reason === null) continue;
    const freesAtMs = windowStartMs(budget.window, nowMs) + BUDGET_WINDOWS[budget.window];
    const strictness = (action: BudgetAction): number => BUDGET_ACTIONS.indexOf(action);
    if (worst === null || strictness(budget.action) > strictness(worst.kind)) {
      worst = { kind: budget.action, reason, freesAtMs, budget };
    } else if (budget.action === worst.kind && freesAtMs > worst.freesAtMs) {
      worst = { kind: budget.action, reason, freesAtMs, budget };
    }
  }
  return worst ?? { kind: "allowed" };
}

function overReason(budget: Budget, spent: Spent, estimate: Spent): string | null {
  const { limitMicrodollars, limitTokens, window } = budget;
  if (limitMicrodollars !== null && spent.costMicrodollars + estimate.costMicrodollars > limitMicrodollars) {
    const parts = `${dollars(spent.costMicrodollars)} of ${dollars(limitMicrodollars)} are spent`;
    return `the budget of this ${window} does not cover it: ${parts}, it would cost ${dollars(estimate.costMicrodollars)}`;
  }
  if (limitTokens !== null && spent.tokens + estimate.tokens > limitTokens) {
    const parts = `${spent.tokens} of ${limitTokens} tokens are used`;
    return `the budget of this ${window} does not cover it: ${parts}, it would take ${estimate.tokens}`;
  }
  return null;
}

function dollars(microdollars: number): string {
  return `$${(microdollars / 1_000_000).toFixed(microdollars < 10_000 ? 6 : 2)}`;
}

/** Parts of a budget at which people are told. */
export const BUDGET_ALERT_RATIOS = [0.8, 1] as const;
export type BudgetAlert = { readonly budget: Budget; readonly ratio: number; readonly text: string };

/**
 * Alerts that this entry causes: each threshold once per window, when it is passed and not while it stays passed.
 * @param before spent before the entry, in the entry's window. @param after with it.
 */
export function budgetAlerts(budget: Budget, before: Spent, after: Spent): readonly BudgetAlert[] {
  const was = usedRatio(budget, before);
  const is = usedRatio(budget, after);
  return BUDGET_ALERT_RATIOS.filter((ratio) => was < ratio && is >= ratio).map((ratio) => {
    return { budget, ratio, text: `${Math.round(is * 100)} % of the budget of this ${budget.window} is used` };
  });
}

/** The fuller of its two limits. */
function usedRatio({ limitMicrodollars, limitTokens }: Budget, spent: Spent): number {
  const cost = limitMicrodollars === null ? 0 : share(spent.costMicrodollars, limitMicrodollars);
  const tokens = limitTokens === null ? 0 : share(spent.tokens, limitTokens);
  return Math.max(cost, tokens);
}

function share(spent: number, limit: number): number {
  return limit > 0 ? spent / limit : 1;
}
