/** A rule of the mind that does not hold; `FSM4: …`. */
export class Violation extends Error {
  override readonly name = "Violation";
}

export function holds(condition: boolean, rule: string): asserts condition {
  if (!condition) throw new Violation(rule);
}
