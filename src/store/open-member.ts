import { existsSync } from "node:fs";
import { join } from "node:path";
import { createIdFactory, err, FLEET_FILE, type Logger, NODE_FILE, type NodeId, ok, type Result, refused } from "#base";
import { cryptography, type DurableText, type Membership, type NodeDirectory, type NodeSecrets } from "#fleet";
import { BACKUP_FOLDER, Backups } from "./backup.ts";
import { careOf } from "./care.ts";
import { type Connection, openConnection } from "./connection.ts";
import { checkFleetLevel } from "./fleet-level.ts";
import { LibsqlFleetNodes } from "./fleet-nodes.ts";
import { goalReader } from "./goal-store.ts";
import { establishIdentity, type Identity } from "./identity.ts";
import { LibsqlImprovementStore } from "./improvement-store.ts";
import { LibsqlLeaseText } from "./lease-text.ts";
import { LongReader } from "./long-reader.ts";
import { schemaNumber } from "./migrate.ts";
import { FLEET_MIGRATIONS } from "./migrations/fleet.ts";
import { NODE_MIGRATIONS } from "./migrations/node.ts";
import { LibsqlModelStore } from "./model-store.ts";
import { establishNodeId } from "./node-identity.ts";
import { LibsqlNodeSecrets } from "./node-secrets.ts";
import { abandon, inLocked, type StoreOptions, type Stores } from "./open.ts";
import { checkpoint, MAX_INLINE_CHECK_BYTES, openDatabase, type Place, writeBack } from "./open-database.ts";
import { ownTables } from "./own-tables.ts";
import { LibsqlProposalStore } from "./proposal-store.ts";
import { LibsqlQuarantine } from "./quarantine/quarantine.ts";
import { LibsqlQueueStore } from "./queue-store.ts";
import type { Carry } from "./replica/carrier.ts";
import { openReplica, type Replica } from "./replica/replica.ts";
import { isReplicaFile, setAside } from "./replica/replica-files.ts";
import { LibsqlRepositoryStore } from "./repositories.ts";
import type { StateLock } from "./state-lock.ts";
import { onStorage } from "./storage-failure.ts";

/** What this host learns of models, which it does not share: usage, speeds, endpoints added here. */
const MODELS_FILE = "models.db";

export type MemberOptions = Omit<StoreOptions, "primary"> & {
  /** Makes the way to the hub, once it is known who this node is. */
  readonly connect: (self: {
    readonly id: NodeId;
    readonly membership: Membership;
    readonly secrets: NodeSecrets;
    /** The nodes as the replica shows them; none before it is open. */
    readonly nodes: () => NodeDirectory | undefined;
  }) => Result<{ readonly carry: Carry }>;
};

export type MemberStores = Stores & {
  readonly replica: Replica;
  /** What outlives the process of the leases that this node holds. */
  readonly leases: DurableText;
};

/**
 * Opens the databases of a node that follows a hub: a copy of the fleet's, and its own two. What this node had while it
 * was alone is set aside. Fails as `unavailable` when there is no copy yet and the hub does not answer.
 */
export async function openMemberStores(dir: string, options: MemberOptions): Promise<Result<MemberStores>> {
  return inLocked(dir, (lock, opened) => openLocked(dir, options, lock, opened));
}

/** A copy of a fleet's database that this node does not follow any more is no queue of its own. To be called alone. */
export function setFormerReplicaAside(dir: string, nowMs: number): Result<boolean> {
  const path = join(dir, FLEET_FILE);
  if (!existsSync(path) || !isReplicaFile(path)) return ok(false);
  return onStorage("set the copy of a fleet aside", () => {
    setAside(path, "left", nowMs);
    return true;
  });
}

/** Who this node is: by its own databases, since the replica carries the marks of the hub's. */
type Self = {
  readonly models: Connection;
  readonly node: Connection;
  readonly identity: Identity;
  readonly id: NodeId;
  readonly secrets: NodeSecrets;
  readonly membership: Membership;
};

function openSelf(place: Place, { clock, random }: MemberOptions, opened: Connection[]): Result<Self> {
  const models = openDatabase(place, MODELS_FILE, FLEET_MIGRATIONS, clock, opened);
  if (!models.ok) return models;
  const node = openDatabase(place, NODE_FILE, NODE_MIGRATIONS, clock, opened);
  if (!node.ok) return node;
  const identity = onStorage("recognise the databases", () => establishIdentity(models.value));
  if (!identity.ok) return identity;
  const { node: makeId } = createIdFactory(clock, random);
  const id = onStorage("name the node", () => establishNodeId(node.value, identity.value.change, makeId));
  if (!id.ok) return id;
  const secrets = new LibsqlNodeSecrets(node.value, cryptography);
  const membership = secrets.membership();
  if (!membership.ok) return membership;
  if (membership.value === undefined) return err(isCopy());
  return ok({
    models: models.value,
    node: node.value,
    identity: identity.value,
    id: id.value,
    secrets,
    membership: membership.value,
  });
}

