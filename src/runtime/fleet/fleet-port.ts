import type { FleetPort } from "#api";
import type { Fleet, FleetAdministration, FleetNode } from "#fleet";
import type { HubDuty } from "./hub-duty.ts";

/** What the API sees of a fleet: on a hub with what its nodes said a moment ago, which is not written each time. */
export function fleetPort(fleet: Fleet, duty: HubDuty | undefined, becomeHub: () => void): FleetPort {
  if (duty === undefined) return { ...fleet, administration: inviting(fleet, becomeHub) };
  const { presence, service } = duty;
  return {
    ...fleet,
    service: () => service,
    nodes: () =>
      fleet.nodes().map((node): FleetNode => {
        const seen = presence.of(node.id);
        return seen === undefined ? node : { ...node, seenAtMs: seen.atMs, announced: seen.announced };
      }),
  };
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
    orderRestart: (node) => administration.orderRestart(node),
  };
}
