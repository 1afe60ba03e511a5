/**
 * The update of a fleet, node by node. Pure: what is to be done next follows from what is kept and what is seen, so a hub
 * that starts anew goes on where it was, and doing a step again changes nothing.
 *
 * - RO1: the hub is updated only when every other node runs the release, or was skipped.
 * - RO2: until the first node, which is never the hub while there is another, was watched to the end, no other is asked.
 * - RO3: of no more than a wave of nodes it is open whether the release is good on them.
 * - RO4: after a fault no node is asked, until a person goes on.
 * - RO5: a node that runs the release is never asked to take it; one that was skipped is, once it is there again.
 * - RO6: nothing ends a rollout that was aborted, and no node is asked for it.
 */
import type { NodeId } from "#base";

/** A node that is asked says something every few seconds; a swap keeps it silent for less than a minute. */
export const AWAY_LIMIT_MS = 60_000;
/** Fetching, selftest, swap and probation together; a slow line needs half an hour alone. */
export const TAKE_LIMIT_MS = 60 * 60_000;
/** Silence of a node that was asked: it may be swapping, and go back, for some minutes. */
export const SILENT_LIMIT_MS = 5 * 60_000;
/** As many failed attempts say something. */
export const FEW_FAILURES = 5;

export type RolloutPhase = "running" | "paused" | "stopped" | "done" | "aborted";

export type RolloutNodeState = "waiting" | "asked" | "watched" | "updated" | "skipped" | "failed";

export type RolloutNode = {
  readonly id: NodeId;
  readonly name: string;
  readonly state: RolloutNodeState;
  /** Why it was skipped or failed. */
  readonly reason: string | null;
  /** When it came into this state. */
  readonly sinceMs: number;
  /** How often it was asked. */
  readonly tries: number;
};

export type Rollout = {
  readonly id: string;
  readonly version: string;
  /** Where nodes get the release: the hub, or the address of a manifest. */
  readonly from: string;
  readonly wave: number;
  readonly watchMs: number;
  readonly startedAtMs: number;
  readonly phase: RolloutPhase;
  /** Why it stopped. */
  readonly reason: string | null;
  readonly hub: NodeId;
  /** In the order in which they are asked; the hub is the last one. */
  readonly nodes: readonly RolloutNode[];
};

/** What a node said last of the release that it was asked to take. */
export type TakeReport = {
  /** {@link takeKey} of the order that it is about. */
  readonly key: string;
  readonly state: "taking" | "committed" | "failed";
  readonly reason: string | null;
};

/** Attempts of a node that ended. */
export type AttemptCount = { readonly ended: number; readonly failed: number };

export type NodeSight = {
  readonly id: NodeId;
  readonly name: string;
  readonly version: string;
  /** Whether that is the release, or a newer one. */
  readonly isThere: boolean;
  readonly isRemoved: boolean;
  /** Whether its release knows the order to take another one. */
  readonly canTake: boolean;
  readonly silentMs: number;
  readonly report: TakeReport | null;
  /** In the hour before it came into its present state, and since. */
  readonly before: AttemptCount;
  readonly since: AttemptCount;
  /** Why the hub gives it no work. */
  readonly backOff: string | null;
};

export type RolloutFacts = { readonly nowMs: number; readonly nodes: readonly NodeSight[] };

export type RolloutEvent = "tick" | "pause" | "resume" | "abort";

/** Idempotent: a node that takes a release already goes on with it. `withdraw`: it is not asked any more, if it has not heard. */
export type RolloutEffect =
  | { readonly kind: "ask"; readonly node: NodeId; readonly key: string }
  | { readonly kind: "withdraw"; readonly node: NodeId };

export type RolloutStep = { readonly rollout: Rollout; readonly effects: readonly RolloutEffect[] };

/** Names one order: a node tells by it whether it has carried it out. */
export function takeKey(rollout: Pick<Rollout, "id">, node: Pick<RolloutNode, "tries">): string {
  return `${rollout.id}/${node.tries}`;
}

