import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { openReadOnly, text } from "../connection.ts";

/** A first copy that did not come to its end: there is nothing in it to be kept. */
export const CUT_OFF = "it was cut off before it was whole";

/** What a replica consists of, beside the database itself. */
const SUFFIXES = ["", "-wal", "-shm", "-client_wal_index", "-info"] as const;
/** Copies that were set aside and are kept: for a person who wants to know what happened. */
const KEPT_COPIES = 2;

/** Whether an embedded replica made this file, rather than a node that wrote it alone. */
export function isReplicaFile(path: string): boolean {
  return existsSync(`${path}-client_wal_index`) || existsSync(`${path}-info`);
}

/** About 1 GB is read in a second; what is larger is checked by a thread. */
export const MAX_INLINE_CHECK_BYTES = 64 * 1024 * 1024;

/** @returns what is wrong with the file; undefined when nothing is, or when it is too large to be read through now. */
export function faultOf(path: string): string | undefined {
  try {
    const connection = openReadOnly(path);
    try {
      if (statSync(path).size <= MAX_INLINE_CHECK_BYTES) {
        const verdict = text(connection.prepare("PRAGMA quick_check(1)").get([]) ?? ["no answer"], 0);
        if (verdict !== "ok") return verdict;
      }
      const tables = connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'fleet_commit'").get([]);
      return tables === undefined ? CUT_OFF : undefined;
    } finally {
      connection.close();
    }
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}

/** Moves a database away, as `<name>.<why>-<time>`, and removes the oldest of such copies. */
export function setAside(path: string, why: string, nowMs: number): void {
  const stamp = `${why}-${nowMs}`;
  for (const suffix of SUFFIXES) {
    if (existsSync(`${path}${suffix}`)) renameSync(`${path}${suffix}`, `${path}.${stamp}${suffix}`);
  }
  const folder = dirname(path);
  const copies = readdirSync(folder)
    .filter((name) => name.startsWith(`${basename(path)}.${why}-`) && /-\d+$/.test(name))
    .sort();
  for (const name of copies.slice(0, -KEPT_COPIES)) {
    for (const suffix of SUFFIXES) rmSync(join(folder, `${name}${suffix}`), { force: true });
  }
}

/** Puts a fresh copy, made beside the old one under another name, in its place. */
export function moveInto(path: string, from: string): void {
  for (const suffix of SUFFIXES) {
    if (existsSync(`${from}${suffix}`)) renameSync(`${from}${suffix}`, `${path}${suffix}`);
  }
}

export function removeCopy(path: string): void {
  for (const suffix of SUFFIXES) rmSync(`${path}${suffix}`, { force: true });
}
