/** The ways between the voters of a fleet: one signed request to one node at a time, answered soon or not at all. */
import { type Clock, err, type NodeId, type Result, refused, retryable } from "#base";
import {
  type ElectionAnswer,
  type ElectionRequest,
  electionAnswerSchema,
  type FleetNode,
  HubClient,
  type NodeKey,
} from "#fleet";

export const VOTE_PATH = "/api/fleet/vote";

export type ElectionLinksParts = {
  readonly fleet: string;
  readonly self: NodeId;
  readonly key: () => NodeKey | undefined;
  readonly find: (node: NodeId) => FleetNode | undefined;
  readonly ca: string | undefined;
  readonly nonce: () => string;
  readonly clock: Clock;
};

type Way = { readonly url: string; readonly publicKey: string; readonly client: HubClient };

export class ElectionLinks {
  readonly #parts: ElectionLinksParts;
  /** Kept, because a way learns the session and the time of the other end with its first request. */
  readonly #ways = new Map<NodeId, Way>();

  constructor(parts: ElectionLinksParts) {
    this.#parts = parts;
  }

  async ask(node: NodeId, request: ElectionRequest, deadlineMs: number): Promise<Result<ElectionAnswer>> {
    const client = this.#wayTo(node);
    if (client === undefined) return err(refused("not_found", `node ${node} is not known, or has no address`));
    const answer = await client.request("POST", VOTE_PATH, { ...request }, { deadlineMs });
    if (!answer.ok) return answer;
    const said = electionAnswerSchema.safeParse(answer.value);
    if (said.success) return { ok: true, value: said.data };
    return err(retryable("unavailable", `the answer of node ${node} cannot be read`, "Update the older of the two"));
  }

  #wayTo(id: NodeId): HubClient | undefined {
    const { fleet, self, find, key, ca, nonce, clock } = this.#parts;
    const node = find(id);
    const first = key();
    if (node === undefined || node.url === null || first === undefined) return undefined;
    const { url, publicKey, name } = node;
    const known = this.#ways.get(id);
    if (known?.url === url && known.publicKey === publicKey) return known.client;
    const client = new HubClient({
      fleet,
      node: self,
      key: () => key() ?? first,
      hub: { id, name, url, publicKey },
      peers: () => [],
      clock,
      nonce,
      ...(ca === undefined ? {} : { ca }),
    });
    this.#ways.set(id, { url, publicKey, client });
    return client;
  }
}
