/** Numbers of the machine with their unit, for people. */
import { FAULT_MEASURES, type FaultKind } from "./facts.ts";

const UNITS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
] as const;

/** In the largest unit that leaves nothing over. */
export function duration(ms: number): string {
  const [unitMs, unit] = UNITS.find(([length]) => ms >= length && ms % length === 0) ?? [1, "ms"];
  return `${ms / unitMs} ${unit}`;
}

/** @returns the level of a fault with what it counts: `3 tasks`, `95 %`, `5 s`. */
export function levelText(kind: FaultKind, level: number): string {
  const { unit } = FAULT_MEASURES[kind];
  return unit === "ms" ? duration(level) : `${level} ${unit}`;
}
