/** Where the time goes: slowest attempts, and per node and executor how long they ran and waited. Pure. */
import { type Distribution, distributionOf } from "./percentile.ts";

/** What the figures need of an ended attempt; the queue's samples have this shape. */
export type AttemptFigures = {
  readonly taskId: string;
  readonly n: number;
  readonly title: string;
  readonly node: string;
  readonly executor: string;
  readonly model: string | null;
  /** Null when its task is gone. */
  readonly lane: string | null;
  readonly outcome: string;
  readonly endedAtMs: number;
  readonly durationMs: number;
  readonly waitMs: number;
  readonly tokens: number;
  readonly costMicrodollars: number;
};

/** Figures of the attempts that share a node and an executor. */
export type GroupFigures = {
  readonly node: string;
  readonly executor: string;
  readonly attempts: number;
  readonly durationMs: Distribution;
  readonly waitMs: Distribution;
  readonly outcomes: Readonly<Record<string, number>>;
};

/** What attempts are told apart by. */
type FigureGroup = "executor" | "model" | "node" | "lane";

/** Figures of the attempts that have one of these in common. */
export type NamedFigures = Omit<GroupFigures, "node" | "executor"> & { readonly name: string };

export type BottleneckReport = {
  readonly attempts: number;
  readonly durationMs: Distribution;
  readonly waitMs: Distribution;
  readonly outcomes: Readonly<Record<string, number>>;
  /** By node, then executor; the one with the longest p95 first. */
  readonly groups: readonly GroupFigures[];
  /** By each of them alone; the one with the longest p95 first. Attempts without it are in none. */
  readonly by: Readonly<Record<FigureGroup, readonly NamedFigures[]>>;
  /** The longest first. */
  readonly slowest: readonly AttemptFigures[];
  /** Those that waited longest before they ran, the longest first. */
  readonly longestWaits: readonly AttemptFigures[];
};

/** Figures of one node. */
export type NodeFigures = {
  readonly node: string;
  readonly attempts: number;
  /** Ended attempts per minute over the window. */
  readonly perMinute: number;
  /** Share of ended attempts that passed; null when none ended. */
  readonly passedRatio: number | null;
  readonly durationMs: Distribution;
  readonly waitMs: Distribution;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly tokens: number;
  readonly costMicrodollars: number;
};

/**
 * Outcome counts cover every attempt. Durations leave out lost ones, for which nobody measured any.
 * @param slowest how many attempts the two lists name at most
 */
export function bottleneckReport(samples: readonly AttemptFigures[], slowest: number): BottleneckReport {
  const groups = [...groupBy(samples, (sample) => JSON.stringify([sample.node, sample.executor])).values()].map(
    (members): GroupFigures => ({
      node: members[0]?.node ?? "",
      executor: members[0]?.executor ?? "",
      attempts: members.length,
      ...timings(members),
    }),
  );
  groups.sort(
    (a, b) => b.durationMs.p95 - a.durationMs.p95 || compare(a.node, b.node) || compare(a.executor, b.executor),
  );
  const byDuration = measured(samples).sort((a, b) => b.durationMs - a.durationMs || compare(a.taskId, b.taskId));
  const byWait = [...samples].sort((a, b) => b.waitMs - a.waitMs || compare(a.taskId, b.taskId));
  return {
    attempts: samples.length,
    ...timings(samples),
    groups,
    by: {
      executor: figuresBy(samples, "executor"),
      model: figuresBy(samples, "model"),
      node: figuresBy(samples, "node"),
      lane: figuresBy(samples, "lane"),
    },
    slowest: byDuration.slice(0, slowest),
    longestWaits: byWait.slice(0, slowest),
  };
}

function figuresBy(samples: readonly AttemptFigures[], group: FigureGroup): readonly NamedFigures[] {
  const named = samples.filter((sample) => sample[group] !== null);
  return [...groupBy(named, (sample) => sample[group] ?? "")]
    .map(([name, members]): NamedFigures => ({ name, attempts: members.length, ...timings(members) }))
    .sort((a, b) => b.durationMs.p95 - a.durationMs.p95 || compare(a.name, b.name));
}

/**
 * @param windowMs the span the samples were taken from, for the rate
 * @param known nodes that are named even when none of their attempts ended
 */
export function nodeFigures(
  samples: readonly AttemptFigures[],
  windowMs: number,
  known: readonly string[] = [],
): readonly NodeFigures[] {
  const byNode = groupBy(samples, (sample) => sample.node);
  const nodes = [...new Set([...byNode.keys(), ...known])].map((node): NodeFigures => {
    const members = byNode.get(node) ?? [];
    const passed = members.filter((sample) => sample.outcome === "passed").length;
    return {
      node,
      attempts: members.length,
      perMinute: members.length / (windowMs / 60_000),
      passedRatio: members.length === 0 ? null : passed / members.length,
      ...timings(members),
      tokens: members.reduce((sum, sample) => sum + sample.tokens, 0),
      costMicrodollars: members.reduce((sum, sample) => sum + sample.costMicrodollars, 0),
    };
  });
  return nodes.sort((a, b) => compare(a.node, b.node));
}

/** @returns per window (in milliseconds) how many of the instants lie in it, per second. */
export function ratesPerSecond(
  endedAtMs: readonly number[],
  nowMs: number,
  windowsMs: readonly number[],
): readonly { readonly windowMs: number; readonly perSecond: number }[] {
  return windowsMs.map((windowMs) => {
    const inside = endedAtMs.filter((instant) => instant > nowMs - windowMs && instant <= nowMs).length;
    return { windowMs, perSecond: inside / (windowMs / 1_000) };
  });
}

function timings(samples: readonly AttemptFigures[]): Pick<GroupFigures, "durationMs" | "waitMs" | "outcomes"> {
  const outcomes: Record<string, number> = {};
  for (const { outcome } of samples) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  return {
    durationMs: distributionOf(measured(samples).map((sample) => sample.durationMs)),
    waitMs: distributionOf(samples.map((sample) => sample.waitMs)),
    outcomes,
  };
}

function measured(samples: readonly AttemptFigures[]): AttemptFigures[] {
  return samples.filter((sample) => sample.outcome !== "lost");
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
