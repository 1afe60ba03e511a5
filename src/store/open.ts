import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ImprovementStore, MindJournal, ProposalStore } from "#activities";
import {
  type Clock,
  createIdFactory,
  type Failure,
  FLEET_FILE,
  type Logger,
  NODE_FILE,
  type NodeId,
  ok,
  type Random,
  type Result,
} from "#base";
import {
  type AttemptBlobs,
  type ElectionStore,
  type JoinTokens,
  type NodeDirectory,
  type NodeSecrets,
  type Outbox,
  type Position,
  type Quarantine,
} from "#fleet";
import type { GoalStore } from "#goals";
import type { CapacityHistory } from "#hw";
import type { ModelStore } from "#inference";
import type { QueueStore } from "#queue";
import type { RepositoryStore } from "#repos";
import type { AlertStore, AuditStore } from "#telemetry";
import { BACKUP_FOLDER, Backups } from "./backup.ts";
import { careOf, type DatabaseCare } from "./care.ts";
import { type Connection, openConnection } from "./connection.ts";
import { LibsqlGoalStore } from "./goal-store.ts";
import type { HookStores } from "./hooks/hook-stores.ts";
import { establishIdentity, type Identity } from "./identity.ts";
import { LibsqlImprovementStore } from "./improvement-store.ts";
import { LongReader } from "./long-reader.ts";
import { waitingMigrations } from "./migrate.ts";
import { FLEET_MIGRATIONS } from "./migrations/fleet.ts";
import type { Migration } from "./migrations/migration.ts";
import { NODE_MIGRATIONS } from "./migrations/node.ts";
import { LibsqlModelStore } from "./model-store.ts";
import { establishNodeId } from "./node-identity.ts";
import {
  checkInBackground,
  checkpoint,
  MAX_INLINE_CHECK_BYTES,
  openDatabase,
  type Place,
  writeBack,
} from "./open-database.ts";
import { ownTables } from "./own-tables.ts";
import { readPosition } from "./primary/position.ts";
import { type PrimaryOptions, startOnServer } from "./primary/start.ts";
import { LibsqlProposalStore } from "./proposal-store.ts";
import { LibsqlQuarantine } from "./quarantine/quarantine.ts";
import { LibsqlQueueStore } from "./queue-store.ts";
import { rememberedNodes } from "./remembered-nodes.ts";
import { LibsqlRepositoryStore } from "./repositories.ts";
import { finishRestore } from "./restore.ts";
import { lockStateDirectory, type StateLock } from "./state-lock.ts";
import { onStorage } from "./storage-failure.ts";
import type { CrashPoint, Replication } from "./writer.ts";

export type StoreOptions = {
  readonly clock: Clock;
  readonly logger: Logger;
  /** For the id of a new node. */
  readonly random: Random;
  /** Where backups lie; `backups` in the state directory unless given. */
  readonly backupFolder?: string;
  /** For crash tests: called with the name of each place of the writer. */
  readonly crashPoint?: (label: CrashPoint) => void;
  /** A larger database is checked after the start, by a thread: the check reads about 1 GB a second. */
  readonly maxInlineCheckBytes?: number;
  /** Why nothing may be acknowledged now; asked before and after each commit. */
  readonly withhold?: () => Failure | undefined;
  /** On the hub of a fleet: the libSQL server that commits everything first. */
  readonly primary?: PrimaryOptions;
};