async function openLocked(
  dir: string,
  options: MemberOptions,
  lock: StateLock,
  opened: Connection[],
): Promise<Result<MemberStores>> {
  const { clock, logger, random, backupFolder = join(dir, BACKUP_FOLDER) } = options;
  const place: Place = { dir, backupFolder, maxInlineBytes: options.maxInlineCheckBytes ?? MAX_INLINE_CHECK_BYTES };
  const self = openSelf(place, options, opened);
  if (!self.ok) return self;
  const { models, node, identity, id, secrets, membership } = self.value;
  const { fleet } = membership;
  const shown: { directory?: NodeDirectory } = {};
  const way = options.connect({ id, membership, secrets, nodes: () => shown.directory });
  if (!way.ok) return way;

  const path = join(dir, FLEET_FILE);
  const replica = await openReplica(path, { clock, random, logger, carry: way.value.carry, fleet });
  if (!replica.ok) return replica;
  const readable = checkReadable(replica.value.store.reading);
  if (!readable.ok) {
    await replica.value.close();
    return readable;
  }
  const own = openOwn(models, join(dir, MODELS_FILE), path, logger, opened);
  if (!own.ok) {
    await replica.value.close();
    return own;
  }
  const { command } = createIdFactory(clock, random);
  const quarantine = new LibsqlQuarantine({ node, stateDir: dir, fleetPath: path, fleet, self: id, command });
  const directory = new LibsqlFleetNodes(refuseWrite, replica.value.store.reading);
  shown.directory = directory;
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await replica.value.close();
    await Promise.all([own.value.close(), quarantine.close()]);
    for (const connection of [models, node]) writeBack(connection, logger);
    abandon(opened, lock);
  };
  return ok({
    ...ownTables(node),
    queue: replica.value.store,
    replica: replica.value,
    leases: new LibsqlLeaseText(node),
    quarantine,
    care: careOf([
      { name: MODELS_FILE, connection: models, mayCompact: true },
      { name: NODE_FILE, connection: node, mayCompact: true },
    ]),
    models: own.value.models,
    ...followed(replica.value.store.reading),
    fleetNodes: directory,
    repositories: new LibsqlRepositoryStore(refuseWrite, replica.value.store.reading),
    secrets,
    nodeId: id,
    waitingMigrations: [],
    identity: { ...identity, uuid: fleet, epoch: replica.value.position().epoch },
    backups: new Backups(backupFolder, own.value.files, fleet, clock),
    commits: own.value.commits,
    position: () => replica.value.position(),
    checkpoint: () => onStorage("write the journal back", () => checkpoint(models)),
    checked: Promise.resolve(ok(undefined)),
    close: () => {
      closing ??= close();
      return closing;
    },
  });
}

/** A database that a newer hub has changed for good is not read by guesswork. */
function checkReadable(reading: Connection): Result<void> {
  const checked = onStorage("look at the fleet's schema", () => {
    const isNewer = schemaNumber(reading) > FLEET_MIGRATIONS.length;
    return isNewer ? checkFleetLevel(reading) : ok(undefined);
  });
  return checked.ok ? checked.value : checked;
}

/** What the hub alone writes; this node reads what its copy shows. */
function followed(reading: Connection) {
  return {
    goals: goalReader(reading),
    improvements: new LibsqlImprovementStore(refuseWrite, reading),
    proposals: new LibsqlProposalStore(refuseWrite, reading),
  };
}

/** What the node writes of models, and the threads that read long. */
function openOwn(models: Connection, path: string, fleetPath: string, logger: Logger, opened: Connection[]) {
  return onStorage("open the databases", () => {
    const reading = openConnection(path, { queryOnly: true });
    opened.push(reading);
    const long = new LongReader(path);
    const files = new LongReader(fleetPath);
    const own = new LibsqlQueueStore({ writing: models, reading, long, epoch: 1, logger });
    return {
      models: new LibsqlModelStore({ write: own.write.bind(own), reading, long }),
      files,
      commits: () => own.commits,
      close: async (): Promise<void> => {
        await own.close();
        await Promise.all([long.close(), files.close()]);
      },
    };
  });
}

function refuseWrite<T>(): Promise<Result<T>> {
  return Promise.resolve(err(refused("unsupported", "the nodes and repositories of the fleet are kept by its hub")));
}

function isCopy() {
  return refused(
    "conflict",
    "this state folder is a copy of a node's that is in a fleet, and the copy is not",
    "Start it again to run it alone, or join with a token of its own: drover join TOKEN@URL",
  );
}
