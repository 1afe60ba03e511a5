import type { DurabilityView, FleetPort, Following } from "#api";
import type { Clock } from "#base";
import { type ElectionDuty, type Fleet, type FleetAdministration, type FleetNode, FleetQueue } from "#fleet";
import type { Engine } from "../engine.ts";
import type { HubDuty } from "./hub-duty.ts";
import type { Succession } from "./succession.ts";

export type FleetPortParts = {
  readonly fleet: Fleet;
  readonly engine: Pick<Engine, "member" | "queue" | "stores">;
  readonly duty: HubDuty | undefined;
  readonly succession: Succession;
  /** Undefined where this node is in no fleet. */
  readonly election: ElectionDuty | undefined;
  readonly clock: Clock;
  readonly becomeHub: () => void;
  readonly durability: () => DurabilityView | null;
};

/** What the API sees of a fleet: on a hub with what its nodes said a moment ago, which is not written each time. */
export function fleetPort(parts: FleetPortParts): FleetPort {
  const { fleet, engine, duty, succession, election, clock, becomeHub, durability } = parts;
  const failover = election === undefined ? {} : { failover: failoverPort(election, fleet) };
  const { quarantine } = engine.stores;
  if (duty === undefined) {
    return {
      ...fleet,
      ...failover,
      succession,
      quarantine,
      durability,
      administration: inviting(fleet, becomeHub),
      following: () => followingOf(engine),
    };
  }
  const { presence, service, placements } = duty;
  return {
    ...fleet,
    ...failover,
    succession,
    quarantine,
    durability,
    service: () => (succession.isSuperseded ? undefined : service),
    parts: () => (succession.isSuperseded ? undefined : duty.parts),
    replica: (role) => (succession.isSuperseded ? undefined : fleet.replica(role)),
    backOff: (node) => {
      const held = placements.backOff(node);
      // Told by the wall clock, for people.
      return held && { untilMs: Math.round(clock.nowMs() + held.untilMs - clock.monotonicMs()), reason: held.reason };
    },
    deferral: (node, task) =>
      placements.taskDeferral(node, task) ??
      (placements.homed(node).has(task.id) ? undefined : placements.deferral(node, task.requirements)),
    nodes: () =>
      fleet.nodes().map((node): FleetNode => {
        const seen = presence.of(node.id);
        if (seen === undefined) return node;
        const { version } = seen.announced;
        const runs = typeof version === "string" ? version : node.version;
        return { ...node, version: runs, seenAtMs: seen.atMs, announced: seen.announced };
      }),
  };
}

/** What the API sees of elections. */
function failoverPort(election: ElectionDuty, fleet: Fleet): NonNullable<FleetPort["failover"]> {
  return {
    hear: (node, request) => election.hear(node, request),
    obstacle: () => election.obstacle(),
    view: () => ({ ...election.view(), term: fleet.term() ?? null }),
  };
}

function followingOf({ member, queue }: Pick<Engine, "member" | "queue">): Following | undefined {
  if (member === undefined || !(queue instanceof FleetQueue)) return undefined;
  const { state, staleMs, position } = member.replica.freshness();
  const kept = member.outbox.count();
  // A disk that fails shows among the conditions of readiness.
  const outboxWaiting = kept.ok ? kept.value.waiting : 0;
  const unfit = queue.unfit ?? null;
  return { hubAnswers: queue.isReaching, replica: state, staleMs, seq: position.seq, outboxWaiting, unfit };
}

/** A node that was alone is a hub from its first invitation on; that takes another start, with the fleet's server. */
function inviting({ administration, hub }: Fleet, becomeHub: () => void): FleetAdministration {
  return {
    createToken: async (wish) => {
      const made = await administration.createToken(wish);
      if (made.ok && hub !== undefined) becomeHub();
      return made;
    },
    tokens: () => administration.tokens(),
    revokeToken: (id) => administration.revokeToken(id),
    setNodeState: (node, state) => administration.setNodeState(node, state),
    drainNode: (node) => administration.drainNode(node),
    orderRestart: (node) => administration.orderRestart(node),
  };
}
