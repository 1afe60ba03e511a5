/**
 * A node takes the place of its fleet's hub, and a former hub leaves it. Each begins with a note in node.db and ends with
 * the removal of that note, and goes on at the next start wherever it was killed.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { err, FLEET_FILE, NODE_FILE, type NodeId, ok, type Result, terminal } from "#base";
import type { FleetNode, Membership, NodeKey, Promotion } from "#fleet";
import { PRIVATE_MODE, syncFile } from "./backup.ts";
import { type Connection, openConnection } from "./connection.ts";
import { LibsqlFleetNodes } from "./fleet-nodes.ts";
import { FINGERPRINT } from "./identity.ts";
import { readMeta, writeMeta } from "./meta.ts";
import { TAKEOVER_NOTE } from "./node-notes.ts";
import { isHubRole, PROMOTION, STEP_DOWN } from "./node-secrets.ts";
import { readPosition } from "./primary/position.ts";
import { isReplicaFile, removeCopy, setAside } from "./replica/replica-files.ts";
import { lockStateDirectory } from "./state-lock.ts";
import { onStorage } from "./storage-failure.ts";
import { noteTakeover } from "./takeovers.ts";

/** Of the folder of a hub, what is of this host and not of the fleet. */
const KEPT_OF_HUB = /^(bin$|server-key)/;
const DATABASE_SUFFIXES = ["-wal", "-shm", ""];

export type SuccessionStep =
  | "promotion.noted"
  | "promotion.copied"
  | "promotion.exchanged"
  | "stepdown.noted"
  | "stepdown.moved";

/** A new hub writes to a server of its own, over its copy; or it takes over the one that the old hub wrote to. */
export type PromotedOnto = "own server" | "the fleet's server";

/** @returns the epoch that this node is the hub of from now on; undefined when no promotion was begun, or it came too late. */
export function finishPromotion(
  dir: string,
  nowMs: number,
  crashPoint: (step: SuccessionStep) => void,
  onto: PromotedOnto = "own server",
): Result<number | undefined> {
  return withNode<number | undefined>(dir, "take the hub's place", (node) => {
    const noted = readMeta(node, PROMOTION);
    if (noted === undefined) return ok(undefined);
    const promotion = JSON.parse(noted) as Promotion; // `as`: written by LibsqlNodeSecrets
    crashPoint("promotion.noted");
    const path = join(dir, FLEET_FILE);
    if (onto === "the fleet's server") {
      // What the server has is all there is; this node's copy may be behind it. `startOnServer` does the rest.
      if (isReplicaFile(path)) setAside(path, "promoted", nowMs);
      crashPoint("promotion.exchanged");
      const fleet = fleetOf(node);
      become(node, () => writeMeta(node, TAKEOVER_NOTE, JSON.stringify({ ...promotion, fleet })));
      return ok(promotion.epoch);
    }
    const ready = `${path}.promoted`;
    if (!existsSync(ready) && isReplicaFile(path)) {
      const made = copyUnder(path, ready, promotion);
      if (!made) {
        removeNotes(node, [PROMOTION]);
        return ok(undefined);
      }
    }
    crashPoint("promotion.copied");
    if (existsSync(ready)) {
      setFormerServerAside(dir, nowMs);
      setAside(path, "promoted", nowMs);
      renameSync(ready, path);
      syncFile(dir);
    }
    crashPoint("promotion.exchanged");
    if (!existsSync(path)) return err(terminal("corrupt", `${path} is gone`, "Promote another node"));
    become(node, () => undefined);
    return ok(promotion.epoch);
  });
}

function become(node: Connection, alsoNote: () => void): void {
  inTransaction(node, () => {
    alsoNote();
    writeMeta(node, "role", "hub");
    removeNotes(node, ["membership", PROMOTION]);
  });
}

function fleetOf(node: Connection): string {
  // `as`: written by LibsqlNodeSecrets; a node without a membership is not promoted.
  return (JSON.parse(readMeta(node, "membership") ?? "{}") as { readonly fleet?: string }).fleet ?? "";
}

/** @returns false when the copy is already of that epoch: another node became the hub meanwhile. */
function copyUnder(path: string, ready: string, promotion: Promotion): boolean {
  const making = `${path}.promoting`;
  removeCopy(making);
  // Not for reading alone: VACUUM INTO is refused there. The replica is set aside when the copy is whole.
  const source = openConnection(path);
  try {
    const epoch = Math.max(Number(readMeta(source, "epoch") ?? 1), readPosition(source)?.epoch ?? 0);
    if (epoch >= promotion.epoch) return false;
    source.prepare("VACUUM INTO ?").run([making]);
  } finally {
    source.close();
  }
  chmodSync(making, PRIVATE_MODE);
  const copy = openConnection(making);
  try {
    inTransaction(copy, () => raise(copy, promotion));
    copy.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get([]);
  } finally {
    copy.close();
  }
  for (const suffix of ["-wal", "-shm"]) rmSync(`${making}${suffix}`, { force: true });
  syncFile(making);
  renameSync(making, ready);
  return true;
}

function raise(copy: Connection, promotion: Promotion): void {
  noteTakeover(copy, promotion);
  copy.prepare("DELETE FROM meta WHERE name = ?").run([FINGERPRINT]);
  copy
    .prepare("UPDATE fleet_commit SET epoch = ?, seq = seq + 1, batch = ?")
    .run([promotion.epoch, `promotion-${promotion.epoch}-${promotion.node}`]);
}

