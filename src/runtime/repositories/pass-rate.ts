import { TIERS } from "#hw";
import type { PassLedger } from "#scheduler";

/** Fewer outcomes say nothing of a model. */
const ENOUGH_SAMPLES = 10;

/** @returns the share of a model's tasks that pass, by its worst tier; null when too few are known. */
export function passRateOf(passes: Pick<PassLedger, "rate">, model: string): number | null {
  const known = TIERS.map((tier) => passes.rate(model, tier)).filter(({ samples }) => samples >= ENOUGH_SAMPLES);
  return known.length === 0 ? null : Math.min(...known.map(({ mean }) => mean));
}
