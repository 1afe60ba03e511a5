import { createHash, randomUUID } from "node:crypto";
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { hostname } from "node:os";
import type { Connection } from "./connection.ts";
import { readMeta, writeMeta } from "./meta.ts";

/** Where a database file is, so that a later start can tell whether it is still the same one. */
export type Fingerprint = {
  readonly path: string;
  readonly inode: string;
  /** Digest of the machine's id; the id itself is private to the machine. */
  readonly machine: string;
};

/**
 * What happened to a database since it was last open:
 * - `created`: it is new.
 * - `same`: nothing.
 * - `moved`: it has another path, and nothing is left at the old one.
 * - `copied`: it may have a twin that still runs.
 * - `restored`: another file lies at its path.
 */
export type IdentityChange = "created" | "same" | "moved" | "copied" | "restored";

export type Identity = {
  readonly uuid: string;
  /** Part of every fence. Raised after `copied` and `restored`, so that no twin's fences are ever taken for ours. */
  readonly epoch: number;
  readonly change: IdentityChange;
  /** Where it was before; null when it is new. */
  readonly previousPath: string | null;
};

/** @returns what happened, from what was noted and what is found now. When it cannot be known, the safe answer. */
export function judgeIdentity(noted: Fingerprint | null, found: Fingerprint, oldPathExists: boolean): IdentityChange {
  if (noted === null) return "created";
  const sameMachine = noted.machine === found.machine;
  const sameInode = noted.inode === found.inode;
  if (noted.path === found.path) {
    if (sameInode && sameMachine) return "same";
    return sameMachine ? "restored" : "copied";
  }
  if (!sameMachine) return "copied"; // whether the old one still runs cannot be seen from here
  if (sameInode || !oldPathExists) return "moved";
  return "copied";
}

/** Recognises an open database, raises its epoch if it has to be, and notes where it is now. One transaction. */
export function establishIdentity(connection: Connection): Identity {
  const assessed = assessIdentity(connection);
  if (assessed.identity.change !== "same") {
    connection.exec("BEGIN IMMEDIATE");
    try {
      noteIdentity(connection, connection, assessed);
      connection.exec("COMMIT");
    } catch (cause) {
      if (connection.inTransaction()) connection.exec("ROLLBACK");
      throw cause;
    }
  }
  return assessed.identity;
}

export type AssessedIdentity = { readonly identity: Identity; readonly found: Fingerprint };

/** Recognises an open database, and notes nothing yet. */
export function assessIdentity(connection: Connection): AssessedIdentity {
  const found = fingerprint(connection.path);
  const noted = readFingerprint(connection);
  const known = readMeta(connection, "uuid");
  const judged = judgeIdentity(noted, found, noted !== null && existsSync(noted.path));
  const raised = judged === "copied" || judged === "restored" ? 1 : 0;
  // `drover restore` takes the note away and raises the epoch itself.
  const change = judged === "created" && known !== undefined ? "restored" : judged;
  const uuid = known ?? randomUUID();
  const epoch = Number(readMeta(connection, "epoch") ?? 1) + raised;
  return { identity: { uuid, epoch, change, previousPath: noted?.path ?? null }, found };
}

/** Inside a transaction. Where the file is concerns this host alone (`local`), the rest the whole fleet (`shared`). */
export function noteIdentity(shared: Connection, local: Connection, { identity, found }: AssessedIdentity): void {
  writeMeta(shared, "uuid", identity.uuid);
  writeMeta(shared, "epoch", String(identity.epoch));
  writeMeta(local, FINGERPRINT, JSON.stringify(found));
}

/** The one note that differs between copies of a database: it never leaves its host. */
export const FINGERPRINT = "fingerprint";

/** What {@link establishIdentity} would say, without noting it; null where nothing was noted yet. */
export function identityChange(connection: Connection, exists: (path: string) => boolean): IdentityChange | null {
  const noted = readFingerprint(connection);
  return noted === null ? null : judgeIdentity(noted, fingerprint(connection.path), exists(noted.path));
}

function fingerprint(path: string): Fingerprint {
  const real = realpathSync(path);
  // Not the device number: it changes from boot to boot.
  return { path: real, inode: String(statSync(real, { bigint: true }).ino), machine: machineDigest() };
}

function readFingerprint(connection: Connection): Fingerprint | null {
  const noted = readMeta(connection, FINGERPRINT);
  // `as`: written by establishIdentity.
  return noted === undefined ? null : (JSON.parse(noted) as Fingerprint);
}

function machineDigest(): string {
  return createHash("sha256").update(`drover machine ${machineId()}`).digest("hex").slice(0, 32);
}

function machineId(): string {
  for (const path of ["/etc/machine-id", "/var/lib/dbus/machine-id"]) {
    try {
      const id = readFileSync(path, "utf8").trim();
      if (id !== "") return id;
    } catch {
      // not on this system: the next source
    }
  }
  return hostname();
}
