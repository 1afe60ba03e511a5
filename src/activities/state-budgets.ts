/** What the states of the mind may spend. */
import type { ActiveState } from "#fsm";

/** Whole percents of what each state of the mind may spend; 0 is spent. */
export interface StateBudgets {
  leftPercent(): Readonly<Record<ActiveState, number>>;
}

/** Where nobody limits the states: the budgets of models hold all the same. */
export const UNLIMITED_STATES: StateBudgets = {
  leftPercent: () => ({ executing: 100, improving: 100, contemplating: 100, healing: 100 }),
};
