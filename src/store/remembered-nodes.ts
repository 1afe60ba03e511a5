import type { NodeId } from "#base";
import type { FleetNode, NodeDirectory } from "#fleet";

/**
 * A directory that remembers the nodes it was asked for: a hub looks one up several times for each request. For the one
 * writer of the table alone: what another process changes is not noticed. A change is found as soon as it is durable,
 * before its caller hears of it.
 */
export function rememberedNodes(nodes: NodeDirectory): NodeDirectory {
  /** As many as a fleet has, which is bounded; ids that no node has are not kept. */
  const known = new Map<NodeId, FleetNode>();
  const change = async <T>(write: Promise<T>): Promise<T> => {
    try {
      return await write;
    } finally {
      known.clear();
    }
  };
  return {
    find: (id) => {
      const remembered = known.get(id);
      if (remembered !== undefined) return remembered;
      const found = nodes.find(id);
      if (found !== undefined) known.set(id, found);
      return found;
    },
    all: () => nodes.all(),
    hub: () => nodes.hub(),
    put: (node) => change(nodes.put(node)),
    setState: (id, state) => change(nodes.setState(id, state)),
    setKey: (id, from, to) => change(nodes.setKey(id, from, to)),
    setSeen: (id, seen) => change(nodes.setSeen(id, seen)),
    putHub: (term) => nodes.putHub(term),
    level: () => nodes.level(),
    raiseLevel: (level) => nodes.raiseLevel(level),
    voters: () => nodes.voters(),
    putVoters: (voters, before) => nodes.putVoters(voters, before),
  };
}
