import type { BudgetState } from "#api";
import { type Clock, describeFailure, type Logger, ok, type Result } from "#base";
import type { Admission, ModelStore, RequestContext, TokenUsage, UsageEntry } from "#inference";
import {
  BUDGET_WINDOWS,
  type Budget,
  BudgetCounter,
  budgetAlerts,
  checkBudget,
  energyCost,
  type ModelPrice,
  priceOf,
  type Spent,
  tokenCost,
  windowStartMs,
} from "#scheduler";
import type { Config } from "../config/settings.ts";

/** Endpoints and models in one answer of the store; a fleet has fewer. */
const MAX_GROUPS = 1_000;

/** How the use of a budget is told of: once per threshold and window, when it is passed. */
export type BudgetAlarm = {
  readonly kind: "budget.warned" | "budget.reached";
  readonly text: string;
  readonly state: BudgetState;
};

export type SpendingParts = {
  readonly config: Config;
  readonly store: ModelStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly alarm: (alarm: BudgetAlarm) => void;
};

/** What models cost, what was spent, and whether more may be. */
export class Spending {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #store: ModelStore;
  readonly #config: Config;
  readonly #counter = new BudgetCounter();
  readonly #alarm: (alarm: BudgetAlarm) => void;
  #alsoAdmit: (context: RequestContext) => Admission = () => ({ kind: "allowed" });
  /** The latest entry on its way into the store. */
  #lastKept: Promise<unknown> = Promise.resolve();

  constructor({ config, store, clock, logger, alarm }: SpendingParts) {
    this.#clock = clock;
    this.#logger = logger;
    this.#store = store;
    this.#alarm = alarm;
    this.#config = config;
  }

  /** Read anew each time, as everything that a fleet may set. */
  get #budgets(): readonly Budget[] {
    return budgetsOf(this.#config);
  }

  /** Counts what was spent in this hour and this day before the start. */
  async load(): Promise<Result<void>> {
    const nowMs = this.#clock.nowMs();
    const dayMs = windowStartMs("day", nowMs);
    const hourMs = windowStartMs("hour", nowMs);
    for (const [fromMs, toMs] of [
      [dayMs, hourMs],
      [hourMs, nowMs + 1],
    ] as const) {
      const sums = await this.#store.usage({ fromMs, toMs, by: "endpoint", limit: MAX_GROUPS });
      if (!sums.ok) return sums;
      // Whoever is to be told was told when it was spent.
      for (const sum of sums.value) this.#counter.add({ ...sum, atMs: fromMs });
    }
    return ok(undefined);
  }

