/** Durations, instants, sizes and money as people read and write them. */
import { err, ok, type Result } from "#base";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads `500ms`, `30s`, `5m`, `1h30m`, `2d`; a number without a unit is seconds, as in sleep(1) and timeout(1).
 * @returns milliseconds, or what is wrong.
 */
export function parseDurationMs(text: string): Result<number, string> {
  if (/^\d+(\.\d+)?$/.test(text)) return ok(Math.round(Number(text) * 1_000));
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return err(`"${text}" is not a duration such as 30s, 5m or 1h30m`);
  let sumMs = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    sumMs += Number(amount) * (UNIT_MS[unit ?? ""] ?? 0);
  }
  return ok(Math.round(sumMs));
}

/** @returns two units at most: `420 ms`, `3.2 s`, `2 m 5 s`, `3 h 12 m`, `4 d 6 h`. */
export function durationText(ms: number): string {
  if (ms < 0) return `-${durationText(-ms)}`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return pair(Math.floor(seconds / 60), "m", seconds % 60, "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return pair(Math.floor(minutes / 60), "h", minutes % 60, "m");
  const hours = Math.round(minutes / 60);
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** One unit, for narrow columns: `12 s`, `3 m`, `5 h`, `2 d`. An instant in the future (clocks differ) is `0 s`. */
export function ageText(atMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - atMs) / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** @returns the instant in UTC to the second: `2026-11-21 08:03:11Z`. */
export function instantText(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace("T", " ")}Z`;
}

/** Reads an RFC 3339 instant, or `+10m` from `nowMs`. @returns RFC 3339 in UTC, or what is wrong. */
export function parseInstant(text: string, nowMs: number): Result<string, string> {
  if (text.startsWith("+")) {
    const delay = parseDurationMs(text.slice(1));
    return delay.ok ? ok(new Date(nowMs + delay.value).toISOString()) : delay;
  }
  if (!/^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:\d{2})$/.test(text)) {
    return err(`"${text}" is not an instant such as 2027-01-31T08:00:00Z or +10m`);
  }
  const atMs = Date.parse(text.replace(" ", "T"));
  return Number.isNaN(atMs) ? err(`"${text}" names no existing instant`) : ok(new Date(atMs).toISOString());
}

const UNIT_BYTES: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** @returns bytes of `24G`, `512MiB` or a plain number, counted in powers of 1024; null when it is no such size. */
export function parseBytes(text: string): number | null {
  const match = /^(\d{1,15}(?:\.\d{1,3})?)([KMGT]?)(?:i?B)?$/i.exec(text);
  const bytes = Math.round(Number(match?.[1]) * (UNIT_BYTES[match?.[2]?.toUpperCase() ?? ""] ?? Number.NaN));
  return Number.isSafeInteger(bytes) ? bytes : null;
}

export function bytesText(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let size = bytes / 1_024;
  let unit = 0;
  while (size >= 1_023.95 && unit < units.length - 1) {
    size /= 1_024;
    unit += 1;
  }
  return `${size.toFixed(1)} ${units[unit] ?? ""}`;
}

/** A share of something, in percent; null is unknown. */
export function percentText(ratio: number | null): string {
  return ratio === null ? "unknown" : `${Math.round(ratio * 100)} %`;
}

/** How much of something is free; null is unknown. */
export function freeText(freeBytes: number | null, totalBytes: number | null): string {
  if (totalBytes === null) return freeBytes === null ? "unknown" : `${bytesText(freeBytes)} free`;
  return freeBytes === null
    ? `${bytesText(totalBytes)} in all`
    : `${bytesText(freeBytes)} free of ${bytesText(totalBytes)}`;
}

/** @returns dollars to four places: model calls cost fractions of a cent. */
export function moneyText(microdollars: number): string {
  return `$${(microdollars / 1_000_000).toFixed(4)}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
