/** How often models pass the verification of tasks of a tier, and where it is worth to begin. */
import { TIERS, type Tier } from "#hw";

/** Passed and failed, fading: older outcomes weigh less once there are many. */
export type PassRow = {
  readonly model: string;
  /** The tier that the task was classified as. */
  readonly tier: Tier;
  readonly passed: number;
  readonly failed: number;
};

export type PassRate = {
  /** Of the Beta distribution with a uniform prior: (passed + 1) / (samples + 2). */
  readonly mean: number;
  /** One standard deviation below and above it. */
  readonly low: number;
  readonly high: number;
  readonly samples: number;
};

/** Counts beyond this are halved, so that a new version of a model under an old name shows within as many tasks. */
const MAX_COUNT = 200;
/** Fewer say nothing: after 10 passes in a row the low bound is 0.84. */
const ENOUGH_SAMPLES = 10;
/** A model of a smaller tier is begun with when its low bound clears this. */
export const PASS_BAR = 0.75;
const MAX_ROWS = 3_000;

export type StartTier = { readonly tier: Tier; readonly reason: string };

/** Beta counts by model and tier. */
export class PassLedger {
  readonly #rows = new Map<string, PassRow>();

  record(model: string, tier: Tier, passed: boolean): void {
    const key = keyOf(model, tier);
    const row = this.#rows.get(key) ?? { model, tier, passed: 0, failed: 0 };
    const scale = row.passed + row.failed >= MAX_COUNT ? 0.5 : 1;
    this.#keep(key, {
      model,
      tier,
      passed: row.passed * scale + (passed ? 1 : 0),
      failed: row.failed * scale + (passed ? 0 : 1),
    });
  }

  rate(model: string, tier: Tier): PassRate {
    const { passed, failed } = this.#rows.get(keyOf(model, tier)) ?? { passed: 0, failed: 0 };
    const a = passed + 1;
    const b = failed + 1;
    const mean = a / (a + b);
    const deviation = Math.sqrt((a * b) / ((a + b) ** 2 * (a + b + 1)));
    return {
      mean,
      low: Math.max(0, mean - deviation),
      high: Math.min(1, mean + deviation),
      samples: Math.round(passed + failed),
    };
  }

  /**
   * Where to begin with a task of a tier: at the smallest tier whose first model was measured on such tasks and clears
   * the bar; at the task's own tier when none is; above it when its own first model was measured and cannot reach it.
   * @param firstModels the first model of each tier's chain; undefined where there is none.
   * @param mayMeasure whether this task may be the one by which a smaller tier is measured: nothing else would ever
   * run it there. The nearest tier is, until its model is known to clear the bar or not to.
   */
  startTier(
    tier: Tier,
    firstModels: Readonly<Partial<Record<Tier, string>>>,
    { bar = PASS_BAR, mayMeasure = false }: { readonly bar?: number; readonly mayMeasure?: boolean } = {},
  ): StartTier {
    const smallerTiers = TIERS.slice(0, TIERS.indexOf(tier));
    for (const smaller of smallerTiers) {
      const model = firstModels[smaller];
      if (model === undefined) continue;
      const rate = this.rate(model, tier);
      if (rate.samples >= ENOUGH_SAMPLES && rate.low >= bar) {
        return { tier: smaller, reason: `${model} passes ${percent(rate.mean)} of ${rate.samples} ${tier} tasks` };
      }
    }
    const nearest = smallerTiers.findLast((smaller) => firstModels[smaller] !== undefined);
    if (mayMeasure && nearest !== undefined) {
      const rate = this.rate(firstModels[nearest] ?? "", tier);
      const isTooWeak = rate.samples >= ENOUGH_SAMPLES && rate.high < bar;
      if (!isTooWeak) return { tier: nearest, reason: `one in a few ${tier} tasks measures the tier below` };
    }
    for (const each of TIERS.slice(TIERS.indexOf(tier))) {
      const model = firstModels[each];
      if (model === undefined) continue;
      const rate = this.rate(model, tier);
      const isTooWeak = rate.samples >= ENOUGH_SAMPLES && rate.high < bar && each !== TIERS.at(-1);
      if (!isTooWeak) {
        if (each === tier) return { tier, reason: `${tier} tasks begin with the models of their own tier` };
        return { tier: each, reason: `the models before it pass too few ${tier} tasks` };
      }
    }
    return { tier, reason: `${tier} tasks begin with the models of their own tier` };
  }

  /** @returns what is known of every model and tier. */
  rates(): readonly (Pick<PassRow, "model" | "tier"> & PassRate)[] {
    return this.toRows().map(({ model, tier }) => ({ model, tier, ...this.rate(model, tier) }));
  }

  toRows(): readonly PassRow[] {
    return [...this.#rows.values()];
  }

  /** Takes in what a store kept; counts already made here stay. */
  fromRows(rows: readonly PassRow[]): void {
    for (const row of rows) {
      const key = keyOf(row.model, row.tier);
      if (this.#rows.has(key) || !(row.passed >= 0) || !(row.failed >= 0)) continue;
      this.#keep(key, row);
    }
  }

  #keep(key: string, row: PassRow): void {
    this.#rows.delete(key);
    this.#rows.set(key, row);
    if (this.#rows.size <= MAX_ROWS) return;
    const oldest = this.#rows.keys().next();
    if (oldest.done !== true) this.#rows.delete(oldest.value);
  }
}

function keyOf(model: string, tier: Tier): string {
  return `${tier}\n${model}`;
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}
