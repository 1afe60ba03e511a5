/** What keeps alerts and decisions: in memory and in node.db, by the same promises. */
import { copyFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { NODE_FILE, present } from "#base";
import { type Stores, verifyAuditFile, verifyAuditOf } from "#store";
import {
  type Alert,
  type AlertStore,
  type AuditEntry,
  type AuditStore,
  MemoryAlertStore,
  MemoryAuditStore,
} from "#telemetry";
import { LibsqlAuditStore } from "../../src/store/audit-log.ts";
import { openConnection } from "../../src/store/connection.ts";
import { migrateDatabase } from "../../src/store/migrate.ts";
import { NODE_MIGRATIONS } from "../../src/store/migrations/node.ts";
import { failureIn, must, openedStores } from "../support/opened-stores.ts";
import { sha256 } from "../support/telemetry.ts";
import { temporaryFolders } from "../support/temporary-folder.ts";

const folder = temporaryFolders();
const open: Stores[] = [];

afterEach(async () => {
  for (const stores of open.splice(0)) await stores.close();
});

async function inFile(dir = folder()): Promise<Stores> {
  const stores = await openedStores(dir);
  open.push(stores);
  return stores;
}

const entry = (n: number): AuditEntry => ({
  actor: n % 2 === 0 ? "mind" : "operator",
  action: n % 3 === 0 ? "mind.changed" : "mindful",
  subject: `goal-${n % 5}`,
  reason: `reason ${n} \u0000 ä \ud800`,
  detail: { n, share: 0.1, nothing: null },
});

const STEPS = { least: 5, most: 8 };
const connections: { close(): void }[] = [];

afterEach(() => {
  for (const connection of connections.splice(0)) connection.close();
});

function inNodeFile(dir = folder()): AuditStore {
  const connection = openConnection(join(dir, NODE_FILE));
  connections.push(connection);
  must(migrateDatabase(connection, NODE_MIGRATIONS, 1));
  return new LibsqlAuditStore(connection, STEPS);
}

describe.each([
  ["memory", async (): Promise<AuditStore> => new MemoryAuditStore(sha256, STEPS)],
  ["node.db", async (): Promise<AuditStore> => inNodeFile()],
])("an audit log in %s", (_name, make) => {
  it("gives what was written, in pages and by filters, and is sound", async () => {
    const log = await make();
    for (let n = 1; n <= 12; n += 1) must(log.append(entry(n), n));

    const page = must(log.list({ limit: 5 }));
    const next = must(log.list({ limit: 5, below: present(page.at(-1), "a page has rows").seq }));
    expect([...page, ...next].map(({ seq }) => seq)).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    expect(must(log.after(10, 5)).map(({ seq }) => seq)).toEqual([11, 12]);
    expect(must(log.list({ limit: 50, action: "mind" })).map(({ seq }) => seq)).toEqual([12, 9, 6, 3]);
    expect(must(log.list({ limit: 50, actor: "operator", subject: "goal-1" })).map(({ seq }) => seq)).toEqual([11, 1]);
    expect(must(log.list({ limit: 50, sinceMs: 11 }))).toHaveLength(2);
    expect(page[0]).toMatchObject({
      reason: "reason 12 \u0000 ä \ufffd",
      detail: { n: 12, share: 0.1, nothing: null },
    });
    expect(must(await log.verify(undefined))).toMatchObject({ rows: 12, from: 1, fault: null });
  });

  it("AU5: is cut from its old end in large steps, and is sound afterwards", async () => {
    const log = await make();
    for (let n = 1; n <= 20; n += 1) must(log.append(entry(n), n));

    expect(must(log.cut({ beforeMs: 5, maxRows: 1_000 }, 2_000))).toBe(0);
    expect(must(log.cut({ beforeMs: 7, maxRows: 1_000 }, 2_000))).toBe(6);
    expect(must(log.cut({ beforeMs: 7, maxRows: 1_000 }, 2_000))).toBe(0);
    expect(must(log.cut({ beforeMs: 0, maxRows: 2 }, 2_000))).toBe(8);

    expect(must(log.bounds())).toMatchObject({ head: { seq: 22 }, cut: { seq: 14 } });
    const found = must(await log.verify(undefined));
    expect(found).toMatchObject({ from: 15, rows: 8, fault: null });
    expect(must(await log.verify(present(found.to, "it has rows"))).fault).toBeNull();
    expect(must(await log.verify({ seq: 22, hash: "0".repeat(64) })).fault).toMatchObject({ kind: "notExpected" });
  });
});

describe("the database of an audit log", () => {
  const tampered: readonly [string, readonly string[], string, number][] = [
    ["a changed row", ["DROP TRIGGER audit_stays", "UPDATE audit SET reason = 'other' WHERE seq = 3"], "changed", 3],
    [
      "a detail in another form",
      ["DROP TRIGGER audit_stays", "UPDATE audit SET detail = detail || ' ' WHERE seq = 3"],
      "changed",
      3,
    ],
    ["a removed row", ["DROP TRIGGER audit_is_kept", "DELETE FROM audit WHERE seq = 3"], "removed", 3],
    [
      "rows in another order",
      [
        "DROP TRIGGER audit_stays",
        "UPDATE audit SET seq = -seq WHERE seq IN (3, 4)",
        "UPDATE audit SET seq = 7 + seq WHERE seq < 0",
      ],
      "changed",
      3,
    ],
    [
      "a row that was put in",
      [
        "DROP TRIGGER audit_stays",
        "DROP TRIGGER audit_follows",
        "DROP TRIGGER audit_moves_head",
        "UPDATE audit SET seq = seq + 1 WHERE seq = 6",
        "INSERT INTO audit SELECT 6, at_ms, actor, action, subject, reason, detail, previous, hash FROM audit WHERE seq = 2",
      ],
      "changed",
      6,
    ],
    ["a cut tail", ["DROP TRIGGER audit_is_kept", "DELETE FROM audit WHERE seq > 4"], "tailCut", 5],
    ["a removed guard", ["DROP TRIGGER audit_is_kept"], "unguarded", 6],
  ];

  it.each(tampered)("with %s is found out, also while the node runs", async (_name, statements, kind, seq) => {
    const dir = folder();
    const audit = inNodeFile(dir);
    for (let n = 1; n <= 6; n += 1) must(audit.append(entry(n), n));
    expect(must(await verifyAuditOf(dir))).toMatchObject({ rows: 6, fault: null });

    const other = openConnection(join(dir, NODE_FILE));
    for (const sql of statements) other.exec(sql);
    other.close();

    expect(must(await verifyAuditOf(dir)).fault).toMatchObject({ kind, seq });
  });

  it.each([
    ["UPDATE audit SET reason = 'other' WHERE seq = 3", "never changed"],
    ["DELETE FROM audit WHERE seq = 1", "from its old end"],
    ["INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 3", "follows the last one"],
    ["UPDATE audit_head SET seq = 2", "its last row"],
    ["DELETE FROM audit_head", "has a head"],
    ["INSERT INTO audit_cut (seq, hash, at_ms) VALUES (6, 'x', 1)", "keeps the last"],
  ])("refuses %s", async (sql, why) => {
    const dir = folder();
    const audit = inNodeFile(dir);
    for (let n = 1; n <= 6; n += 1) must(audit.append(entry(n), n));
    const other = openConnection(join(dir, NODE_FILE));

    expect(() => other.exec(sql)).toThrow(why);

    other.close();
    expect(must(await verifyAuditOf(dir)).fault).toBeNull();
  });

  it("is verified while a node runs, which stops without a wait, when none runs, and as a copy", async () => {
    const dir = folder();
    const stores = await openedStores(dir);
    must(stores.audit.append(entry(1), 1));
    expect(must(await verifyAuditOf(dir))).toMatchObject({ rows: 1, fault: null });
    await stores.close();
    // Written back whole: the verification left nothing that holds the journal.
    expect(statSync(join(dir, `${NODE_FILE}-wal`), { throwIfNoEntry: false })?.size ?? 0).toBe(0);
    const copy = join(folder(), "copy.db");
    copyFileSync(join(dir, NODE_FILE), copy);

    expect(must(await verifyAuditOf(dir))).toMatchObject({ rows: 1, fault: null });
    expect(must(await verifyAuditFile(copy, undefined))).toMatchObject({ rows: 1, fault: null });
    expect(failureIn(await verifyAuditOf(folder()))).toMatchObject({ code: "not_found" });
  });
});

const alert = (more: Partial<Alert> = {}): Alert => ({
  id: 0,
  key: "disk",
  severity: "warning",
  state: "firing",
  title: "The disk is nearly full",
  message: "9 % are free",
  source: "rules",
  raisedAtMs: 1,
  changedAtMs: 1,
  seenAtMs: 1,
  acknowledgedBy: null,
  acknowledgedAtMs: null,
  note: null,
  resolvedAtMs: null,
  ...more,
});

describe.each([
  ["memory", async (): Promise<AlertStore> => new MemoryAlertStore()],
  ["node.db", async (): Promise<AlertStore> => (await inFile()).alerts],
])("alerts in %s", (_name, make) => {
  it("AL1, AL4: have one that is open per key, and one that is over stays so", async () => {
    const store = await make();

    const first = must(store.put(alert()));
    expect(first.id).toBe(1);
    expect(failureIn(store.put(alert()))).toMatchObject({ code: "conflict" });
    const worse = must(store.put({ ...first, severity: "critical", changedAtMs: 2 }));
    const over = must(store.put({ ...worse, state: "resolved", resolvedAtMs: 3 }));
    expect(failureIn(store.put({ ...over, state: "firing", resolvedAtMs: null }))).toMatchObject({ code: "conflict" });
    const second = must(store.put(alert({ raisedAtMs: 4 })));

    expect(second.id).toBe(2);
    expect(must(store.open())).toEqual([second]);
    expect(must(store.find(1))).toEqual(over);
    expect(must(store.find(3))).toBeUndefined();
    expect(must(store.list({ limit: 10, states: ["resolved"] }))).toEqual([over]);
    expect(must(store.list({ limit: 10, below: 2 }))).toEqual([over]);
  });

  it("are forgotten when they are over, by age and by number", async () => {
    const store = await make();
    for (let n = 1; n <= 6; n += 1) must(store.put(alert({ state: "resolved", resolvedAtMs: n * 10 })));
    must(store.put(alert()));

    expect(must(store.prune(25, 3))).toBe(3);
    expect(must(store.list({ limit: 10 })).map(({ id }) => id)).toEqual([7, 6, 5, 4]);
    expect(must(store.prune(1_000, 3))).toBe(3);
    expect(must(store.list({ limit: 10 })).map(({ id }) => id)).toEqual([7]);
  });
});
