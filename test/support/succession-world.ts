/** A hub that is lost, a member that takes its place, and the hub's return: real databases and the rules, no network. */
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createIdFactory, type JsonValue, type NodeId, type Result, silentLogger } from "#base";
import { cryptography, type FleetCommand, type Membership, nextEpoch, performOn } from "#fleet";
import { QueueService } from "#queue";
import { finishPromotion, finishStepDown, noteStepDown, type Stores, type SuccessionStep } from "#store";
import { Resender, type ResendStep } from "../../src/runtime/fleet/resender.ts";
import { quarantineFolder } from "../../src/runtime/fleet/succession.ts";
import { must, openedStores } from "./opened-stores.ts";
import { realClock } from "./real-clock.ts";

/** Takes effect in place of the process's death. */
export class Killed extends Error {
  override readonly name = "Killed";
}

/** @returns a crash point that throws at the label, the nth time, and once. */
export function killAt<Step extends string>(label: Step, nth = 1): (step: Step) => void {
  let left = nth;
  return (step) => {
    if (step !== label) return;
    left -= 1;
    if (left === 0) throw new Killed(label);
  };
}

/** A node with its databases open and a queue over them. */
export type Side = {
  readonly stores: Stores;
  readonly queue: QueueService;
  readonly node: NodeId;
  readonly close: () => Promise<void>;
};

const random = { next: Math.random, bytes: (count: number) => crypto.getRandomValues(new Uint8Array(count)) };
export const ids = createIdFactory(realClock, random);

export async function openSide(dir: string, holder?: NodeId): Promise<Side> {
  const stores = await openedStores(dir, { clock: realClock, random });
  const node = holder ?? stores.nodeId;
  const queue = new QueueService({
    store: stores.queue,
    clock: realClock,
    random,
    ids,
    node,
    logger: silentLogger,
    leaseTermMs: 600_000,
  });
  must(await queue.start());
  const close = async (): Promise<void> => {
    await queue.stop();
    await stores.close();
  };
  return { stores, queue, node, close };
}

export class SuccessionWorld {
  readonly oldDir: string;
  readonly newDir: string;
  epoch = 0;

  constructor(folder: string) {
    this.oldDir = join(folder, "old");
    this.newDir = join(folder, "new");
  }

  /** The member has what the hub has at this moment; from then on it hears nothing. The hub must be closed. */
  async copyToMember(): Promise<void> {
    const member = await openedStores(this.newDir, { clock: realClock, random });
    const { nodeId } = member;
    this.epoch = nextEpoch(1, nodeId);
    must(
      member.secrets.beginPromotion({
        epoch: this.epoch,
        node: nodeId,
        url: "http://new:1",
        atMs: realClock.nowMs(),
        why: "promoted",
      }),
    );
    await member.close();
    cpSync(join(this.oldDir, "fleet.db"), join(this.newDir, "fleet.db"));
    // By this a start knows the database for a replica.
    writeFileSync(join(this.newDir, "fleet.db-client_wal_index"), "");
  }

  /** The start of the member that was promoted. */
  promote(crashPoint: (step: SuccessionStep) => void = () => undefined): Result<number | undefined> {
    return finishPromotion(this.newDir, realClock.nowMs(), crashPoint);
  }

  noteStepDown(): void {
    const key = cryptography.makeKey();
    const membership: Membership = {
      fleet: "f",
      role: "operator",
      name: "old",
      url: null,
      leaseClass: "strict",
      hub: { id: ids.node(), name: "new", url: "http://new:1", publicKey: key.publicKey },
      epoch: this.epoch,
      joinedAtMs: 0,
      setAside: false,
    };
    must(noteStepDown(this.oldDir, membership, quarantineFolder(this.oldDir, realClock.nowMs())));
  }

  /** The start of the old hub that has heard of the new one. */
  stepDown(crashPoint: (step: SuccessionStep) => void = () => undefined): Result<string | undefined> {
    return finishStepDown(this.oldDir, crashPoint);
  }

  /** The old hub follows the new one: it has a copy of its database. The new hub must be closed. */
  copyToOldHub(): void {
    cpSync(join(this.newDir, "fleet.db"), join(this.oldDir, "fleet.db"));
  }
}

/** Sends what the old hub has in its quarantine to the new one, as often as it takes. */
export function resenderOf(
  old: Side,
  hub: Side,
  options: {
    readonly crashPoint?: (step: ResendStep) => void;
    readonly isAway?: () => boolean;
    readonly sent?: FleetCommand[];
  } = {},
): Resender {
  const { crashPoint = () => undefined, isAway = () => false, sent = [] } = options;
  return new Resender({
    quarantine: old.stores.quarantine,
    perform: async (command) => {
      if (isAway()) return undefined;
      sent.push(command);
      // `as`: what the queue returns is JSON throughout.
      return (await performOn(hub.queue, command, { id: command.id, node: old.node })) as Result<JsonValue | undefined>;
    },
    clock: realClock,
    logger: silentLogger,
    crashPoint,
  });
}
