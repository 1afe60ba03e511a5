import { type Connection, number, text } from "../connection.ts";
import type { RecordedStatement } from "./recording.ts";

/**
 * Where a database stands in the history of its fleet: the epoch, a count of commits, and a random name of the latest
 * one. Two databases with the same position hold the same rows.
 */
export type Position = { readonly epoch: number; readonly seq: number; readonly batch: string };

export const READ_POSITION = "SELECT epoch, seq, batch FROM fleet_commit WHERE only = 1";

/** NULL breaks a NOT NULL, and an error undoes the whole batch. */
const GUARD = `UPDATE fleet_commit SET
  seq = CASE WHEN epoch = ? AND seq = ? AND batch = ? THEN seq + 1 ELSE NULL END, epoch = ?, batch = ? WHERE only = 1`;

/** Heads each batch: unless the server stands exactly at `from`, nothing of the batch takes effect. */
export function guard(from: Position, to: Position): RecordedStatement {
  return { sql: GUARD, args: [from.epoch, from.seq, from.batch, to.epoch, to.batch], changes: 1 };
}

export function next(position: Position, batch: string, epoch = position.epoch): Position {
  return { epoch, seq: position.seq + 1, batch };
}

export function samePosition(a: Position, b: Position): boolean {
  return a.epoch === b.epoch && a.seq === b.seq && a.batch === b.batch;
}

/** What became of a batch whose answer is not known, from where the server stands now. */
export type Settlement = "applied" | "absent" | "diverged";

/** `absent` is no promise: a batch that is still on its way may take effect until another one did. */
export function settle(from: Position, to: Position, found: Position): Settlement {
  if (samePosition(found, to)) return "applied";
  return samePosition(found, from) ? "absent" : "diverged";
}

/** @returns undefined for a database from before there was such a count. */
export function readPosition(connection: Connection): Position | undefined {
  const exists = connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'fleet_commit'").get([]);
  const row = exists === undefined ? undefined : connection.prepare(READ_POSITION).get([]);
  return row === undefined ? undefined : { epoch: number(row, 0), seq: number(row, 1), batch: text(row, 2) };
}

/** On the working copy, in the transaction that the server has committed already. */
export function writePosition(connection: Connection, { epoch, seq, batch }: Position): void {
  connection.prepare("UPDATE fleet_commit SET epoch = ?, seq = ?, batch = ? WHERE only = 1").run([epoch, seq, batch]);
}

/** One of the two databases at a start, as far as it decides what is to be done. */
export type Standing = {
  readonly uuid: string;
  /** The epoch in its notes, which a restore and a promotion raise. */
  readonly epoch: number;
  readonly position: Position | undefined;
  /** Who wrote last, and how it came to that; only looked for on the server. */
  readonly hub?: { readonly epoch: number; readonly node: string; readonly url: string; readonly why: string };
};

/**
 * What a start has to do before the working copy can be used:
 * - `create`: neither is there. Make the working copy, then fill the server from it.
 * - `fill`: the server is empty, lost commits, or holds what an older epoch left: fill it from the working copy.
 * - `rebuild`: the working copy is missing, or not what the server holds: make it anew from the server.
 * - `same`: nothing.
 * - `refuse`: the server holds the database of another fleet.
 */
export type StartPlan = "create" | "fill" | "rebuild" | "same" | "refuse";

export function planStart(working: Standing | undefined, server: Standing | undefined): StartPlan {
  if (server === undefined) return working === undefined ? "create" : "fill";
  if (working === undefined) return "rebuild";
  if (working.uuid !== server.uuid) return "refuse";
  // A restore or a promotion raised it on purpose: then what the server has is what it is to replace.
  if (working.epoch !== server.epoch) return working.epoch > server.epoch ? "fill" : "rebuild";
  if (working.position === undefined || server.position === undefined) return "rebuild";
  // The working copy never has what the server did not have first: the server lost its latest commits.
  if (working.position.epoch === server.position.epoch && working.position.seq > server.position.seq) return "fill";
  return samePosition(working.position, server.position) ? "same" : "rebuild";
}
