/** On goals whose text somebody outside wrote, and on every task of theirs. Nothing that a model says puts it there or takes it away. */
export const UNTRUSTED_LABEL = "drover.untrusted";

/** @returns whether what bears these labels is held to the least that it needs. Whatever the value: `false` trusts nobody. */
export function isUntrusted(labels: Readonly<Record<string, unknown>>): boolean {
  return Object.hasOwn(labels, UNTRUSTED_LABEL);
}
