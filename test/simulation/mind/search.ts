/**
 * Visits every mind that small rules allow, breadth first, over all facts and what a person may do, and checks each step.
 * A mind is named by its canonical form; time goes on by one unit with each step, and with a late tick by several: past
 * every dwell time, deadline and rest of the small rules at once.
 */
import {
  type Entry,
  type Facts,
  type Fault,
  FSM_STATES,
  type FsmRules,
  type Mind,
  type MindEvent,
  newMind,
  QUIET,
  step,
} from "../../../src/fsm/index.ts";
import { canonical } from "./canonical.ts";
import { checkReplay, checkShape, checkStep } from "./step-laws.ts";
import { holds } from "./violation.ts";

const LATE = 4;

export type Found = {
  readonly minds: number;
  readonly steps: number;
  /** From how many minds each way is taken. */
  readonly ways: ReadonlyMap<string, number>;
};

type Node = {
  readonly mind: Mind;
  /** Where ticks lead, with whether they changed the state and whether a new period began. */
  readonly next: Map<number, { readonly isChange: boolean; readonly isNewPeriod: boolean }>;
};

/** @param late facts of late ticks, too: they lead to no other minds, and cost as much as the others */
export function search(rules: FsmRules, alphabet: readonly Facts[], late: readonly Facts[] = []): Found {
  const nodes: Node[] = [];
  const numbers = new Map<string, number>();
  const ways = new Map<string, number>();
  let steps = 0;

  const numberOf = (mind: Mind, nowMs: number): number => {
    const form = canonical(mind, rules, nowMs);
    const key = JSON.stringify(form);
    const known = numbers.get(key);
    if (known !== undefined) return known;
    checkShape(form);
    numbers.set(key, nodes.length);
    nodes.push({ mind: form, next: new Map() });
    return nodes.length - 1;
  };
  numberOf(newMind(1), 1);

  for (let at = 0; at < nodes.length; at += 1) {
    const node = nodes[at];
    if (node === undefined) break;
    const before = node.mind;
    // Steps that write the same entries, texts aside, lead to the same mind, which is looked at once.
    const reached = new Map<string, number>();
    const take = (event: MindEvent, facts: Facts, nowMs = 1): void => {
      const result = step(before, event, facts, rules, nowMs);
      steps += 1;
      checkStep({ before, event, facts, rules, nowMs, result });
      const sign = [nowMs, ...result.entries.map(signOf)].join();
      let to = reached.get(sign);
      if (to === undefined) {
        checkReplay(before, result);
        for (const entry of result.entries) {
          const way = entry.kind === "changed" ? `${entry.from}>${entry.to}:${entry.cause}` : entry.kind;
          ways.set(way, (ways.get(way) ?? 0) + 1);
        }
        to = numberOf(result.mind, nowMs);
        reached.set(sign, to);
      }
      if (event.kind !== "tick") return;
      const known = node.next.get(to);
      const isChange = result.mind.state !== before.state || known?.isChange === true;
      const isNewPeriod = result.mind.period.sinceMs !== before.period.sinceMs && known?.isNewPeriod !== false;
      node.next.set(to, { isChange, isNewPeriod });
    };
    for (const facts of alphabet) take({ kind: "tick" }, facts);
    for (const facts of late) take({ kind: "tick" }, facts, LATE);
    for (const event of DEEDS) take(event, QUIET);
  }
  checkRest(nodes);
  checkMeasure(nodes);
  return { minds: nodes.length, steps, ways };
}

/** What an entry does, without its texts. */
function signOf(entry: Entry): string {
  switch (entry.kind) {
    case "changed":
      return `${entry.to} ${entry.cause}`;
    case "treated":
      return `${entry.remediation} ${entry.fault} ${entry.target} ${entry.level}`;
    case "judged":
      return `${entry.treatment} ${entry.verdict}`;
    case "paused":
      return `pause ${entry.untilMs}`;
    case "resumed":
    case "released":
    case "holdOver":
    case "stoodStill":
      return entry.kind;
  }
}

const stuck = (level: number, healthyAttempts: number): Fault => ({
  kind: "stuckTasks",
  target: "a",
  level,
  healthyAttempts,
});
const skewed: Fault = { kind: "clockSkew", target: "a", level: 2, healthyAttempts: 0 };
/** Whoever says that all is well may be wrong: levels have the last word. */
const FAULTS: readonly Pick<Facts, "faults" | "wellForMs">[] = [
  { faults: [], wellForMs: 0 },
  { faults: [stuck(2, 0)], wellForMs: 0 },
  { faults: [stuck(3, 0)], wellForMs: 0 },
  { faults: [stuck(3, 1)], wellForMs: 1 },
  { faults: [], wellForMs: 1 },
  { faults: [skewed], wellForMs: 1 },
  { faults: [stuck(4, 0), skewed], wellForMs: 0 },
];
const WORK: readonly Partial<Facts>[] = [{}, { readyTasks: 1 }, { runningAttempts: 1 }, { readyGoals: 1 }];
const DUE: readonly Partial<Facts>[] = [
  { sinceScanMs: 0, sinceProposalMs: 0 },
  { sinceScanMs: 5, sinceProposalMs: 0 },
  { sinceScanMs: 0, sinceProposalMs: 5 },
  { sinceScanMs: 0, sinceProposalMs: null, wakeEvents: 1 },
];
const budget = (left: number): Facts["budgetLeftPercent"] => ({
  executing: left,
  improving: left,
  contemplating: left,
  healing: left,
});
/** Between its two thresholds a budget lets nothing begin and ends nothing. */
const PURSES: readonly Partial<Facts>[] = [
  {},
  { isActivityDone: true },
  { budgetLeftPercent: budget(0) },
  { budgetLeftPercent: budget(1) },
  { budgetLeftPercent: budget(1), isActivityDone: true },
  { budgetLeftPercent: { ...budget(0), improving: 100 } },
  { budgetLeftPercent: { ...budget(100), improving: 0 } },
];

