/**
 * A breaker over a level, such as free disk or open tasks. Pure; the reading and the instant are arguments.
 *
 * L1: it opens at a bad reading and at no other.
 * L2: it closes at a good reading and at no other: between the two it stays as it is, so that it does not flutter.
 * L3: reset by a person, it lets everything through until a good reading came; then it may open again.
 * L4: each change is told once, in the step that makes it.
 */
export type Reading = "good" | "between" | "bad";

export type LevelBreaker = {
  readonly state: "closed" | "open" | "overridden";
  /** When it came into this state; null for one that was never open. */
  readonly sinceMs: number | null;
};

export type LevelEvent = { readonly kind: "read"; readonly reading: Reading } | { readonly kind: "reset" };
export type LevelChange = "opened" | "closed" | "reset" | null;

export const CLOSED: LevelBreaker = { state: "closed", sinceMs: null };

export function stepLevel(
  breaker: LevelBreaker,
  event: LevelEvent,
  nowMs: number,
): { readonly breaker: LevelBreaker; readonly change: LevelChange } {
  const { state } = breaker;
  const to = (next: LevelBreaker["state"], change: LevelChange) => ({
    breaker: { state: next, sinceMs: nowMs },
    change,
  });
  if (event.kind === "reset") return state === "open" ? to("overridden", "reset") : { breaker, change: null };
  if (state === "closed" && event.reading === "bad") return to("open", "opened");
  if (state !== "closed" && event.reading === "good") return to("closed", "closed");
  return { breaker, change: null };
}

/** Of a level that is bad when it is high. */
export function highIsBad(value: number, { opensAt, closesBelow }: { opensAt: number; closesBelow: number }): Reading {
  if (value >= opensAt) return "bad";
  return value < closesBelow ? "good" : "between";
}

/** Of a level that is bad when it is low. */
export function lowIsBad(value: number, { opensBelow, closesAt }: { opensBelow: number; closesAt: number }): Reading {
  if (value < opensBelow) return "bad";
  return value >= closesAt ? "good" : "between";
}