/** Of a time when this node was the hub before. */
function setFormerServerAside(dir: string, nowMs: number): void {
  const databases = join(dir, "hub", "dbs");
  if (existsSync(databases)) renameSync(databases, `${databases}.former-${nowMs}`);
}

/** What a hub needs in order to ask the others, before its databases are opened. */
export type HubFacts = {
  readonly node: NodeId;
  readonly key: NodeKey;
  readonly fleet: string;
  readonly epoch: number;
  readonly nodes: readonly FleetNode[];
};

/** @returns undefined where this node is no hub of a fleet. */
export function readHubFacts(dir: string): Result<HubFacts | undefined> {
  const path = join(dir, FLEET_FILE);
  if (!existsSync(join(dir, NODE_FILE)) || !existsSync(path) || isReplicaFile(path)) return ok(undefined);
  return withNode(dir, "read who the hub is", (node) => {
    const id = readMeta(node, "node_id");
    const key = readMeta(node, "node_key");
    if (!isHubRole(readMeta(node, "role")) || id === undefined || key === undefined) return ok(undefined);
    const fleet = openConnection(path, { queryOnly: true });
    try {
      const exists = fleet.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'fleet_node'").get([]);
      const uuid = exists === undefined ? undefined : readMeta(fleet, "uuid");
      if (uuid === undefined) return ok(undefined);
      const epoch = Math.max(Number(readMeta(fleet, "epoch") ?? 1), readPosition(fleet)?.epoch ?? 0);
      const refuse = () => Promise.resolve(err(terminal("unsupported", "the database is only read here")));
      const nodes = new LibsqlFleetNodes(refuse, fleet).all();
      // `as`, twice: written by establishNodeId and by LibsqlNodeSecrets.
      return ok({ node: id as NodeId, key: JSON.parse(key) as NodeKey, fleet: uuid, epoch, nodes });
    } finally {
      fleet.close();
    }
  });
}

/** Puts the database of a hub, which nobody has open, under a higher epoch. */
export function raiseEpoch(dir: string, epoch: number): Result<void> {
  return withNode(dir, "begin a new epoch", () => {
    const fleet = openConnection(join(dir, FLEET_FILE));
    try {
      writeMeta(fleet, "epoch", String(epoch));
    } finally {
      fleet.close();
    }
    return ok(undefined);
  });
}

type StepDown = { readonly membership: Membership; readonly folder: string };

/** Notes that this node follows another hub from now on; {@link finishStepDown} carries it out. */
export function noteStepDown(dir: string, membership: Membership, folder: string): Result<void> {
  const note: StepDown = { membership, folder };
  return withNode(dir, "note the new hub", (node) => {
    writeMeta(node, STEP_DOWN, JSON.stringify(note));
    return ok(undefined);
  });
}

/** Moves what this node had as a hub away. @returns where it lies; undefined when nothing was begun. */
export function finishStepDown(dir: string, crashPoint: (step: SuccessionStep) => void): Result<string | undefined> {
  return withNode<string | undefined>(dir, "leave the hub's place", (node) => {
    const noted = readMeta(node, STEP_DOWN);
    if (noted === undefined) return ok(undefined);
    const { membership, folder } = JSON.parse(noted) as StepDown; // `as`: written by noteStepDown
    crashPoint("stepdown.noted");
    mkdirSync(join(folder, "hub"), { recursive: true, mode: 0o700 });
    for (const suffix of DATABASE_SUFFIXES)
      move(join(dir, `${FLEET_FILE}${suffix}`), join(folder, `${FLEET_FILE}${suffix}`));
    const hub = join(dir, "hub");
    for (const name of existsSync(hub) ? readdirSync(hub) : []) {
      if (!KEPT_OF_HUB.test(name)) move(join(hub, name), join(folder, "hub", name));
    }
    syncFile(folder);
    syncFile(dir);
    crashPoint("stepdown.moved");
    inTransaction(node, () => {
      writeMeta(node, "membership", JSON.stringify(membership));
      writeMeta(node, "role", "solo");
      removeNotes(node, [STEP_DOWN]);
    });
    return ok(folder);
  });
}

function move(from: string, to: string): void {
  if (existsSync(from) && !existsSync(to)) renameSync(from, to);
}

/** Under the lock of the state folder, which is free again afterwards. */
function withNode<T>(dir: string, action: string, act: (node: Connection) => Result<T>): Result<T | undefined> {
  if (!existsSync(join(dir, NODE_FILE))) return ok(undefined);
  const lock = lockStateDirectory(dir);
  if (!lock.ok) return lock;
  try {
    const done = onStorage(action, () => {
      const node = openConnection(join(dir, NODE_FILE));
      try {
        const exists = node.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'").get([]);
        return exists === undefined ? ok(undefined) : act(node);
      } finally {
        node.close();
      }
    });
    return done.ok ? done.value : done;
  } finally {
    lock.value.release();
  }
}

function inTransaction(connection: Connection, act: () => void): void {
  connection.exec("BEGIN IMMEDIATE");
  try {
    act();
    connection.exec("COMMIT");
  } catch (cause) {
    if (connection.inTransaction()) connection.exec("ROLLBACK");
    throw cause;
  }
}

function removeNotes(node: Connection, names: readonly string[]): void {
  for (const name of names) node.prepare("DELETE FROM meta WHERE name = ?").run([name]);
}