/** Everything that is durable, open. */
export type Stores = HookStores & {
  readonly queue: QueueStore;
  readonly models: ModelStore;
  readonly goals: GoalStore;
  /** What could be better, what was tried about it, and what is proposed. Of a member: not to be written. */
  readonly improvements: ImprovementStore;
  readonly proposals: ProposalStore;
  /** How this host fared, in its own database. */
  readonly capacity: CapacityHistory;
  readonly fleetNodes: NodeDirectory;
  /** Repositories, their deliveries and what is broken in them; written on the hub alone. */
  readonly repositories: RepositoryStore;
  /** What this host alone knows of a fleet, in its own database. */
  readonly joinTokens: JoinTokens;
  readonly secrets: NodeSecrets;
  /** What this node has promised to the others when a hub is elected. */
  readonly election: ElectionStore;
  /** Commands to the hub. Of a node that became the hub itself: those that it still has to carry out. */
  readonly outbox: Outbox;
  /** What this node had accepted as a hub that was superseded. */
  readonly quarantine: Quarantine;
  /** Which blobs on this host are parts of which attempts. */
  readonly attemptBlobs: AttemptBlobs;
  /** What this node decided, and what it has to tell a person. */
  readonly audit: AuditStore;
  readonly alerts: AlertStore;
  /** What the mind of this node decided. */
  readonly mind: MindJournal;
  /** Its databases that are written here. */
  readonly care: DatabaseCare;
  /** The holder of leases on this host, the same from start to start. */
  readonly nodeId: NodeId;
  readonly identity: Identity;
  readonly backups: Backups;
  /** Migrations of the fleet's database that wait until every node can read what they make of it. */
  readonly waitingMigrations: readonly Migration[];
  /** Transactions that the queue committed since the start. */
  readonly commits: () => number;
  /** Writes the journal back into the database file when it has grown past its limit. @returns its bytes afterwards. */
  readonly checkpoint: () => Result<number>;
  /** Settles when a large database was checked in the background; a small one is checked before it opens. */
  readonly checked: Promise<Result<void>>;
  /** How many commits the fleet's database has, of which epoch. */
  readonly position: () => Position;
  /** Answers what waits, then closes. The directory is free afterwards. */
  readonly close: () => Promise<void>;
};

/**
 * Opens both databases of a state directory, making what is missing. Refuses, and changes nothing, when the directory
 * is used by another drover (`in_use`), cannot be written (`read_only`, `disk_full`), or when a database is damaged
 * (`corrupt`) or newer than this build (`newer_schema`).
 */
export async function openStores(dir: string, options: StoreOptions): Promise<Result<Stores>> {
  return inLocked(dir, (lock, opened) => openLocked(dir, options, lock, opened));
}

/** Makes the folder if need be and locks it; what could not be opened as a whole leaves nothing open. */
export async function inLocked<T>(
  dir: string,
  open: (lock: StateLock, opened: Connection[]) => Promise<Result<T>>,
): Promise<Result<T>> {
  const made = onStorage(`make ${dir}`, () => mkdirSync(dir, { recursive: true, mode: 0o700 }));
  if (!made.ok) return made;
  const lock = lockStateDirectory(dir);
  if (!lock.ok) return lock;
  const opened: Connection[] = [];
  try {
    const stores = await open(lock.value, opened);
    if (!stores.ok) abandon(opened, lock.value);
    return stores;
  } catch (cause) {
    abandon(opened, lock.value);
    throw cause;
  }
}

export function abandon(opened: readonly Connection[], lock: StateLock): void {
  for (const connection of opened) connection.close();
  lock.release();
}

