/** Who becomes the hub by a person's word, and by election. */
import { type Failure, type Logger, ok, type Result } from "#base";
import { type ElectionDuty, type Fleet, FleetQueue, nonceMaker } from "#fleet";
import type { LoadedConfig } from "../config/load.ts";
import type { Engine } from "../engine.ts";
import { realClock, realRandom } from "../real-clock.ts";
import { readAuthorities } from "./authorities.ts";
import { ElectionEvents, type ElectionNews } from "./election-events.ts";
import type { Settled } from "./settle-succession.ts";
import { beginElectionDuty } from "./start-election.ts";
import type { NodeFleet } from "./start-fleet.ts";
import { ELECTED, Succession } from "./succession.ts";

/** Whoever made this node a hub, or told it of another one, has its answer by then. */
export const ANSWERED_MS = 200;

/** Why this hub acknowledges nothing now; known once it takes part in elections, before it serves anybody. */
export type Withheld = { why: () => Failure | undefined };

type SuccessionParts = {
  readonly loaded: LoadedConfig;
  readonly stateDir: string;
  readonly logger: Logger;
  readonly engine: Engine;
  readonly place: NodeFleet;
  readonly fleet: Fleet;
  readonly settled: Settled;
  readonly withheld: Withheld;
  /** Has this node replaced by a new process. */
  readonly restart: () => void;
};

export function openSuccession({
  loaded,
  stateDir,
  logger,
  engine,
  place,
  fleet,
  restart,
  settled,
  withheld,
}: SuccessionParts): Result<{
  readonly succession: Succession;
  readonly election: ElectionDuty | undefined;
  readonly life: { readonly start: () => void; readonly stop: () => void };
}> {
  const { stores, member, queue, service } = engine;
  const { config } = loaded;
  const ca = readAuthorities(config["fleet.ca_file"]);
  const isHub = place.role.kind === "hub";
  const common = {
    fleet,
    stores,
    isHub,
    ca: ca.ok ? ca.value : undefined,
    nonce: member?.nonce ?? nonceMaker(realRandom()),
    clock: realClock,
    logger,
  };
  const events = new ElectionEvents(queue, realClock, newsOf(settled, engine));
  const sought = (epoch: number): void => events.add({ kind: "hub.sought", data: { epoch, node: engine.nodeId } });
  const taking: { part: ElectionDuty | undefined } = { part: undefined };
  withheld.why = () => taking.part?.obstacle();
  const succession = new Succession({
    ...common,
    member,
    stateDir,
    isReaching: () => !(queue instanceof FleetQueue) || queue.isReaching,
    standDown: (why) => service?.standDown(why),
    uuid: stores.identity.uuid,
    configuredUrl: config["fleet.url"],
    goOnAlone: () => (taking.part?.view().holdsLease === false ? taking.part.decideAlone() : undefined),
    restart: () => void realClock.after(ANSWERED_MS, restart),
  });
  if (place.role.kind === "solo") {
    return ok({ succession, election: undefined, life: lifeOf(succession, undefined, events) });
  }
  const begun = beginElectionDuty({ ...common, loaded, succession, sought, random: realRandom() });
  if (!begun.ok) return begun;
  taking.part = begun.value;
  return ok({ succession, election: begun.value, life: lifeOf(succession, begun.value, events) });
}

function lifeOf(succession: Succession, election: ElectionDuty | undefined, events: ElectionEvents) {
  return {
    start: (): void => {
      succession.start();
      election?.start();
    },
    stop: (): void => {
      succession.stop();
      election?.stop();
      events.stop();
    },
  };
}

/** What this start has made of the hub. A hub by a person's word needs no news: that person knows. */
function newsOf({ promoted, left }: Settled, { stores, nodeId }: Engine): readonly ElectionNews[] {
  const elected = promoted !== undefined && stores.fleetNodes.hub()?.why === ELECTED ? promoted : undefined;
  return [
    ...(elected === undefined ? [] : [{ kind: "hub.elected" as const, data: { epoch: elected, node: nodeId } }]),
    ...(left === undefined ? [] : [{ kind: "hub.stepped_down" as const, data: { node: nodeId, folder: left } }]),
  ];
}
