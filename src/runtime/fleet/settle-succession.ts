/** What a start finishes before it is decided what the node is: a promotion, and leaving the place of the hub. */
import { type Clock, type Logger, ok, type Random, type Result } from "#base";
import { hubToFollow, nextEpoch, nonceMaker } from "#fleet";
import { finishPromotion, finishStepDown, noteStepDown, raiseEpoch, readHubFacts } from "#store";
import type { Config } from "../config/settings.ts";
import { askPeers } from "./ask-peers.ts";
import { readAuthorities } from "./authorities.ts";
import { membershipUnder, quarantineFolder } from "./succession.ts";

export type SettleParts = {
  readonly config: Config;
  readonly stateDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly crashPoint: (label: string) => void;
};

/** What a start has finished. */
export type Settled = {
  /** The epoch of which this node is the hub since this start. */
  readonly promoted: number | undefined;
  /** Where that lies which this node had as a hub, when it became a member with this start. */
  readonly left: string | undefined;
};

export async function settleSuccession(parts: SettleParts): Promise<Result<Settled>> {
  const { stateDir, clock, logger, crashPoint } = parts;
  const onto = parts.config["store.url"] === "" ? "own server" : "the fleet's server";
  const promoted = finishPromotion(stateDir, clock.nowMs(), crashPoint, onto);
  if (!promoted.ok) return promoted;
  if (promoted.value !== undefined) logger.warn("this node is the hub of its fleet now", { epoch: promoted.value });
  else {
    const doubted = await doubt(parts);
    if (!doubted.ok) return doubted;
  }
  const left = finishStepDown(stateDir, crashPoint);
  if (!left.ok) return left;
  if (left.value !== undefined) {
    logger.warn("another node became the hub; what this one had is kept aside", { folder: left.value });
  }
  return ok({ promoted: promoted.value, left: left.value });
}

/** A hub that was away asks whether it still is one, before it writes anything. */
async function doubt({ config, stateDir, clock, random, logger }: SettleParts): Promise<Result<void>> {
  const facts = readHubFacts(stateDir);
  if (!facts.ok) return facts;
  const self = facts.value?.nodes.find(({ id }) => id === facts.value?.node);
  if (facts.value === undefined || self === undefined) return ok(undefined);
  const ca = readAuthorities(config["fleet.ca_file"]);
  if (!ca.ok) return ca;
  const { nodes, epoch, fleet } = facts.value;
  const words = await askPeers(nodes, { ...facts.value, clock, nonce: nonceMaker(random), ca: ca.value });
  const found = hubToFollow({ epoch, hub: self.id }, words, nodes);
  if (found === undefined) return ok(undefined);
  if (found.hub.id === self.id) {
    // Restored from a backup of before: under an epoch that the others know to be over, nobody would believe it.
    const next = nextEpoch(found.epoch, self.id);
    logger.warn("the other nodes know this hub under a higher epoch; it takes a new one", { had: epoch, epoch: next });
    return raiseEpoch(stateDir, next);
  }
  logger.warn("another node is the hub of the fleet now", { hub: found.hub.name, epoch: found.epoch });
  const nowMs = clock.nowMs();
  return noteStepDown(stateDir, membershipUnder(found, fleet, self, nowMs), quarantineFolder(stateDir, nowMs));
}
