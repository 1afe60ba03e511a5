import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type Clock,
  err,
  type Failure,
  FLEET_FILE,
  type Logger,
  ok,
  type Result,
  refused,
  retryable,
  terminal,
} from "#base";
import type { Promotion } from "#fleet";
import { type Connection, number, openConnection, text } from "../connection.ts";
import { assessIdentity, type Identity, noteIdentity } from "../identity.ts";
import { readMeta } from "../meta.ts";
import { migrateThrough } from "../migrate.ts";
import { FLEET_MIGRATIONS } from "../migrations/fleet.ts";
import { readNodeNotes } from "../node-notes.ts";
import { onStorage } from "../storage-failure.ts";
import { noteTakeover } from "../takeovers.ts";
import { FILLING_TABLE, fillServer } from "./fill.ts";
import { type LinkLimits, PrimaryLink } from "./link.ts";
import { planStart, READ_POSITION, readPosition, type Standing } from "./position.ts";
import { rebuildWorkingCopy } from "./rebuild.ts";
import { RecordingConnection } from "./recording.ts";
import { isMissingTable, Server, type ServerAddress } from "./server.ts";
import { obstacleToWriting, type Takeover, takesOver } from "./takeover.ts";

export type PrimaryOptions = ServerAddress & {
  /**
   * Called once when the server turns out to hold something else than the working copy: nothing can be written until
   * the next start, which takes over what the server has.
   */
  readonly onDiverged: (failure: Failure) => void;
  readonly limits?: Partial<LinkLimits> & {
    /** How long a start waits for a server that does not answer. */
    readonly startMs?: number;
  };
};

/** A working copy that stands where the server stands, and the way to keep it so. */
export type WorkingCopy = {
  readonly recording: RecordingConnection;
  readonly link: PrimaryLink;
  readonly identity: Identity;
};

/** sqld is started beside the node and answers within a second; a server elsewhere may start after a power cut too. */
const START_PATIENCE_MS = 30_000;
const START_PAUSE_MS = 100;

type StartParts = {
  readonly dir: string;
  readonly primary: PrimaryOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Opens the working copy and applies all of these migrations, on this host alone. */
  readonly openMigrated: () => Result<Connection>;
  /** Opens it as it is. */
  readonly openAsIs: () => Result<Connection>;
};

/**
 * Brings working copy and server to the same state: fills an empty server, makes the working copy anew from a server that
 * is ahead, refuses a server that holds another fleet. Then applies what migrations are due, and announces itself by a
 * commit, so that whatever wrote there before is refused from now on.
 */
export async function startOnServer(parts: StartParts): Promise<Result<WorkingCopy>> {
  const server = new Server(parts.primary);
  const started = await start(parts, server);
  if (!started.ok) server.close();
  return started;
}

async function start(parts: StartParts, server: Server): Promise<Result<WorkingCopy>> {
  const { dir, primary, clock, logger } = parts;
  const onServer = await readServer(server, primary.limits?.startMs ?? START_PATIENCE_MS);
  if (!onServer.ok) return onServer;
  const here = onServer.value === undefined ? ok(readWorkingCopy(dir)) : readSoundWorkingCopy(parts);
  if (!here.ok) return here;
  const notes = readNodeNotes(dir);
  if (!notes.ok) return notes;
  const { id: self, takeover: noted } = notes.value;
  // `as`: written by finishPromotion.
  const takeover = noted === undefined ? undefined : (JSON.parse(noted) as Takeover);
  const facts = { self, takeover, working: here.value, server: onServer.value };
  const obstacle = obstacleToWriting(facts);
  if (obstacle !== undefined) return err(obstacle);
  const plan = planStart(here.value, onServer.value);
  if (plan !== "same") logger.info(`working copy and server: ${plan}`, { here: here.value, server: onServer.value });
  if (plan === "refuse") return err(anotherFleet(dir, here.value, onServer.value));
  if (plan === "rebuild") {
    const rebuilt = await rebuildWorkingCopy(dir, primary, clock.nowMs());
    if (!rebuilt.ok) return rebuilt;
  }
  // Without a working copy this host may be another one than before, whose own copy must be told from ours for ever.
  const raise = plan === "rebuild" && here.value === undefined ? 1 : 0;
  const promotion = takesOver(facts) ? takeover : undefined;
  if (plan === "same" || plan === "rebuild") return attach(parts, server, parts.openAsIs(), promotion ?? raise);
  const opened = parts.openMigrated();
  if (!opened.ok) return opened;
  const named = onStorage("name the database", () => nameDatabase(opened.value));
  if (!named.ok) return named;
  const filled = await fillServer(opened.value, server);
  return filled.ok ? attach(parts, server, opened, 0) : filled;
}

/** The server gets the name of the fleet with everything else. */
function nameDatabase(connection: Connection): void {
  if (readMeta(connection, "uuid") !== undefined) return;
  const assessed = assessIdentity(connection);
  connection.exec("BEGIN IMMEDIATE");
  noteIdentity(connection, connection, assessed);
  connection.exec("COMMIT");
}

