import type { NodeId } from "#base";
import type { FleetNode, NodeDirectory } from "#fleet";
import type { Connection } from "./connection.ts";
import { LibsqlFleetNodes } from "./fleet-nodes.ts";
import type { Write } from "./model-store.ts";

/**
 * The nodes of a fleet, each remembered once it was asked for: a hub looks one up several times for each request. For the
 * one writer of the table alone: what another process changes is not noticed. Any change forgets all of them, as soon as
 * it is durable and before its caller hears of it.
 */
export function rememberedNodes(write: Write, reading: Connection): NodeDirectory {
  /** As many as a fleet has, which is bounded; ids that no node has are not kept. */
  const known = new Map<NodeId, FleetNode>();
  const forgetting: Write = (label, command) => write(label, command).finally(() => known.clear());
  const nodes = new LibsqlFleetNodes(forgetting, reading);
  const read = nodes.find.bind(nodes);
  nodes.find = (id) => {
    const node = known.get(id) ?? read(id);
    if (node !== undefined) known.set(id, node);
    return node;
  };
  return nodes;
}
