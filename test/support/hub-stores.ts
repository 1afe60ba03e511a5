import { join } from "node:path";
import { expect } from "vitest";
import type { Failure } from "#base";
import type { StoreOptions, Stores } from "#store";
import { openReadOnly } from "../../src/store/connection.ts";
import { inspectDatabase } from "../../src/store/inspect.ts";
import { Server } from "../../src/store/primary/server.ts";
import { must, openedStores } from "./opened-stores.ts";

/** Short, so that a test which makes a server hang does not wait for long. */
const LIMITS = { requestMs: 500, patienceMs: 2_000, patienceDownMs: 300, pauseMs: 5, maxPauseMs: 50, startMs: 5_000 };

export type Hub = { readonly dir: string; readonly stores: Stores; readonly diverged: readonly Failure[] };

/** The stores of a hub that writes through a server; keeps what it is told when the two part. */
export async function openedHub(dir: string, url: string, options: Partial<StoreOptions> = {}): Promise<Hub> {
  const diverged: Failure[] = [];
  const onDiverged = (failure: Failure): void => {
    diverged.push(failure);
  };
  const stores = await openedStores(dir, { ...options, primary: { url, onDiverged, limits: LIMITS } });
  return { dir, stores, diverged };
}

/** Adds one event that can be told from all others. @returns whether it was acknowledged. */
export async function note({ stores }: Hub, mark: string): Promise<boolean> {
  const noted = await stores.queue.transact("note", (tx) => {
    tx.appendEvent({ atMs: 1, kind: "task.progress", taskId: null, data: { mark } });
    return { ok: true, value: mark };
  });
  return noted.ok;
}

/** The marks of all events, in order. */
export async function marks({ stores }: Hub): Promise<readonly string[]> {
  const found: string[] = [];
  for (let after = 0; ; ) {
    const page = must(await stores.queue.events(after, 500));
    if (page.length === 0) return found;
    for (const { data } of page) found.push(typeof data["mark"] === "string" ? data["mark"] : "");
    after = page.at(-1)?.seq ?? after;
  }
}

/** Demands that working copy and server hold the same rows in every table, and that the working copy is sound. */
export async function expectSame(dir: string, url: string): Promise<void> {
  const server = new Server({ url });
  const path = join(dir, "fleet.db");
  expect(inspectDatabase(path).faults).toEqual([]);
  const here = openReadOnly(path);
  try {
    const list = "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
    const objects = here.prepare(list).all([]);
    expect((await server.rows(list)).filter((row) => !String(row[0]).startsWith("libsql_"))).toEqual(objects);
    for (const [name, sql] of objects) {
      if (!String(sql).startsWith("CREATE TABLE")) continue;
      const rows = `SELECT * FROM "${name}" ${name === "meta" ? "WHERE name <> 'fingerprint'" : ""}`;
      const sorted = (found: readonly (readonly unknown[])[]): string[] =>
        found.map((row) => JSON.stringify(row)).sort();
      expect(sorted(await server.rows(rows)), `table ${name}`).toEqual(sorted(here.prepare(rows).all([])));
    }
    expect(await server.rows("SELECT 1 FROM meta WHERE name = 'fingerprint'")).toEqual([]);
    expect(await server.rows("PRAGMA integrity_check")).toEqual([["ok"]]);
  } finally {
    here.close();
    server.close();
  }
}