async function openLocked(
  dir: string,
  options: StoreOptions,
  lock: StateLock,
  opened: Connection[],
): Promise<Result<Stores>> {
  const { clock, logger, backupFolder = join(dir, BACKUP_FOLDER) } = options;
  const place: Place = { dir, backupFolder, maxInlineBytes: options.maxInlineCheckBytes ?? MAX_INLINE_CHECK_BYTES };
  const fleetPath = join(dir, FLEET_FILE);
  const finished = onStorage("finish a restore", () => finishRestore(dir, clock.nowMs()));
  if (!finished.ok) return finished;

  const fleet = await openFleet(place, options, opened);
  if (!fleet.ok) return fleet;
  const { connection: writing, identity } = fleet.value;
  const node = openDatabase(place, NODE_FILE, NODE_MIGRATIONS, clock, opened);
  if (!node.ok) return node;
  const ids = createIdFactory(clock, options.random);
  const nodeId = onStorage("name the node", () => establishNodeId(node.value, identity.change, ids.node));
  if (!nodeId.ok) return nodeId;
  if (identity.change !== "same") logger.info(`the database was ${identity.change}`, { ...identity });

  const built = openQueue(fleetPath, fleet.value, options, opened);
  if (!built.ok) return built;
  const { queue, models, goals, improvements, proposals, fleetNodes, repositories, reading, long, files } = built.value;
  const self = { stateDir: dir, fleetPath, fleet: identity.uuid, self: nodeId.value, command: ids.command };
  const quarantine = new LibsqlQuarantine({ node: node.value, ...self });
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await queue.close();
    await Promise.all([long.close(), files.close(), quarantine.close()]);
    fleet.value.closeServer();
    for (const connection of [writing, node.value]) writeBack(connection, logger);
    abandon(opened, lock);
  };
  return ok({
    ...ownTables(node.value),
    queue,
    models,
    goals,
    improvements,
    proposals,
    fleetNodes,
    repositories,
    quarantine,
    care: careOf([
      { name: FLEET_FILE, connection: writing, mayCompact: options.primary === undefined },
      { name: NODE_FILE, connection: node.value, mayCompact: true },
    ]),
    nodeId: nodeId.value,
    identity,
    waitingMigrations: waitingMigrations(reading, FLEET_MIGRATIONS),
    backups: new Backups(backupFolder, files, identity.uuid, clock),
    commits: () => queue.commits,
    position: () => readPosition(reading) ?? { epoch: identity.epoch, seq: 0 },
    checkpoint: () => onStorage("write the journal back", () => checkpoint(writing)),
    checked: checkInBackground(fleetPath, files, place, logger),
    close: () => {
      closing ??= close();
      return closing;
    },
  });
}

function openQueue(
  fleetPath: string,
  { connection: writing, identity, replication }: Fleet,
  { logger, crashPoint, withhold, primary }: StoreOptions,
  opened: Connection[],
) {
  return onStorage("open the queue", () => {
    const reading = openConnection(fleetPath, { queryOnly: true });
    opened.push(reading);
    const long = new LongReader(fleetPath);
    // A second thread: a search that takes too long ends its thread, and must not end a copy or a check with it.
    const files = new LongReader(fleetPath);
    const writer = {
      ...(crashPoint === undefined ? {} : { crashPoint }),
      ...(replication === undefined ? {} : { replication }),
      ...(withhold === undefined ? {} : { withhold }),
      ...(primary?.limits?.patienceMs === undefined ? {} : { patienceMs: primary.limits.patienceMs }),
    };
    const queue = new LibsqlQueueStore({ writing, reading, long, epoch: identity.epoch, logger, writer });
    const write = queue.write.bind(queue);
    const fleetNodes = rememberedNodes(write, reading);
    const goals = new LibsqlGoalStore(queue.transactWith.bind(queue), reading);
    const models = new LibsqlModelStore({ write, reading, long });
    const repositories = new LibsqlRepositoryStore(write, reading);
    const improvements = new LibsqlImprovementStore(write, reading);
    const proposals = new LibsqlProposalStore(write, reading);
    const built = { queue, models, goals, fleetNodes, repositories, improvements, proposals };
    return { ...built, reading, long, files };
  });
}

/** The fleet's database, open for its one writer. */
type Fleet = {
  readonly connection: Connection;
  readonly identity: Identity;
  readonly replication?: Replication;
  readonly closeServer: () => void;
};

async function openFleet(place: Place, options: StoreOptions, opened: Connection[]): Promise<Result<Fleet>> {
  const { clock, logger, primary } = options;
  const openWith = (migrations: readonly Migration[] | null): Result<Connection> =>
    openDatabase(place, FLEET_FILE, migrations, clock, opened);
  if (primary === undefined) {
    const connection = openWith(FLEET_MIGRATIONS);
    if (!connection.ok) return connection;
    const identity = onStorage("recognise the database", () => establishIdentity(connection.value));
    if (!identity.ok) return identity;
    return ok({ connection: connection.value, identity: identity.value, closeServer: () => undefined });
  }
  const started = await startOnServer({
    dir: place.dir,
    primary,
    clock,
    logger,
    openMigrated: () => openWith(FLEET_MIGRATIONS),
    openAsIs: () => openWith(null),
  });
  if (!started.ok) return started;
  const { recording, link, identity } = started.value;
  return ok({ connection: recording, identity, replication: link, closeServer: () => link.close() });
}
