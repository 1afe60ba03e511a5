import { chmodSync, closeSync, existsSync, mkdirSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  type Clock,
  createIdFactory,
  err,
  type Failure,
  FLEET_FILE,
  type Logger,
  NODE_FILE,
  type NodeId,
  ok,
  type Random,
  type Result,
  terminal,
} from "#base";
import { cryptography, type JoinTokens, type NodeDirectory, type NodeSecrets } from "#fleet";
import type { CapacityHistory } from "#hw";
import type { ModelStore } from "#inference";
import type { QueueStore } from "#queue";
import { BACKUP_FOLDER, Backups } from "./backup.ts";
import { LibsqlCapacityHistory } from "./capacity-history.ts";
import { type Connection, openConnection, text } from "./connection.ts";
import { LibsqlFleetNodes } from "./fleet-nodes.ts";
import { establishIdentity, type Identity } from "./identity.ts";
import { LibsqlJoinTokens } from "./join-tokens.ts";
import { LongReader } from "./long-reader.ts";
import { migrateDatabase } from "./migrate.ts";
import { FLEET_MIGRATIONS } from "./migrations/fleet.ts";
import type { Migration } from "./migrations/migration.ts";
import { NODE_MIGRATIONS } from "./migrations/node.ts";
import { LibsqlModelStore } from "./model-store.ts";
import { establishNodeId } from "./node-identity.ts";
import { LibsqlNodeSecrets } from "./node-secrets.ts";
import { type PrimaryOptions, startOnServer } from "./primary/start.ts";
import { LibsqlQueueStore } from "./queue-store.ts";
import { finishRestore, newestBackup } from "./restore.ts";
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
  /** On the hub of a fleet: the libSQL server that commits everything first. */
  readonly primary?: PrimaryOptions;
};

/** Everything that is durable, open. */
export type Stores = {
  readonly queue: QueueStore;
  readonly models: ModelStore;
  /** How this host fared, in its own database. */
  readonly capacity: CapacityHistory;
  readonly fleetNodes: NodeDirectory;
  /** What this host alone knows of a fleet, in its own database. */
  readonly joinTokens: JoinTokens;
  readonly secrets: NodeSecrets;
  /** The holder of leases on this host, the same from start to start. */
  readonly nodeId: NodeId;
  readonly identity: Identity;
  readonly backups: Backups;
  /** Transactions that the queue committed since the start. */
  readonly commits: () => number;
  /** Writes the journal back into the database file when it has grown past its limit. @returns its bytes afterwards. */
  readonly checkpoint: () => Result<number>;
  /** Settles when a large database was checked in the background; a small one is checked before it opens. */
  readonly checked: Promise<Result<void>>;
  /** Answers what waits, then closes. The directory is free afterwards. */
  readonly close: () => Promise<void>;
};

const FILE_MODE = 0o600;
const MAX_INLINE_CHECK_BYTES = 64 * 1024 * 1024;
/** The journal may grow past this while a long read holds it; beyond, it is written back. */
const MAX_JOURNAL_BYTES = 64 * 1024 * 1024;

const CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)";

/**
 * Opens both databases of a state directory, making what is missing. Refuses, and changes nothing, when the directory
 * is used by another drover (`in_use`), cannot be written (`read_only`, `disk_full`), or when a database is damaged
 * (`corrupt`) or newer than this build (`newer_schema`).
 */
export async function openStores(dir: string, options: StoreOptions): Promise<Result<Stores>> {
  const made = onStorage(`make ${dir}`, () => mkdirSync(dir, { recursive: true, mode: 0o700 }));
  if (!made.ok) return made;
  const lock = lockStateDirectory(dir);
  if (!lock.ok) return lock;
  const opened: Connection[] = [];
  try {
    const stores = await openLocked(dir, options, lock.value, opened);
    if (!stores.ok) abandon(opened, lock.value);
    return stores;
  } catch (cause) {
    abandon(opened, lock.value);
    throw cause;
  }
}