/** @param order the nodes of the fleet, by which the first one is tried first */
export function beginRollout(
  wish: Pick<Rollout, "id" | "version" | "from" | "wave" | "watchMs" | "hub">,
  order: readonly { readonly id: NodeId; readonly name: string }[],
  nowMs: number,
): Rollout {
  const isHub = ({ id }: { readonly id: NodeId }): boolean => id === wish.hub;
  const sorted = [...order.filter((node) => !isHub(node)), ...order.filter(isHub)];
  return {
    ...wish,
    startedAtMs: nowMs,
    phase: "running",
    reason: null,
    nodes: sorted.map(({ id, name }) => waitingNode(id, name, nowMs)),
  };
}

export function stepRollout(rollout: Rollout, event: RolloutEvent, facts: RolloutFacts): RolloutStep {
  const told = hear(rollout, event, facts.nowMs);
  if (told.phase === "aborted") return { rollout: told, effects: effectsOf(told) };
  const seen = see(told, facts);
  const next = seen.phase === "running" || seen.phase === "done" ? ended(ask(seen, facts)) : seen;
  return { rollout: next, effects: effectsOf(next) };
}

function hear(rollout: Rollout, event: RolloutEvent, nowMs: number): Rollout {
  const { phase } = rollout;
  switch (event) {
    case "tick":
      return rollout;
    case "pause":
      return phase === "running" ? { ...rollout, phase: "paused" } : rollout;
    case "abort":
      return phase === "done" ? rollout : { ...rollout, phase: "aborted" };
    case "resume": {
      if (phase !== "paused" && phase !== "stopped") return rollout;
      // What failed is tried once more.
      const nodes = rollout.nodes.map((node) => (node.state === "failed" ? into(node, "waiting", nowMs) : node));
      return { ...rollout, phase: "running", reason: null, nodes };
    }
  }
}

/** Takes up how the nodes fare; a fault stops everything. */
function see(rollout: Rollout, { nowMs, nodes: sights }: RolloutFacts): Rollout {
  const known = new Map(sights.map((sight) => [sight.id, sight]));
  const nodes = rollout.nodes
    .filter(({ id }) => known.get(id)?.isRemoved !== true)
    .map((node) => lookAt(node, known.get(node.id), rollout, nowMs));
  // Who joined meanwhile comes before the hub.
  const present = new Set(nodes.map(({ id }) => id));
  const fresh = sights.filter(({ id, isRemoved }) => !isRemoved && !present.has(id));
  const hub = nodes.filter(({ id }) => id === rollout.hub);
  const others = nodes.filter(({ id }) => id !== rollout.hub);
  const all = [...others, ...fresh.map(({ id, name }) => waitingNode(id, name, nowMs)), ...hub];
  const failed = all.find(({ state }) => state === "failed");
  if (failed === undefined) return { ...rollout, nodes: all };
  return { ...rollout, nodes: all, phase: "stopped", reason: `${failed.name}: ${failed.reason ?? "it failed"}` };
}

function lookAt(node: RolloutNode, sight: NodeSight | undefined, rollout: Rollout, nowMs: number): RolloutNode {
  if (sight === undefined) return node;
  const runs = sight.isThere;
  const isAway = sight.silentMs > AWAY_LIMIT_MS;
  switch (node.state) {
    case "waiting":
    case "skipped": {
      if (runs) return into(node, "updated", nowMs);
      if (isAway) return skipped(node, "it is not there; it is asked when it returns", nowMs);
      if (!sight.canTake) return skipped(node, "its release cannot be asked; run drover update there", nowMs);
      return node.state === "skipped" ? into(node, "waiting", nowMs) : node;
    }
    case "asked": {
      const report = sight.report?.key === takeKey(rollout, node) ? sight.report : null;
      if (report?.state === "failed") return failedNode(node, report.reason ?? "the release was not taken", nowMs);
      // Only the watchdog says that the probation is over; a node that was updated by hand has no word of it.
      if (runs && report?.state !== "taking") return into(node, "watched", nowMs);
      if (sight.silentMs > SILENT_LIMIT_MS) return failedNode(node, "it fell silent while it took the release", nowMs);
      const isLate = nowMs - node.sinceMs > TAKE_LIMIT_MS;
      return isLate ? failedNode(node, "it did not take the release in time", nowMs) : node;
    }
    case "watched": {
      const fault = runs ? faultOf(sight) : `it runs ${sight.version} again`;
      if (fault !== null) return failedNode(node, fault, nowMs);
      return nowMs - node.sinceMs >= rollout.watchMs ? into(node, "updated", nowMs) : node;
    }
    case "updated":
    case "failed":
      return node;
  }
}

