/** Nodes that joined a hub with a real token and ask it under their own keys; nothing else of a node is there. */
import { createIdFactory, type NodeId, seededRandom } from "#base";
import {
  cryptography,
  FEATURE_LEVEL,
  HubClient,
  type HubIdentity,
  httpLink,
  joinRequest,
  type NodeKey,
  nonceMaker,
  type QueueLink,
  readInvitation,
} from "#fleet";
import { askToJoin } from "../../../src/fleet/io/ask-to-join.ts";
import { realClock, realRandom } from "../../../src/runtime/real-clock.ts";
import { must } from "../../support/opened-stores.ts";
import type { Hub } from "./hub.ts";

/** What a node keeps of having joined; plain JSON, so that another process can go on as it. */
export type Identity = {
  readonly id: NodeId;
  readonly key: NodeKey;
  readonly fleet: string;
  readonly hub: HubIdentity;
};

export type Sidecar = {
  readonly id: NodeId;
  readonly fleet: string;
  readonly client: HubClient;
  readonly link: QueueLink;
};

/** The hub lets an address join so often: twenty at once, then one a second. */
const JOIN_BURST = 19;
const JOIN_EVERY_MS = 1_050;

export async function enlist(hub: Hub, count: number): Promise<readonly Identity[]> {
  const made = await hub.ask("POST", "/api/tokens", { uses: count });
  const { invitation } = made;
  if (typeof invitation !== "string") throw new Error("the hub gave no token");
  const { token } = must(readInvitation(invitation));
  const random = realRandom();
  const ids = createIdFactory(realClock, random);
  const joined: Identity[] = [];
  for (let index = 0; index < count; index += 1) {
    if (index >= JOIN_BURST) await new Promise((resolve) => setTimeout(resolve, JOIN_EVERY_MS));
    const id = ids.node();
    const key = cryptography.makeKey();
    const node = {
      id,
      name: `sidecar${index}`,
      version: "0.0.0",
      featureLevel: FEATURE_LEVEL,
      publicKey: key.publicKey,
      url: null,
      leaseClass: "strict" as const,
    };
    const answer = must(await askToJoin(hub.url, token, joinRequest(token, node, nonceMaker(random)(), cryptography)));
    joined.push({ id, key, fleet: answer.fleet, hub: { ...answer.hub, url: hub.url } });
  }
  return joined;
}

export function sidecarOf({ id, key, fleet, hub }: Identity): Sidecar {
  const client = new HubClient({
    fleet,
    node: id,
    key: () => key,
    hub,
    peers: () => [],
    clock: realClock,
    nonce: nonceMaker(realRandom()),
  });
  return {
    id,
    fleet,
    client,
    link: httpLink(
      (method, path, body, limits) => client.request(method, path, body, limits),
      () => 0,
    ),
  };
}

/** Ids of tasks and commands; of each process others. */
export const makeIds = () => createIdFactory(realClock, seededRandom(Math.floor(performance.timeOrigin + process.pid)));
