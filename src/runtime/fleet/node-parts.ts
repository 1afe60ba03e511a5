/** Logs and large results of attempts on this node: its own, those that it keeps for its fleet, those that it has read. */
import { join } from "node:path";
import {
  type Clock,
  type Failure,
  type JsonObject,
  type Logger,
  type NodeId,
  ok,
  type Random,
  type Result,
  retryable,
  type TaskId,
} from "#base";
import { logPathOf, stepsPathOf } from "#execution";
import {
  type AttemptBlobs,
  type BlobStore,
  DiskBlobStore,
  type Elsewhere,
  FetchedParts,
  type HubService,
  hubParts,
  OwnPartFiles,
  PartCollection,
  PartDepot,
  type PartKey,
  PartPusher,
  PartReader,
  PartRelay,
  PartUploads,
} from "#fleet";
import type { QueueStore } from "#queue";
import type { Stores } from "#store";
import type { EndedParts, KeptResult } from "../attempts.ts";
import type { Config } from "../config/settings.ts";
import { freeBytesOf } from "../failsafes/failsafes.ts";
import { knownEpoch, type MemberParts } from "./open-node-stores.ts";

export type NodePartsOptions = {
  readonly config: Config;
  readonly stateDir: string;
  readonly stores: Stores;
  readonly member: MemberParts | undefined;
  readonly queue: QueueStore;
  readonly isDiskLow: () => boolean;
  readonly isRunning: (taskId: TaskId, attempt: number) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
};

/** What only a hub has for its nodes. */
export type HubPartService = { readonly depot: PartDepot; readonly reader: PartReader; readonly relay: PartRelay };

export type NodeParts = {
  readonly reader: PartReader;
  /** Notes that an attempt of this node has ended: its logs are for the hub. */
  readonly ended: (taskId: TaskId, attempt: number) => Promise<Result<void>>;
  readonly keepResult: EndedParts["keepResult"];
  /** Its report is sent. */
  readonly reported: () => void;
  /** Somebody reads a part of this node on the hub. */
  readonly onRead: (key: PartKey) => void;
  /** This node is a hub, and tells its nodes by this service. */
  readonly serve: (service: Pick<HubService, "tellOfRead">) => HubPartService;
  /** Removes what is not kept any more. */
  readonly collect: () => Promise<void>;
  readonly start: () => void;
  readonly stop: () => void;
};

/** Of a report with its result: a usual one is a tenth of it; each one is copied to every node of the fleet. */
const LARGE_RESULT_BYTES = 64 * 1024;
/** A report waits so long for the hub to have its result; it is noted by then, and follows. */
const RESULT_WAIT_MS = 10_000;
/** Below it the disk is for the databases alone, also where limits.disk_low_bytes says nothing. */
const RESERVE_BYTES = 64 * 1024 * 1024;
/** A log that was read from elsewhere; the longest that commands may print unless told otherwise, sixteen times. */
const MAX_FETCHED_BYTES = 1024 * 1024 * 1024;