/** What a node that was updated shows when its release is no good. */
function faultOf({ silentMs, backOff, before, since }: NodeSight): string | null {
  if (silentMs > SILENT_LIMIT_MS) return "it fell silent after it took the release";
  if (backOff !== null) return `it gets no work: ${backOff}`;
  const isMore = since.failed * before.ended > 2 * before.failed * since.ended;
  if (since.failed >= FEW_FAILURES && 2 * since.failed > since.ended && isMore) {
    return `${since.failed} of its ${since.ended} attempts failed since, and ${before.failed} of ${before.ended} before`;
  }
  // Nothing to compare with: everything that it tried failed.
  const isAll = before.ended === 0 && since.failed >= FEW_FAILURES && since.failed === since.ended;
  return isAll ? `all of its ${since.ended} attempts failed since` : null;
}

/** Lets nodes be asked, as far as RO1 to RO3 allow. */
function ask(rollout: Rollout, { nowMs }: RolloutFacts): Rollout {
  const { nodes, hub } = rollout;
  const open = nodes.filter(({ state }) => state === "asked" || state === "watched").length;
  const isTried = nodes.some(({ state, tries }) => state === "updated" && tries > 0);
  const places = (isTried ? rollout.wave : 1) - open;
  const others = nodes.filter(({ id }) => id !== hub);
  const isHubsTurn = others.every(({ state }) => state === "updated" || state === "skipped");
  const due = nodes
    .filter(({ id, state }) => state === "waiting" && (id === hub ? isHubsTurn : true))
    .slice(0, Math.max(0, places))
    .map(({ id }) => id);
  if (due.length === 0) return rollout;
  return {
    ...rollout,
    phase: "running",
    nodes: nodes.map((node) =>
      due.includes(node.id) ? { ...into(node, "asked", nowMs), tries: node.tries + 1 } : node,
    ),
  };
}

/** Orders live no longer than a hub's process, so they are given again with each step. */
function effectsOf(rollout: Rollout): readonly RolloutEffect[] {
  const isOver = rollout.phase === "stopped" || rollout.phase === "aborted";
  return rollout.nodes.flatMap((node): readonly RolloutEffect[] => {
    const isOpen = node.state === "asked" || (node.state === "failed" && isOver);
    if (!isOpen) return [];
    return isOver
      ? [{ kind: "withdraw", node: node.id }]
      : [{ kind: "ask", node: node.id, key: takeKey(rollout, node) }];
  });
}

/** It stays open for those that were skipped: they are asked when they return. */
function ended(rollout: Rollout): Rollout {
  const isOver = rollout.nodes.every(({ state }) => state === "updated" || state === "skipped");
  return isOver ? { ...rollout, phase: "done" } : rollout;
}

function waitingNode(id: NodeId, name: string, nowMs: number): RolloutNode {
  return { id, name, state: "waiting", reason: null, sinceMs: nowMs, tries: 0 };
}

function into(node: RolloutNode, state: RolloutNodeState, nowMs: number): RolloutNode {
  return { ...node, state, reason: null, sinceMs: nowMs };
}

function skipped(node: RolloutNode, reason: string, nowMs: number): RolloutNode {
  return node.state === "skipped" && node.reason === reason ? node : { ...into(node, "skipped", nowMs), reason };
}

function failedNode(node: RolloutNode, reason: string, nowMs: number): RolloutNode {
  return { ...into(node, "failed", nowMs), reason };
}
