/**
 * Versions of releases: semantic versions (semver.org, 2.0.0) without build metadata, because two builds that differ
 * only there have no order, and "is it newer" must always have an answer.
 */
declare const brand: unique symbol;
/** A version that was parsed; safe as the name of a folder. */
export type Version = string & { readonly [brand]: "Version" };

/** Longer than any version that a person reads; a folder is named after it. */
const MAX_VERSION_CHARS = 64;
const NUMBER = "(?:0|[1-9]\\d{0,8})";
const LABEL = "(?:0|[1-9]\\d{0,8}|\\d*[A-Za-z-][0-9A-Za-z-]*)";
const PATTERN = new RegExp(`^(${NUMBER})\\.(${NUMBER})\\.(${NUMBER})(?:-(${LABEL}(?:\\.${LABEL})*))?$`);

/** @returns the version, or undefined when the text is not exactly one. */
export function parseVersion(text: string): Version | undefined {
  return text.length <= MAX_VERSION_CHARS && PATTERN.test(text) ? (text as Version) : undefined; // `as`: just checked
}

/** Negative when `a` is older than `b`, positive when newer, 0 when they are the same (semver.org, section 11). */
export function compareVersions(a: Version, b: Version): number {
  const [left, right] = [PATTERN.exec(a) ?? [], PATTERN.exec(b) ?? []];
  for (const part of [1, 2, 3]) {
    const order = Number(left[part]) - Number(right[part]);
    if (order !== 0) return order;
  }
  return compareLabels(left[4], right[4]);
}

/** A version without labels is newer than the same with them. */
function compareLabels(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return Number(b !== undefined) - Number(a !== undefined);
  const [left, right] = [a.split("."), b.split(".")];
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const order = compareLabel(left[index] ?? "", right[index] ?? "");
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function compareLabel(a: string, b: string): number {
  const [aNumber, bNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (aNumber && bNumber) return Number(a) - Number(b);
  if (aNumber !== bNumber) return aNumber ? -1 : 1;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
