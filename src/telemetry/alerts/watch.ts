import type { Alerts, Severity } from "./alert.ts";
import { CALM, type Condition, stepCondition } from "./condition.ts";
import type { Readings, Rule } from "./rules.ts";

/** Which part of the node found what these rules find. */
export const RULES_SOURCE = "rules";

/** Something a rule looked at, and what it is now. */
export type RuleState = { readonly key: string; readonly value: number | null; readonly condition: Condition };

/** Figures a rule may have at once; a rule with more looks at the first. */
const MAX_SUBJECTS = 100;

/** Carries the conditions of all rules from look to look. */
export class RuleWatch {
  readonly rules: readonly Rule[];
  readonly #alerts: Alerts;
  #states: ReadonlyMap<string, RuleState>;

  /** @param open keys that are raised already, with their severity: the node was started anew */
  constructor(rules: readonly Rule[], alerts: Alerts, open: readonly { key: string; severity: Severity }[]) {
    this.rules = rules;
    this.#alerts = alerts;
    this.#states = new Map(
      open.map(({ key, severity }) => [key, { key, value: null, condition: { ...CALM, held: severity } }]),
    );
  }

  states(): readonly RuleState[] {
    return [...this.#states.values()];
  }

  /** Looks at everything once. What is not read any more counts as not known, and is over when its rule is gone. */
  look(readings: Readings, nowMs: number): void {
    const next = new Map<string, RuleState>();
    for (const rule of this.rules) {
      for (const [subject, { value, says }] of Object.entries(readings[rule.name]).slice(0, MAX_SUBJECTS)) {
        const key = subject === "" ? rule.name : `${rule.name}:${subject}`;
        const before = this.#states.get(key)?.condition ?? CALM;
        const condition = stepCondition(before, value, rule.thresholds, nowMs);
        next.set(key, { key, value, condition });
        if (condition.held !== null && value !== null && value > rule.thresholds.clearAt) {
          const message = `${says}. ${rule.remedy}`;
          this.#alerts.raise({ key, severity: condition.held, title: rule.title, message, source: RULES_SOURCE });
        } else if (condition.held === null && before.held !== null) this.#alerts.resolve(key);
      }
    }
    for (const [key, { condition }] of this.#states) {
      if (!next.has(key) && condition.held !== null) this.#alerts.resolve(key);
    }
    this.#states = next;
  }
}
