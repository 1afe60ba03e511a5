/** A broken invariant: a bug in drover, never a fault of its input. Caught once, at a service boundary. */
export class InvariantBroken extends Error {
  override readonly name = "InvariantBroken";
}

/** Throws {@link InvariantBroken} unless `condition` holds. `rule` names the invariant: `Q3: …`. */
export function assert(condition: boolean, rule: string): asserts condition {
  if (!condition) throw new InvariantBroken(rule);
}

/** @returns `value`, or throws {@link InvariantBroken} when it is undefined or null. */
export function present<T>(value: T | undefined | null, rule: string): T {
  if (value === undefined || value === null) throw new InvariantBroken(rule);
  return value;
}
