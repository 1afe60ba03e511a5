/** A node's part in electing the hub of its fleet, put together. */
import { type Clock, err, type Logger, type NodeId, ok, type Random, type Result, refused } from "#base";
import { cannotLead, ElectionDuty, type Fleet, OWN_LEVELS, type Standpoint, type Voters } from "#fleet";
import type { Stores } from "#store";
import type { LoadedConfig } from "../config/load.ts";
import { ElectionLinks } from "./election-links.ts";
import { PROMOTED, type Succession } from "./succession.ts";

export type StartElectionParts = {
  readonly loaded: LoadedConfig;
  readonly fleet: Pick<Fleet, "standing" | "membership">;
  readonly stores: Pick<Stores, "nodeId" | "fleetNodes" | "secrets" | "election" | "position" | "identity">;
  readonly isHub: boolean;
  readonly succession: Pick<Succession, "hear" | "look" | "takePlace">;
  readonly sought: (epoch: number) => void;
  readonly ca: string | undefined;
  readonly nonce: () => string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
};

export function beginElectionDuty(parts: StartElectionParts): Result<ElectionDuty> {
  const { stores, fleet, succession, clock, random, logger, nonce, ca } = parts;
  const links = new ElectionLinks({
    fleet: fleet.membership?.fleet ?? stores.identity.uuid,
    self: stores.nodeId,
    key: () => {
      const key = stores.secrets.key();
      return key.ok ? key.value : undefined;
    },
    find: (node) => stores.fleetNodes.find(node),
    ca,
    nonce,
    clock,
  });
  return ElectionDuty.begin({
    self: stores.nodeId,
    clock,
    random,
    logger,
    ports: {
      store: stores.election,
      standpoint: () => standpointOf(parts),
      ask: (node, request, deadlineMs) => links.ask(node, request, deadlineMs),
      publish: async (voters, before) => {
        const put = await stores.fleetNodes.putVoters(voters, before?.version ?? 0);
        if (!put.ok) return put;
        return put.value ? ok(undefined) : err(refused("conflict", "other voters were published meanwhile"));
      },
      promote: (epoch) => succession.takePlace(epoch),
      follow: (node: NodeId, { epoch, url }) => {
        const heard = succession.hear(node, { epoch, url });
        if (!heard.ok) logger.error("a new hub could not be noted", { why: heard.error.message });
      },
      sought: (epoch) => parts.sought(epoch),
      lookForHub: () => succession.look(),
    },
  });
}

function standpointOf({ loaded, fleet, stores, isHub }: StartElectionParts): Standpoint {
  const { epoch, hub, featureLevel } = fleet.standing();
  const term = stores.fleetNodes.hub();
  const voters = stores.fleetNodes.voters();
  const configured = loaded.config["fleet.url"];
  const own = configured === "" ? (fleet.membership?.url ?? null) : configured.replace(/\/+$/, "");
  return {
    isHub,
    isByHand: isHub && term?.node === stores.nodeId && term.why === PROMOTED,
    epoch,
    hub: hub?.id ?? stores.nodeId,
    position: stores.position(),
    voters,
    nodes: stores.fleetNodes.all(),
    // One of another release than the fleet could not lead it; as with one that nobody reaches, it votes and does not stand.
    url: isHub ? (own ?? term?.url ?? null) : cannotLead(OWN_LEVELS, featureLevel) === undefined ? own : null,
    wish: wishOf(loaded, voters),
  };
}

/** What nobody has configured here stays as it is in the fleet: a hub that was elected goes on as the one before it. */
function wishOf({ config, origins }: LoadedConfig, voters: Voters | undefined): Standpoint["wish"] {
  const isDefault = (path: "fleet.failover" | "fleet.failover_lease_ms"): boolean => origins[path] === "default";
  const mode = isDefault("fleet.failover") ? voters?.mode : undefined;
  const leaseMs = isDefault("fleet.failover_lease_ms") ? voters?.leaseMs : undefined;
  return { mode: mode ?? config["fleet.failover"], leaseMs: leaseMs ?? config["fleet.failover_lease_ms"] };
}
