/** Whether the databases can be opened, and how old the newest copy is. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "#cli";
import type { Examination } from "#store";
import { finding } from "./finding.ts";

/** Of one file: not there, in use by a running node, read, or not to be read. */
export type DatabaseState =
  | { readonly kind: "absent" }
  | { readonly kind: "inUse"; readonly pid: number }
  | ({ readonly kind: "read" } & Examination)
  | { readonly kind: "unreadable"; readonly reason: string };

export type DatabaseFacts = {
  readonly files: readonly { readonly name: string; readonly state: DatabaseState }[];
  readonly backups: {
    readonly folder: string;
    readonly newestAtMs: number | null;
    /** 0: none are made. */
    readonly everyMs: number;
  };
  readonly nowMs: number;
};

const DATABASES = ["fleet.db", "node.db"] as const;
/** Read in some seconds; a larger one is checked by the node after its start. */
export const MAX_CHECKED_BYTES = 4 * 1024 * 1024 * 1024;
/** A copy that is late by less was not made because the node did not run at that time. */
const LATE_FACTOR = 2;

export function databaseFindings({ files, backups, nowMs }: DatabaseFacts): readonly Finding[] {
  const isThere = files.some(({ state }) => state.kind !== "absent");
  return [
    ...files.flatMap(({ name, state }) => fileFindings(name, state)),
    ...(isThere ? [backupFinding(backups, nowMs)] : []),
  ];
}

const RESTORE = "Put the newest backup back: drover restore FILE (they are in backups/ of the state folder)";

function fileFindings(name: string, state: DatabaseState): readonly Finding[] {
  const title = `database ${name}`;
  switch (state.kind) {
    case "absent":
      return [finding(title, "ok", "not there yet; the first start makes it")];
    case "inUse":
      return [finding(title, "ok", `in use by process ${state.pid}, which checked it at its start`)];
    case "unreadable":
      return [
        finding(title, "fail", `it cannot be opened: ${state.reason}`, name === "fleet.db" ? RESTORE : MOVE_AWAY),
      ];
    case "read": {
      const [fault] = state.faults ?? [];
      if (fault !== undefined) {
        return [finding(title, "fail", `it is damaged: ${fault}`, name === "fleet.db" ? RESTORE : MOVE_AWAY)];
      }
      const change = state.change === null ? null : CHANGES[state.change];
      if (change !== null) return [finding(title, "warn", change, COPIED)];
      const size = `${Math.ceil(state.bytes / 1024 / 1024)} MiB`;
      return [finding(title, "ok", state.faults === null ? `${size}, too large to be checked now` : `sound, ${size}`)];
    }
  }
}

const MOVE_AWAY = "It holds what was measured on this host alone: move it away, and the next start makes a new one";
const COPIED = "If the folder was copied, stop the drover on the other one for good before this one is started";
const CHANGES = {
  created: null,
  same: null,
  moved: null,
  copied: "the state folder was copied: its twin may still run, and both would do the same tasks",
  restored: "another file lies here than the one that was last open, as after a copy put back by hand",
} as const;

function backupFinding({ folder, newestAtMs, everyMs }: DatabaseFacts["backups"], nowMs: number): Finding {
  const remedy = "Make one now, with drover running: drover backup";
  if (newestAtMs === null) {
    return everyMs === 0
      ? finding("backup", "warn", "there is none, and store.backup.every_ms is 0, so none is made", remedy)
      : finding("backup", "warn", `there is none in ${folder} yet; a running node makes one by itself`, remedy);
  }
  const hours = Math.max(0, Math.floor((nowMs - newestAtMs) / 3_600_000));
  const age = `the newest is ${hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`} old`;
  const isLate = everyMs > 0 && nowMs - newestAtMs > everyMs * LATE_FACTOR;
  return isLate ? finding("backup", "warn", age, remedy) : finding("backup", "ok", age);
}

export type DatabaseOrder = {
  readonly stateDir: string;
  /** `store.backup.dir`; empty for the usual place. */
  readonly backupDir: string;
  readonly everyMs: number;
  readonly nowMs: number;
  /** A living process that has the databases open. */
  readonly user: number | undefined;
};

/** Loads the native part of the database, so only now: a host where that fails still gets all other findings. */
export async function lookAtDatabases(order: DatabaseOrder): Promise<DatabaseFacts> {
  const { stateDir, user, nowMs, everyMs } = order;
  const folder = order.backupDir === "" ? join(stateDir, "backups") : order.backupDir;
  const isThere = DATABASES.some((name) => existsSync(join(stateDir, name)));
  const backups = { folder, everyMs, newestAtMs: isThere ? await newestBackup(folder) : null };
  const files = DATABASES.map(async (name) => ({ name, state: await stateOf(join(stateDir, name), user) }));
  return { files: await Promise.all(files), backups, nowMs };
}

async function stateOf(path: string, user: number | undefined): Promise<DatabaseState> {
  if (!existsSync(path)) return { kind: "absent" };
  if (user !== undefined) return { kind: "inUse", pid: user };
  try {
    const { examineDatabase } = await import("#store");
    return { kind: "read", ...examineDatabase(path, MAX_CHECKED_BYTES) };
  } catch (cause) {
    return { kind: "unreadable", reason: cause instanceof Error ? cause.message : String(cause) };
  }
}

async function newestBackup(folder: string): Promise<number | null> {
  try {
    const { backupsNewestFirst, backupTimeMs } = await import("#store");
    const [newest] = backupsNewestFirst(readdirSync(folder));
    return newest === undefined ? null : (backupTimeMs(newest) ?? null);
  } catch {
    return null; // There is no such folder, or it is another user's: there is no backup that this drover could use.
  }
}