export async function openNodeParts(options: NodePartsOptions): Promise<Result<NodeParts>> {
  const { config, stateDir, stores, member, queue, clock, logger } = options;
  const { nodeId: node, attemptBlobs: blobs } = stores;
  const held = heldBy(options);
  const maxBytes = config["blobs.max_bytes"];
  const limits = { maxBlobBytes: config["blobs.max_blob_bytes"], maxBytes, held };
  const opened = await DiskBlobStore.open({ folder: join(stateDir, "blobs"), limits, clock });
  if (!opened.ok) return opened;
  const store = opened.value;
  const own = new OwnPartFiles({
    pathOf: ({ taskId, attempt, part }) => {
      const path = logPathOf(stateDir, taskId, attempt);
      return part === "output" ? path : stepsPathOf(path);
    },
    isRunning: options.isRunning,
    store,
    blobs,
  });
  const folder = join(stateDir, "logs", "fetched");
  const fetched = new FetchedParts({ folder, maxPartBytes: MAX_FETCHED_BYTES, held });
  const find = (id: TaskId) => queue.find(id);
  const hasLed = (id: NodeId) => stores.fleetNodes.hasLed(id);
  const sending = member === undefined ? undefined : senders(options, member, { store, own });
  let endLook: (() => void) | undefined;
  let elsewhere: Elsewhere | undefined = sending && { kind: "hub", link: sending.hub };
  const nameOf = (id: string): string => stores.fleetNodes.all().find((known) => known.id === id)?.name ?? id;
  const reader = new PartReader({ node, find, own, fetched, store, blobs, logger, nameOf, elsewhere: () => elsewhere });
  const known = async (ids: readonly TaskId[]): Promise<Result<ReadonlySet<TaskId>>> => {
    const records = await queue.findMany(ids);
    return records.ok ? ok(new Set(records.value.map(({ row }) => row.id))) : records;
  };
  const collection = new PartCollection({ store, blobs, known, maxBytes, clock, logger });
  return ok({
    reader,
    ended: async (taskId, attempt) =>
      sending === undefined ? ok(undefined) : wantLogs(sending.uploads, own, taskId, attempt),
    keepResult: async (taskId, attempt, whole) => {
      // Alone there is nobody who copies the database.
      if (elsewhere === undefined) return ok(undefined);
      return keepResult(
        { node, store, blobs, clock, uploads: sending?.uploads },
        { taskId, attempt, part: "result" },
        whole,
      );
    },
    reported: () => sending?.uploads.wake(),
    onRead: (key) => sending?.pusher.follow(key),
    serve: (service) => {
      const tell = service.tellOfRead.bind(service);
      const relay = new PartRelay({ fetched, clock, tell, maxPartBytes: MAX_FETCHED_BYTES });
      elsewhere = { kind: "relay", relay };
      return { depot: new PartDepot({ store, blobs, find, hasLed, clock, logger }), reader, relay };
    },
    collect: () => collection.collect(options.isDiskLow()),
    start: () => {
      sending?.uploads.start();
      // Whatever the database shows of a new hub, it shows with an event.
      endLook = sending === undefined ? undefined : queue.subscribe(() => sending.uploads.lookForHub());
    },
    stop: () => {
      endLook?.();
      sending?.uploads.stop();
      sending?.pusher.stop();
    },
  });
}

function heldBy({ isDiskLow, stateDir }: NodePartsOptions): () => Failure | undefined {
  return () => {
    if (!isDiskLow() && freeBytesOf(stateDir) >= RESERVE_BYTES) return undefined;
    return retryable("disk_full", "no logs of other nodes are kept while the disk is low", "Free some space there");
  };
}

type Local = { readonly store: DiskBlobStore; readonly own: OwnPartFiles };

function senders({ stores, clock, random, logger }: NodePartsOptions, member: MemberParts, { store, own }: Local) {
  const { client, replica } = member;
  const hub = hubParts(client, store, stores.nodeId);
  const pusher = new PartPusher({ own, push: (call) => hub.push(call), clock, logger });
  const uploads = new PartUploads({
    node: stores.nodeId,
    store,
    blobs: stores.attemptBlobs,
    own,
    put: (blob, piece) => hub.put(blob, piece),
    epoch: () => knownEpoch(stores.secrets, replica.position().epoch),
    clock,
    random,
    logger,
  });
  return { hub, pusher, uploads };
}

type ResultParts = {
  readonly node: NodeId;
  readonly store: BlobStore;
  readonly blobs: AttemptBlobs;
  readonly clock: Clock;
  /** On a node that has a hub. */
  readonly uploads: PartUploads | undefined;
};

async function keepResult(
  { node, store, blobs, clock, uploads }: ResultParts,
  key: PartKey,
  whole: JsonObject,
): Promise<Result<KeptResult | undefined>> {
  const content = new TextEncoder().encode(JSON.stringify(whole));
  if (content.byteLength <= LARGE_RESULT_BYTES) return ok(undefined);
  const added = await store.add(once(content));
  if (!added.ok) return added;
  const { hash, bytes } = added.value;
  const noted = blobs.put({ ...key, node, hash, bytes, rawBytes: bytes, encoding: "none" }, clock.nowMs());
  if (!noted.ok) return noted;
  const wanted = uploads?.want([key]);
  if (wanted?.ok === false) return wanted;
  await uploads?.sent(key, RESULT_WAIT_MS);
  return ok({ sha256: hash, bytes });
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** Steps before the output that they belong to: who finds the output and no steps knows that there were none. */
async function wantLogs(
  uploads: PartUploads,
  own: OwnPartFiles,
  taskId: TaskId,
  attempt: number,
): Promise<Result<void>> {
  const keys: PartKey[] = [];
  for (const part of ["steps", "output"] as const) {
    const found = await own.read({ taskId, attempt, part }, 0, 1);
    if (!found.ok) return found;
    if (found.value !== undefined) keys.push({ taskId, attempt, part });
  }
  return uploads.want(keys);
}
