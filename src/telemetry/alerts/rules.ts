/** What is looked at by itself, from figures that the node has anyway, and from which level on a person hears of it. */
import type { Thresholds } from "./condition.ts";

export const RULE_NAMES = [
  "queue_growing",
  "failure_rate",
  "stuck_tasks",
  "goals_waiting",
  "no_node",
  "hub_silent",
  "error_rate",
  "slow_p95",
  "utilisation",
  "budget",
  "disk",
  "audit_waiting",
] as const;
export type RuleName = (typeof RULE_NAMES)[number];

/** A figure of one thing that a rule looks at; null when it is not known now. */
export type Reading = { readonly value: number | null; readonly says: string };

/** Figures by rule, then by what they are of: "" for the one there is, a budget's name, a path. */
export type Readings = Readonly<Record<RuleName, Readonly<Record<string, Reading>>>>;

export type Rule = {
  readonly name: RuleName;
  readonly title: string;
  /** What the thresholds count. */
  readonly unit: string;
  /** What a person does about it. */
  readonly remedy: string;
  readonly thresholds: Thresholds;
};

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** Over which time growth and shares are counted. */
export const RULE_WINDOW_MS = 15 * MINUTE;
/** A share of fewer says nothing. */
export const MIN_SAMPLES = 10;

export const RULES: Readonly<Record<RuleName, Rule>> = {
  queue_growing: {
    name: "queue_growing",
    title: "The queue is growing",
    unit: "more open tasks than 15 minutes ago",
    remedy: "See what holds it up: drover queue, drover bottlenecks",
    thresholds: { warnAt: 500, criticalAt: 5_000, clearAt: 50, forMs: 2 * MINUTE, clearForMs: 5 * MINUTE },
  },
  failure_rate: {
    name: "failure_rate",
    title: "Many attempts fail",
    unit: "percent of the attempts that ended within 15 minutes",
    remedy: "See why: drover dead list, drover bottlenecks",
    thresholds: { warnAt: 50, criticalAt: 90, clearAt: 25, forMs: 2 * MINUTE, clearForMs: 5 * MINUTE },
  },
  stuck_tasks: {
    name: "stuck_tasks",
    title: "Tasks are stuck",
    unit: "tasks that run longer than they may",
    remedy: "See which: drover task list running; then drover task cancel ID",
    thresholds: { warnAt: 1, criticalAt: 3, clearAt: 0, forMs: MINUTE, clearForMs: MINUTE },
  },
  goals_waiting: {
    name: "goals_waiting",
    title: "Goals wait for a node or a model",
    unit: "goals with a task that no node can run",
    remedy: "See what is missing: drover goal show ID, drover endpoints list",
    // A server of models that is started anew is away for a minute.
    thresholds: { warnAt: 1, criticalAt: null, clearAt: 0, forMs: 2 * MINUTE, clearForMs: MINUTE },
  },
  no_node: {
    name: "no_node",
    title: "No other node is online",
    unit: "1 while no other node of the fleet was heard of for two minutes",
    remedy: "Look at the other nodes and the network between: drover node list",
    thresholds: { warnAt: 1, criticalAt: null, clearAt: 0, forMs: MINUTE, clearForMs: MINUTE },
  },
  hub_silent: {
    name: "hub_silent",
    title: "The hub does not answer",
    unit: "1 while it does not",
    remedy: "Look at the hub; what is submitted here waits for it",
    thresholds: { warnAt: 1, criticalAt: null, clearAt: 0, forMs: 2 * MINUTE, clearForMs: MINUTE },
  },
  error_rate: {
    name: "error_rate",
    title: "Many requests to models fail",
    unit: "percent of the requests within 15 minutes",
    remedy: "See which endpoint it is: drover endpoints list",
    thresholds: { warnAt: 20, criticalAt: 60, clearAt: 10, forMs: MINUTE, clearForMs: 5 * MINUTE },
  },
  slow_p95: {
    name: "slow_p95",
    title: "Attempts are slow",
    unit: "seconds that 95 of 100 attempts took at most, within 15 minutes",
    remedy: "See where the time goes: drover bottlenecks",
    thresholds: { warnAt: 900, criticalAt: null, clearAt: 720, forMs: 5 * MINUTE, clearForMs: 5 * MINUTE },
  },
  utilisation: {
    name: "utilisation",
    title: "This node is full",
    unit: "percent of its places in use while tasks are ready",
    remedy: "Add a node, or raise executor.shell.concurrency and executor.ollama.concurrency",
    thresholds: { warnAt: 95, criticalAt: null, clearAt: 80, forMs: 15 * MINUTE, clearForMs: 5 * MINUTE },
  },
  budget: {
    name: "budget",
    title: "A budget is used up, or nearly",
    unit: "percent of a budget",
    remedy: "See what it went to: drover cost; change it: budgets.* of the configuration",
    thresholds: { warnAt: 80, criticalAt: 100, clearAt: 79, forMs: 0, clearForMs: 0 },
  },
  disk: {
    name: "disk",
    title: "The disk is nearly full",
    unit: "percent of the state folder's file system in use",
    remedy: "Free some space there",
    thresholds: { warnAt: 90, criticalAt: 97, clearAt: 87, forMs: MINUTE, clearForMs: MINUTE },
  },
  audit_waiting: {
    name: "audit_waiting",
    title: "Decisions cannot be written down",
    unit: "entries of the audit log that wait for the disk",
    remedy: "See why in the node's log",
    thresholds: { warnAt: null, criticalAt: 1, clearAt: 0, forMs: 0, clearForMs: 0 },
  },
};

/** What a person changes of a rule; what is left out stays as it is. */
export type RuleChange = {
  readonly enabled?: boolean | undefined;
  readonly warn_at?: number | null | undefined;
  readonly critical_at?: number | null | undefined;
  readonly clear_at?: number | undefined;
  readonly for_ms?: number | undefined;
  readonly clear_for_ms?: number | undefined;
};

/** @returns the rules in force; one that is switched off is not among them. */
export function rulesWith(changes: Readonly<Partial<Record<RuleName, RuleChange>>>): readonly Rule[] {
  return RULE_NAMES.filter((name) => changes[name]?.enabled !== false).map((name) => {
    const rule = RULES[name];
    const { warn_at, critical_at, clear_at, for_ms, clear_for_ms } = changes[name] ?? {};
    const { warnAt, criticalAt, clearAt, forMs, clearForMs } = rule.thresholds;
    const thresholds: Thresholds = {
      warnAt: warn_at === undefined ? warnAt : warn_at,
      criticalAt: critical_at === undefined ? criticalAt : critical_at,
      clearAt: clear_at ?? clearAt,
      forMs: for_ms ?? forMs,
      clearForMs: clear_for_ms ?? clearForMs,
    };
    return { ...rule, thresholds };
  });
}

/** @returns what is wrong with a change: thresholds that would begin an alert and end it at the same level. */
export function ruleFault(name: RuleName, change: RuleChange): string | undefined {
  const rule = rulesWith({ [name]: { ...change, enabled: true } }).find((one) => one.name === name);
  if (rule === undefined) return undefined;
  const { warnAt, criticalAt, clearAt } = rule.thresholds;
  if (warnAt !== null && criticalAt !== null && criticalAt < warnAt) return "critical_at must not be below warn_at";
  const least = Math.min(warnAt ?? Number.POSITIVE_INFINITY, criticalAt ?? Number.POSITIVE_INFINITY);
  if (clearAt >= least) return `clear_at must be below ${least}, where it begins`;
  return undefined;
}
