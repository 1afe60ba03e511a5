/** One node asks the others who the hub is. */
import type { Clock, JsonValue, NodeId, Result } from "#base";
import {
  type FetchFrom,
  type FleetNode,
  HubClient,
  type HubIdentity,
  type HubWord,
  hubUrl,
  isPublicKey,
  type NodeKey,
} from "#fleet";
import { peersOf } from "./peers.ts";

/** A node that is there answers at once. */
const ASK_MS = 3_000;

export type Asker = {
  readonly fleet: string;
  readonly node: NodeId;
  readonly key: NodeKey;
  readonly clock: Clock;
  readonly nonce: () => string;
  readonly ca?: string | undefined;
  /** Instead of the network. */
  readonly fetch?: FetchFrom | undefined;
};

/** One signed request to one node, whatever it is. */
export function ask(
  peer: HubIdentity,
  { ca, key, fetch, ...asker }: Asker,
  path: string,
  body?: JsonValue,
): Promise<Result<JsonValue>> {
  const client = new HubClient({
    ...asker,
    key: () => key,
    hub: peer,
    peers: () => [],
    ...(ca === undefined ? {} : { ca }),
    ...(fetch === undefined ? {} : { fetch }),
  });
  return client.request(body === undefined ? "GET" : "POST", path, body, { deadlineMs: ASK_MS });
}

/** Asks every other node that can be reached. @returns what those said that answered */
export async function askPeers(nodes: readonly FleetNode[], asker: Asker): Promise<readonly HubWord[]> {
  const peers = peersOf(nodes).filter(({ id }) => id !== asker.node);
  const words = await Promise.all(
    peers.map(async ({ id, ...peer }) => {
      const answer = await ask({ id, ...peer }, asker, "/api/fleet/hub");
      return answer.ok ? wordOf(id, answer.value) : undefined;
    }),
  );
  return words.filter((word) => word !== undefined);
}

/** Signed by a node of the fleet, but perhaps by a newer one: each field is looked at. */
function wordOf(by: NodeId, answer: JsonValue): HubWord | undefined {
  // `as`, here and below: what JSON holds is only looked at.
  const { epoch, hub } = answer as {
    readonly epoch?: unknown;
    readonly hub?: Readonly<Record<string, unknown>> | null;
  };
  if (typeof epoch !== "number") return undefined;
  if (hub === null || hub === undefined) return { epoch, hub: by, by };
  const { id, name, url, publicKey } = hub;
  if (typeof id !== "string") return { epoch, hub: by, by };
  const word = { epoch, hub: id as NodeId, by };
  const isWhole =
    typeof name === "string" &&
    typeof url === "string" &&
    hubUrl(url) !== undefined &&
    typeof publicKey === "string" &&
    isPublicKey(publicKey);
  return isWhole ? { ...word, identity: { id: id as NodeId, name, url, publicKey } } : word;
}