/** @returns every combination of the bits that facts are made of; for `tiny` of those that matter most. */
export function alphabetOf(size: "tiny" | "small"): readonly Facts[] {
  const some = <T>(all: readonly T[], tiny: readonly number[]): readonly T[] =>
    size === "tiny" ? all.filter((_one, index) => tiny.includes(index)) : all;
  return some(FAULTS, [0, 1, 2, 3, 4]).flatMap((health) =>
    some(WORK, [0, 1]).flatMap((work) =>
      some(DUE, [1, 2]).flatMap((due) =>
        some(PURSES, [0, 1, 2]).map((purse) => ({ ...QUIET, ...work, ...due, ...purse, ...health })),
      ),
    ),
  );
}

const DEEDS: readonly MindEvent[] = [
  { kind: "pause", by: "p", reason: "", forMs: null },
  { kind: "pause", by: "p", reason: "", forMs: 2 },
  { kind: "resume", by: "p" },
  { kind: "release", by: "p" },
  { kind: "stoodStill", missedMs: 1 },
  ...FSM_STATES.map((to): MindEvent => ({ kind: "force", by: "p", to, reason: "" })),
];

/**
 * FSM2: from every mind each way of ticks leads to rest within a bound, whatever the facts are: among the minds that do
 * not rest the steps have no cycle.
 */
function checkRest(nodes: readonly Node[]): void {
  const isActive = (number: number): boolean => nodes[number]?.mind.state !== "resting";
  const components = stronglyConnected(nodes, (from, to) => isActive(from) && isActive(to));
  const sizes = new Map<number, number>();
  for (const component of components) sizes.set(component, (sizes.get(component) ?? 0) + 1);
  for (const [number, node] of nodes.entries()) {
    if (!isActive(number)) continue;
    holds(sizes.get(components[number] ?? -1) === 1, "FSM2: every state comes to rest");
    holds(!node.next.has(number), "FSM2: every state comes to rest");
  }
}

/** FSM5: a cycle of steps that changes the state begins a new period somewhere. */
function checkMeasure(nodes: readonly Node[]): void {
  const components = stronglyConnected(nodes, (from, to) => nodes[from]?.next.get(to)?.isNewPeriod === false);
  for (const [from, node] of nodes.entries()) {
    for (const [to, { isChange, isNewPeriod }] of node.next) {
      const isCycle = components[from] === components[to] && !isNewPeriod;
      holds(!isCycle || !isChange, "FSM5: no cycle of states keeps the measure");
    }
  }
}

/** Tarjan's strongly connected components, without recursion. @returns the component of each node. */
function stronglyConnected(nodes: readonly Node[], isEdge: (from: number, to: number) => boolean): readonly number[] {
  const index = new Int32Array(nodes.length).fill(-1);
  const low = new Int32Array(nodes.length);
  const component = new Array<number>(nodes.length).fill(-1);
  const open: number[] = [];
  let count = 0;
  let components = 0;
  for (const root of nodes.keys()) {
    if (index[root] !== -1) continue;
    const path: { readonly at: number; readonly next: Iterator<number, undefined> }[] = [];
    const enter = (at: number): void => {
      index[at] = low[at] = count;
      count += 1;
      open.push(at);
      path.push({ at, next: (nodes[at]?.next ?? new Map<number, never>()).keys() });
    };
    enter(root);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const { at, next } = top;
      const edge = next.next();
      if (edge.done !== true) {
        const to = edge.value;
        if (!isEdge(at, to)) continue;
        if (index[to] === -1) enter(to);
        else if (component[to] === -1) low[at] = Math.min(low[at] ?? 0, index[to] ?? 0);
        continue;
      }
      path.pop();
      const parent = path.at(-1);
      if (parent !== undefined) low[parent.at] = Math.min(low[parent.at] ?? 0, low[at] ?? 0);
      if (low[at] !== index[at]) continue;
      for (let member = open.pop(); member !== undefined; member = open.pop()) {
        component[member] = components;
        if (member === at) break;
      }
      components += 1;
    }
  }
  return component;
}