async function attach(
  parts: StartParts,
  server: Server,
  opened: Result<Connection>,
  raise: 0 | 1 | Promotion,
): Promise<Result<WorkingCopy>> {
  if (!opened.ok) return opened;
  const { primary, clock } = parts;
  const connection = opened.value;
  const position = readPosition(connection);
  if (position === undefined) return err(terminal("unsupported", `${connection.path} has no count of commits`));
  const recording = new RecordingConnection(connection);
  const { onDiverged, limits = {} } = primary;
  const link = new PrimaryLink({ server, recording, position, onDiverged, limits });
  const migrated = await migrateThrough(connection, FLEET_MIGRATIONS, clock.nowMs(), (write) => link.transact(write));
  if (!migrated.ok) return migrated;
  const { identity: assessed, found } = assessIdentity(connection);
  const epoch = typeof raise === "number" ? assessed.epoch + raise : raise.epoch;
  const identity = { ...assessed, epoch };
  const announced = await link.transact(() => {
    noteIdentity(recording, connection, { identity, found });
    if (typeof raise !== "number") noteTakeover(recording, raise);
  }, epoch);
  return announced.ok ? ok({ recording, link, identity }) : announced;
}

/** @returns undefined for a server without tables, or one whose filling was cut off. */
async function readServer(server: Server, patienceMs: number): Promise<Result<Standing | undefined>> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    try {
      return await readStanding(server);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      if (isMissingTable(cause)) return err(foreign(why));
      if (performance.now() > deadlineMs) {
        const remedy = "Start the libSQL server of store.url, and check the address and its token";
        return err(retryable("unavailable", `the libSQL server does not answer: ${why}`, remedy));
      }
      await new Promise((resolve) => setTimeout(resolve, START_PAUSE_MS));
    }
  }
}

async function readStanding(server: Server): Promise<Result<Standing | undefined>> {
  const tables = (await server.rows("SELECT name FROM sqlite_schema WHERE type = 'table'"))
    .map((row) => text(row, 0))
    .filter((name) => !name.startsWith("sqlite_") && !name.startsWith("libsql_"));
  if (tables.length === 0 || tables.includes(FILLING_TABLE)) return ok(undefined);
  const notes = await server.rows("SELECT name, value FROM meta WHERE name = 'uuid' OR name = 'epoch'");
  const note = (name: string): string | undefined =>
    notes.filter((row) => row[0] === name).map((row) => text(row, 1))[0];
  const uuid = note("uuid");
  if (uuid === undefined) return err(foreign("it has no name of a fleet"));
  const [row] = await server.rows(READ_POSITION);
  const position = row === undefined ? undefined : { epoch: number(row, 0), seq: number(row, 1), batch: text(row, 2) };
  const [term] = await server.rows("SELECT epoch, node, url, why FROM fleet_hub ORDER BY epoch DESC LIMIT 1");
  const standing = { uuid, epoch: Number(note("epoch") ?? 1), position };
  if (term === undefined) return ok(standing);
  return ok({
    ...standing,
    hub: { epoch: number(term, 0), node: text(term, 1), url: text(term, 2), why: text(term, 3) },
  });
}

/** A damaged working copy is as good as none when the server has everything. */
function readSoundWorkingCopy(parts: StartParts): Result<Standing | undefined> {
  if (!existsSync(join(parts.dir, FLEET_FILE))) return ok(undefined);
  const opened = parts.openAsIs();
  if (!opened.ok) return opened.error.code === "corrupt" ? ok(undefined) : opened;
  opened.value.close();
  return ok(readWorkingCopy(parts.dir));
}

function readWorkingCopy(dir: string): Standing | undefined {
  const path = join(dir, FLEET_FILE);
  if (!existsSync(path)) return undefined;
  const connection = openConnection(path, { queryOnly: true });
  try {
    const hasNotes = connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get([]) !== undefined;
    const uuid = hasNotes ? readMeta(connection, "uuid") : undefined;
    if (uuid === undefined) return undefined;
    return { uuid, epoch: Number(readMeta(connection, "epoch") ?? 1), position: readPosition(connection) };
  } finally {
    connection.close();
  }
}

function anotherFleet(dir: string, here: Standing | undefined, server: Standing | undefined): Failure {
  return refused(
    "conflict",
    `the libSQL server holds the database of another fleet (${server?.uuid}); ${join(dir, FLEET_FILE)} is of ${here?.uuid}`,
    "Nothing was changed. Set store.url to the server of this fleet, or start with another --state DIR to take that one over",
  );
}

function foreign(why: string): Failure {
  return refused(
    "conflict",
    `the libSQL server holds something that is no drover database: ${why}`,
    "Nothing was changed. Give drover an empty database of its own on that server",
  );
}
