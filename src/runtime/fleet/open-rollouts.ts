/** The part of a node in an update of its fleet: a hub leads it, every node takes what it is asked to. */
import type { RolloutPort, UploadPort, WatchdogPort } from "#api";
import { type Clock, err, type Logger, ok, type Result, refused } from "#base";
import type { Fleet, Order } from "#fleet";
import type { Engine } from "../engine.ts";
import { target, version } from "../version.ts";
import type { HubDuty } from "./hub-duty.ts";
import { ReleaseShelf } from "./release-shelf.ts";
import { type ReadRelease, type ReleasePiece, ReleaseTaker } from "./release-taker.ts";
import { Rollouts, readRollout } from "./rollouts.ts";

export type OpenRolloutsParts = {
  readonly engine: Pick<Engine, "queue" | "nodeId">;
  readonly fleet: Pick<Fleet, "client" | "nodes" | "orders">;
  /** Only where this node writes for others. */
  readonly duty: HubDuty | undefined;
  readonly stateDir: string;
  readonly uploads: UploadPort;
  readonly watchdog: WatchdogPort;
  readonly restart: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
};

export type OpenRollouts = {
  readonly port: RolloutPort;
  readonly taker: ReleaseTaker;
  readonly obey: (order: Order) => void;
  readonly start: () => void;
  readonly stop: () => void;
};

/** A piece of a few megabytes. */
const PIECE_LIMIT_MS = 60_000;

export function openRollouts(parts: OpenRolloutsParts): OpenRollouts {
  const { engine, fleet, duty, restart } = parts;
  const shelf = new ReleaseShelf(parts.stateDir);
  const taker = new ReleaseTaker({ ...parts, target, read: readerOf(fleet, shelf) });
  const rollouts =
    duty === undefined
      ? undefined
      : new Rollouts({
          ...parts,
          self: { id: engine.nodeId, version },
          store: engine.queue.store,
          nodes: () => fleet.nodes(),
          presence: duty.presence,
          orders: fleet.orders,
          backOff: (node) => duty.placements.backOff(node),
          shelf,
          taker,
        });
  return {
    taker,
    obey: (order) => {
      if (order.kind === "restart") restart();
      else void taker.take(order.release);
    },
    start: () => {
      taker.start();
      rollouts?.start();
    },
    stop: () => {
      taker.stop();
      rollouts?.stop();
    },
    port: {
      current: () => (rollouts === undefined ? readRollout(engine.queue.store) : rollouts.current()),
      begin: (wish) => rollouts?.begin(wish) ?? onlyOnTheHub(fleet),
      steer: (event) => rollouts?.steer(event) ?? onlyOnTheHub(fleet),
      read: async (file, offset) => (rollouts === undefined ? onlyOnTheHub(fleet) : shelf.read(file, offset)),
    },
  };
}

function readerOf({ client }: Pick<Fleet, "client">, shelf: ReleaseShelf): ReadRelease {
  if (client === undefined) return async (file, offset) => shelf.read(file, offset);
  return async (file, offset) => {
    const path = `/api/fleet/release?file=${encodeURIComponent(file)}&offset=${offset}`;
    const answer = await client.request("GET", path, undefined, { deadlineMs: PIECE_LIMIT_MS });
    return answer.ok ? ok(answer.value as ReleasePiece) : answer; // `as`: signed by the hub, whose schema it is
  };
}

async function onlyOnTheHub({ client }: Pick<Fleet, "client">): Promise<Result<never>> {
  if (client === undefined) {
    return err(refused("conflict", "this node leads no fleet", "Update it alone with: drover update"));
  }
  const { name, url } = client.hub;
  return err(refused("conflict", "the hub leads the update of its fleet", `Ask it: --url ${url} (${name})`));
}
