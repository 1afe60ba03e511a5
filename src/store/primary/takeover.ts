/** Which node may write to a server that outlives its hubs. Pure. */
import { type Failure, refused } from "#base";
import type { Promotion } from "#fleet";
import type { Standing } from "./position.ts";

/** A promotion to write to the server of a fleet, noted by its node. */
export type Takeover = Promotion & { readonly fleet: string };

/** Of a start on a server. */
export type TakeoverFacts = {
  /** Undefined before the first start of a node. */
  readonly self: string | undefined;
  /** What this node was promoted for, now or once. */
  readonly takeover: Takeover | undefined;
  readonly working: Standing | undefined;
  readonly server: Standing | undefined;
};

/** @returns whether this start is the one that takes the server over. */
export function takesOver({ takeover, working }: TakeoverFacts): boolean {
  return takeover !== undefined && (working === undefined || working.epoch < takeover.epoch);
}

/** @returns why this node must not write to the server; undefined when it may. */
export function obstacleToWriting(facts: TakeoverFacts): Failure | undefined {
  const { self, takeover, working, server } = facts;
  if (takesOver(facts) && takeover !== undefined) {
    if (server?.uuid !== takeover.fleet) {
      return refused(
        "conflict",
        `this node was promoted to write to the server of its fleet (${takeover.fleet}), and store.url names one that holds ${server === undefined ? "nothing" : `fleet ${server.uuid}`}`,
        "Nothing was changed. Set store.url to the server that the old hub wrote to",
      );
    }
    if (server.epoch >= takeover.epoch) return supersededBy(server);
    return undefined;
  }
  const hub = server?.hub;
  const isOther = hub !== undefined && hub.node !== self && hub.why === "promoted";
  return isOther && working !== undefined && working.epoch < hub.epoch ? supersededBy(server) : undefined;
}

function supersededBy(server: Standing | undefined): Failure {
  const { node = "another node", url = "its address", epoch = 0 } = server?.hub ?? {};
  return refused(
    "conflict",
    `node ${node} (${url}) has taken over the libSQL server of store.url under epoch ${epoch}, which is higher than this node's`,
    "Nothing was changed. Start one of the nodes that it knows, and this one follows by itself; or let it join anew with another state folder",
  );
}
