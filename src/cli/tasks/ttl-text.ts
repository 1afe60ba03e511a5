import { err, ok, type Result } from "#base";

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads how long something is to be good for, in milliseconds; how long it may be, the node says. */
export function readTtl(text: string): Result<number, string> {
  const [, count = "", unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const unitMs = UNITS_MS[unit];
  return unitMs === undefined
    ? err(`must be a time such as 30m, 12h or 7d, not "${text}"`)
    : ok(Number(count) * unitMs);
}
