import type { FleetNode, HubIdentity } from "#fleet";

/** Nodes that may have become the hub. */
export function peersOf(all: readonly FleetNode[]): readonly HubIdentity[] {
  return all.flatMap(({ id, name, url, publicKey, state }) =>
    url === null || state === "removed" ? [] : [{ id, name, url, publicKey }],
  );
}
