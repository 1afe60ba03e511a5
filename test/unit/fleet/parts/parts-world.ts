/** A hub and nodes that keep logs in real files and ask each other over real HTTP. */
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  createIdFactory,
  type Failure,
  type NodeId,
  ok,
  type Result,
  SimulatedClock,
  seededRandom,
  silentLogger,
  type TaskId,
} from "#base";
import {
  type BlobStore,
  DiskBlobStore,
  type Elsewhere,
  FetchedParts,
  hubParts,
  MemoryAttemptBlobs,
  OwnPartFiles,
  PartDepot,
  type PartKey,
  PartPusher,
  PartReader,
  PartRelay,
  type PartTransport,
  PartUploads,
} from "#fleet";
import type { AttemptRow, TaskRecord } from "#queue";
import { must } from "../../../support/opened-stores.ts";
import { realClock } from "../../../support/real-clock.ts";
import { readyRow } from "../../../support/task-row.ts";
import { type Box, clientOf, join as joinFleet, makeBox } from "../fleet-world.ts";

const MIB = 1024 * 1024;
const ids = createIdFactory(new SimulatedClock(), seededRandom(21));

/** What the queue knows, for every node of the world. */
export class Tasks {
  readonly #records = new Map<TaskId, TaskRecord>();
  readonly find = async (id: TaskId): Promise<Result<TaskRecord | undefined>> => ok(this.#records.get(id));

  /** A task whose first attempt runs on a node. */
  running(node: NodeId): TaskId {
    const id = ids.task();
    const row = readyRow(id, { state: "running", holder: node });
    this.#records.set(id, { row, body: "{}", labels: {}, dependsOn: [], attempts: [] });
    return id;
  }

  /** Its attempt has ended there. */
  ended(id: TaskId, node: NodeId): TaskId {
    const record = this.#records.get(id);
    if (record === undefined) throw new Error("there is no such task");
    // `as`: only where it ran matters here.
    const attempt = { taskId: id, n: 1, node, outcome: "passed" } as AttemptRow;
    const row = { ...record.row, state: "done" as const, holder: null, attempts: 1 };
    this.#records.set(id, { ...record, row, attempts: [attempt] });
    return id;
  }

  gone(id: TaskId): void {
    this.#records.delete(id);
  }
}

export type Disk = {
  readonly store: BlobStore;
  readonly blobs: MemoryAttemptBlobs;
  readonly fetched: FetchedParts;
  readonly own: OwnPartFiles;
  readonly folder: string;
  readonly runs: Set<TaskId>;
  /** Why nothing is written. */
  held: Failure | undefined;
  /** How often that was said. */
  refusals: number;
};

export async function makeDisk(
  folder: string,
  blobs = new MemoryAttemptBlobs(),
  maxBlobBytes = 64 * MIB,
): Promise<Disk> {
  mkdirSync(join(folder, "logs"), { recursive: true });
  const runs = new Set<TaskId>();
  const held = (): Failure | undefined => {
    if (disk.held !== undefined) disk.refusals += 1;
    return disk.held;
  };
  const limits = { maxBlobBytes, maxBytes: 256 * MIB, held };
  const store = must(await DiskBlobStore.open({ folder: join(folder, "blobs"), limits, clock: realClock }));
  const own = new OwnPartFiles({
    pathOf: (key) => logOf(folder, key),
    isRunning: (id) => runs.has(id),
    store,
    blobs,
  });
  const fetched = new FetchedParts({ folder: join(folder, "fetched"), maxPartBytes: 64 * MIB, held });
  const disk: Disk = { store, blobs, fetched, own, folder, runs, held: undefined, refusals: 0 };
  return disk;
}

export function logOf(folder: string, { taskId, attempt, part }: PartKey): string {
  return join(folder, "logs", `${taskId}-${attempt}.${part}`);
}

export function writeLog(disk: Disk, key: PartKey, text: string | Uint8Array): void {
  writeFileSync(logOf(disk.folder, key), text);
}

export function appendLog(disk: Disk, key: PartKey, text: string): void {
  appendFileSync(logOf(disk.folder, key), text);
}

export type Hub = { readonly box: Box; readonly disk: Disk; readonly reader: PartReader; readonly relay: PartRelay };

/** @param tell how nodes hear that they are read; of the real way it is the answer to their long poll */
export async function startHub(
  tasks: Tasks,
  disk: Disk,
  tell: (node: NodeId, key: PartKey) => void = () => undefined,
): Promise<Hub> {
  const { store, blobs, fetched } = disk;
  const relay = new PartRelay({ fetched, clock: realClock, tell, maxPartBytes: 64 * MIB });
  const hasLed = (node: NodeId): boolean => box.nodes.hasLed(node);
  const depot = new PartDepot({ store, blobs, find: tasks.find, hasLed, clock: realClock, logger: silentLogger });
  const box = makeBox("hub", { port: { parts: () => ({ depot, reader, relay }) } });
  const reader = readerOn(tasks, disk, box.id, () => ({ kind: "relay", relay }));
  await box.start();
  return { box, disk, reader, relay };
}

function readerOn(tasks: Tasks, disk: Disk, node: NodeId, elsewhere: () => Elsewhere | undefined): PartReader {
  const { own, fetched, store, blobs } = disk;
  const nameOf = (id: NodeId): string => `box ${id}`;
  return new PartReader({
    node,
    find: tasks.find,
    own,
    fetched,
    store,
    blobs,
    logger: silentLogger,
    nameOf,
    elsewhere,
  });
}

export type Member = {
  readonly box: Box;
  readonly disk: Disk;
  readonly reader: PartReader;
  readonly pusher: PartPusher;
  readonly uploads: () => PartUploads;
  readonly transport: PartTransport;
  /** Of pieces, since the start. */
  readonly sent: { bytes: number; requests: number };
  /** Called before each piece. */
  readonly beforePiece: { call: (() => void) | undefined };
};

export async function joinedMember(
  hub: Hub,
  tasks: Tasks,
  disk: Disk,
  role: "member" | "reader" = "member",
): Promise<Member> {
  const box = makeBox("member");
  await box.start();
  const joined = await joinFleet(hub.box, box, role);
  if (joined.status !== 200) throw new Error(JSON.stringify(joined.body));
  const client = clientOf(box);
  const sent = { bytes: 0, requests: 0 };
  const beforePiece: Member["beforePiece"] = { call: undefined };
  const transport: PartTransport = {
    request: (...args) => client.request(...args),
    receive: (...args) => client.receive(...args),
    send: (target, bytes, limits) => {
      beforePiece.call?.();
      sent.bytes += bytes.byteLength;
      sent.requests += 1;
      return client.send(target, bytes, limits);
    },
  };
  const way = hubParts(transport, disk.store, box.id);
  const pusher = new PartPusher({
    own: disk.own,
    push: (call) => way.push(call),
    clock: realClock,
    logger: silentLogger,
  });
  const reader = readerOn(tasks, disk, box.id, () => ({ kind: "hub", link: way }));
  const uploads = (): PartUploads =>
    new PartUploads({
      node: box.id,
      store: disk.store,
      blobs: disk.blobs,
      own: disk.own,
      put: (blob, piece) => way.put(blob, piece),
      epoch: () => 1,
      clock: realClock,
      random: seededRandom(5),
      logger: silentLogger,
    });
  return { box, disk, reader, pusher, uploads, transport, sent, beforePiece };
}

/** Reads a part from its beginning until it is whole. */
export async function readWhole(reader: PartReader, key: PartKey): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (let offset = 0; ; ) {
    const slice = must(await reader.read(key, offset, 256 * 1024));
    if (slice === undefined) throw new Error(`there is no ${key.part}`);
    parts.push(slice.bytes);
    offset += slice.bytes.byteLength;
    if (slice.isWhole && offset >= slice.sizeBytes) return Buffer.concat(parts);
  }
}