function abandon(opened: readonly Connection[], lock: StateLock): void {
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
  const { connection: writing, identity, replication } = fleet.value;
  const node = openDatabase(place, NODE_FILE, NODE_MIGRATIONS, clock, opened);
  if (!node.ok) return node;
  const { node: makeId } = createIdFactory(clock, options.random);
  const nodeId = onStorage("name the node", () => establishNodeId(node.value, identity.change, makeId));
  if (!nodeId.ok) return nodeId;
  if (identity.change !== "same") logger.info(`the database was ${identity.change}`, { ...identity });

  const built = onStorage("open the queue", () => {
    const reading = openConnection(fleetPath, { queryOnly: true });
    opened.push(reading);
    const long = new LongReader(fleetPath);
    // A second thread: a search that takes too long ends its thread, and must not end a copy or a check with it.
    const files = new LongReader(fleetPath);
    const writer = {
      ...(options.crashPoint === undefined ? {} : { crashPoint: options.crashPoint }),
      ...(replication === undefined ? {} : { replication }),
    };
    const queue = new LibsqlQueueStore({ writing, reading, long, epoch: identity.epoch, logger, writer });
    const write = queue.write.bind(queue);
    const fleetNodes = new LibsqlFleetNodes(write, reading);
    return { queue, models: new LibsqlModelStore({ write, reading, long }), fleetNodes, long, files };
  });
  if (!built.ok) return built;
  const { queue, models, fleetNodes, long, files } = built.value;
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await queue.close();
    await Promise.all([long.close(), files.close()]);
    fleet.value.closeServer();
    for (const connection of [writing, node.value]) writeBack(connection, logger);
    abandon(opened, lock);
  };
  return ok({
    queue,
    models,
    capacity: new LibsqlCapacityHistory(node.value),
    fleetNodes,
    joinTokens: new LibsqlJoinTokens(node.value),
    secrets: new LibsqlNodeSecrets(node.value, cryptography),
    nodeId: nodeId.value,
    identity,
    backups: new Backups(backupFolder, files, identity.uuid, clock),
    commits: () => queue.commits,
    checkpoint: () => onStorage("write the journal back", () => checkpoint(writing)),
    checked: checkInBackground(fleetPath, files, place, logger),
    close: () => {
      closing ??= close();
      return closing;
    },
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

/** Where the databases are, and where to look when one is damaged. */
type Place = { readonly dir: string; readonly backupFolder: string; readonly maxInlineBytes: number };

function openDatabase(
  place: Place,
  file: string,
  /** Null leaves the schema as it is. */
  migrations: readonly Migration[] | null,
  clock: Clock,
  opened: Connection[],
): Result<Connection> {
  const path = join(place.dir, file);
  const isNew = !existsSync(path);
  const result = onStorage<Result<Connection>>(`open ${path}`, () => {
    // Prompts, variables and results are in there. What the database makes beside it gets the same mode.
    closeSync(openSync(path, "a", FILE_MODE));
    chmodSync(path, FILE_MODE);
    const connection = openConnection(path);
    opened.push(connection);
    if (!isNew && statSync(path).size <= place.maxInlineBytes) {
      const verdict = text(connection.prepare("PRAGMA quick_check(1)").get([]) ?? ["no answer"], 0);
      if (verdict !== "ok") return err(corrupt(place, path, verdict));
    }
    const migrated = migrations === null ? ok(undefined) : migrateDatabase(connection, migrations, clock.nowMs());
    return migrated.ok ? ok(connection) : migrated;
  });
  if (result.ok) return result.value;
  return result.error.code === "corrupt" ? err(corrupt(place, path, "it cannot be read")) : result;
}

function checkpoint(connection: Connection): number {
  const journal = `${connection.path}-wal`;
  const bytes = existsSync(journal) ? statSync(journal).size : 0;
  // While a group waits for the server its transaction is open; the next call comes soon.
  if (bytes <= MAX_JOURNAL_BYTES || connection.inTransaction()) return bytes;
  connection.prepare(CHECKPOINT).get([]);
  return existsSync(journal) ? statSync(journal).size : 0;
}

/** After a clean stop the database is one file: whoever copies it has everything. */
function writeBack(connection: Connection, logger: Logger): void {
  const written = onStorage("write the journal back", () => connection.prepare(CHECKPOINT).get([]));
  // Nothing is lost: the journal stays beside the database and the next start reads it.
  if (!written.ok) logger.warn("the journal was left as it is", { path: connection.path, why: written.error.message });
}

async function checkInBackground(path: string, files: LongReader, place: Place, logger: Logger): Promise<Result<void>> {
  if (statSync(path).size <= place.maxInlineBytes) return ok(undefined);
  const inspection = await files.inspect(path);
  const fault = inspection.ok ? inspection.value.faults[0] : undefined;
  if (inspection.ok && fault === undefined) return ok(undefined);
  const isDamage = inspection.ok || inspection.error.code === "corrupt";
  if (!isDamage) return inspection;
  const failure = corrupt(place, path, fault ?? "it cannot be read");
  logger.error(failure.message, { path, remedy: failure.remedy });
  return err(failure);
}

function corrupt(place: Place, path: string, detail: string): Failure {
  return terminal("corrupt", `${path} is damaged: ${detail}`, `Nothing was changed. ${remedyFor(place, path)}`);
}

function remedyFor({ dir, backupFolder }: Place, path: string): string {
  // node.db only remembers which workers still run; without it they are found lost and their tasks run again.
  if (path === join(dir, NODE_FILE)) return `Move ${path} away and start again: attempts that ran are repeated`;
  const backup = newestBackup(backupFolder);
  if (backup !== undefined) return `Restore the newest backup: drover restore ${backup}`;
  return "There is no backup: keep a copy of the file, then start with another --state DIR";
}
