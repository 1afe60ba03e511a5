/** What the states of the mind may spend. */
import type { ActiveState } from "#fsm";

/** Whole percents of what each state of the mind may spend; 0 is spent. */
export interface StateBudgets {
  leftPercent(): Readonly<Record<ActiveState, number>>;
}