  priceMicrodollars(model: string, usage: TokenUsage, energyJoules: number | null): number {
    const { promptTokens, completionTokens, cachedPromptTokens = 0 } = usage;
    const tokens = { promptTokens, completionTokens, cachedTokens: cachedPromptTokens };
    return (
      tokenCost(tokens, priceOf(model, pricesOf(this.#config))) +
      energyCost(energyJoules, this.#config["budgets.dollars_per_kwh"])
    );
  }

  /** Asks `admit` too, from now on: whoever keeps further budgets. */
  alsoAdmit(admit: (context: RequestContext) => Admission): void {
    this.#alsoAdmit = admit;
  }

  /** As {@link admit}, and for what else is kept of whoever asks. */
  admitFor(context: RequestContext): Admission {
    const admission = this.admit();
    return admission.kind === "allowed" ? this.#alsoAdmit(context) : admission;
  }

  /** Before a request: what its reply will cost is not known yet, so a budget ends it once it is used up. */
  admit(): Admission {
    const nowMs = this.#clock.nowMs();
    const nothing = { costMicrodollars: 1, tokens: 1 };
    const decision = checkBudget(this.#counter, this.#budgets, nothing, nowMs);
    switch (decision.kind) {
      case "allowed":
      case "warn":
        return { kind: "allowed" };
      case "localOnly":
        return { kind: "localOnly", reason: this.#usedUp(decision.budget, nowMs) };
      case "queue":
      case "refuse": {
        const retryAfterMs = decision.kind === "queue" ? Math.max(0, decision.freesAtMs - nowMs) : null;
        return { kind: "refused", reason: this.#usedUp(decision.budget, nowMs), retryAfterMs };
      }
    }
  }

  #usedUp({ window, limitMicrodollars, limitTokens }: Budget, nowMs: number): string {
    const spent = this.#counter.spent(window, nowMs);
    const amount =
      limitMicrodollars === null
        ? `${spent.tokens} of ${limitTokens ?? 0} tokens`
        : `$${(spent.costMicrodollars / 1e6).toFixed(4)} of $${(limitMicrodollars / 1e6).toFixed(4)}`;
    const until = new Date(windowStartMs(window, nowMs) + BUDGET_WINDOWS[window]).toISOString().slice(0, 16);
    return `the budget of this ${window} is used up: ${amount}, until ${until}Z`;
  }

  /** Accounts a reply, durably, and says when a budget comes to its end. */
  record(entry: UsageEntry): void {
    this.#count(entry);
    this.#lastKept = this.#store.record(entry).then((kept) => {
      if (!kept.ok) this.#logger.error("the use of a model was not recorded", { failure: describeFailure(kept.error) });
    });
  }

  /** What was recorded of an attempt up to now, and whether anything was. */
  async spentBy(taskId: string, attempt: number): Promise<Result<Spent & { readonly requests: number }>> {
    await this.#lastKept;
    const span = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
    const sums = await this.#store.usage({ ...span, by: "attempt", taskId, limit: MAX_GROUPS });
    if (!sums.ok) return sums;
    const sum = sums.value.find(({ group }) => group === `${taskId}/${attempt}`);
    if (sum === undefined) return ok({ requests: 0, tokens: 0, costMicrodollars: 0 });
    const { requests, promptTokens, completionTokens, costMicrodollars } = sum;
    return ok({ requests, tokens: promptTokens + completionTokens, costMicrodollars });
  }

  states(): readonly BudgetState[] {
    const nowMs = this.#clock.nowMs();
    return this.#budgets.map((budget) => this.#stateOf(budget, nowMs));
  }

  #stateOf(budget: Budget, nowMs: number): BudgetState {
    const { window: span, action } = budget;
    const spent = this.#counter.spent(span, nowMs);
    const isMoney = budget.limitMicrodollars !== null;
    return {
      span,
      unit: isMoney ? "microdollars" : "tokens",
      limit: (isMoney ? budget.limitMicrodollars : budget.limitTokens) ?? 0,
      used: isMoney ? spent.costMicrodollars : spent.tokens,
      action,
      freesAtMs: windowStartMs(span, nowMs) + BUDGET_WINDOWS[span],
    };
  }

  #count(entry: UsageEntry): void {
    const budgets = this.#budgets;
    const before = budgets.map(({ window }) => this.#counter.spent(window, entry.atMs));
    this.#counter.add(entry);
    for (const [index, budget] of budgets.entries()) {
      const was = before[index];
      if (was === undefined) continue;
      const alerts = budgetAlerts(budget, was, this.#counter.spent(budget.window, entry.atMs));
      // A reply that passes two thresholds at once is told of once.
      const alert = alerts.at(-1);
      if (alert === undefined) continue;
      this.#logger.warn(alert.text, { action: budget.action });
      const kind = alert.ratio < 1 ? "budget.warned" : "budget.reached";
      this.#alarm({ kind, text: alert.text, state: this.#stateOf(budget, entry.atMs) });
    }
  }
}

/** One budget for each limit that is set: money and tokens run out at different times. */
function budgetsOf(config: Config): readonly Budget[] {
  const action = config["budgets.action"];
  const money = (window: "hour" | "day", limit: number): Budget[] =>
    limit > 0 ? [{ window, limitMicrodollars: limit, limitTokens: null, action }] : [];
  const tokens = (window: "hour" | "day", limit: number): Budget[] =>
    limit > 0 ? [{ window, limitMicrodollars: null, limitTokens: limit, action }] : [];
  return [
    ...money("hour", config["budgets.hour_microdollars"]),
    ...money("day", config["budgets.day_microdollars"]),
    ...tokens("hour", config["budgets.hour_tokens"]),
    ...tokens("day", config["budgets.day_tokens"]),
  ];
}

function pricesOf(config: Config): readonly ModelPrice[] {
  return Object.entries(config["budgets.prices"]).map(([model, price]) => ({
    model,
    inputPerMillion: price.input,
    outputPerMillion: price.output,
    cachedPerMillion: price.cached ?? null,
  }));
}
