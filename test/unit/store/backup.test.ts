import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createIdFactory, ok, SimulatedClock, seededRandom, silentLogger, type TaskId } from "#base";
import { openStores, restoreBackup, type Stores, scheduleBackups } from "#store";
import { openConnection } from "../../../src/store/connection.ts";
import { failureIn, must, openedStores } from "../../support/opened-stores.ts";
import { newTask } from "../../support/queue-world.ts";
import { readyRow } from "../../support/task-row.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";

const folder = temporaryFolders();
const NOW_MS = Date.UTC(2026, 10, 21);
const ids = createIdFactory(new SimulatedClock(), seededRandom(3));

async function addTask(stores: Stores): Promise<TaskId> {
  const id = ids.task();
  must(
    await stores.queue.transact("add", (tx) => {
      tx.classId("{}");
      tx.insertTask(readyRow(id), newTask(id, { body: JSON.stringify({ title: "x".repeat(3_000) }) }));
      tx.appendEvent({ atMs: 1, kind: "task.submitted", taskId: id, data: {} });
      return ok(undefined);
    }),
  );
  return id;
}

/** Overwrites the middle of a file with noise. */
function damage(path: string): void {
  const bytes = readFileSync(path);
  for (let at = 4096; at < bytes.length - 4096; at += 1) bytes[at] = (at * 7919) % 251;
  writeFileSync(path, bytes);
}

describe("a backup", () => {
  it("goes to the folder that was configured, and a damaged database names the newest one there", async () => {
    const dir = folder();
    const backupFolder = join(folder(), "elsewhere");
    const stores = await openedStores(dir, { backupFolder });
    await addTask(stores);
    const taken = must(await stores.backups.take());
    await stores.close();
    damage(join(dir, "fleet.db"));

    const reopened = await openStores(dir, {
      clock: new SimulatedClock(),
      logger: silentLogger,
      random: seededRandom(1),
      backupFolder,
    });

    expect(taken.path.startsWith(backupFolder)).toBe(true);
    expect(failureIn(reopened).remedy).toContain(`drover restore ${taken.path}`);
  });

  it("taken while tasks are written holds everything that was there when it began, and is sound", async () => {
    const dir = folder();
    const stores = await openedStores(dir);
    for (let n = 0; n < 20; n += 1) await addTask(stores);
    const taking = stores.backups.take();
    let during = 0;
    for (let report: unknown; report === undefined; during += 1) {
      report = await Promise.race([taking, addTask(stores).then(() => undefined)]);
    }

    const report = must(await taking);
    await stores.close();

    expect(report.tasks).toBeGreaterThanOrEqual(20);
    expect(report.tasks).toBeLessThanOrEqual(20 + during);
    expect(during).toBeGreaterThan(0);
    expect(report.lastEventSeq).toBe(report.tasks);
    expect(readdirSync(join(dir, "backups"))).toHaveLength(1);
  });

  it("is never written over a file that exists", async () => {
    const dir = folder();
    const stores = await openedStores(dir);
    writeFileSync(join(dir, "precious"), "precious");

    const refusal = await stores.backups.take(join(dir, "precious"));
    await stores.close();

    expect(failureIn(refusal).code).toBe("conflict");
    expect(readFileSync(join(dir, "precious"), "utf8")).toBe("precious");
  });

  it("is readable for its owner alone", async () => {
    const dir = folder();
    const stores = await openedStores(dir);
    await addTask(stores);

    const taken = must(await stores.backups.take(join(dir, "elsewhere.db")));
    await stores.close();

    expect(taken.tasks).toBe(1);
    expect(statSync(taken.path).mode & 0o777).toBe(0o600);
  });

  it("leaves a file alone that has the name of its unfinished copy, and says so", async () => {
    const dir = folder();
    const stores = await openedStores(dir);
    writeFileSync(join(dir, "mine.db.making"), "precious");

    const refusal = await stores.backups.take(join(dir, "mine.db"));
    await stores.close();

    expect(failureIn(refusal).code).toBe("conflict");
    expect(failureIn(refusal).message).toContain("mine.db.making");
    expect(readFileSync(join(dir, "mine.db.making"), "utf8")).toBe("precious");
    expect(existsSync(join(dir, "mine.db"))).toBe(false);
  });

  it("that cannot be written leaves nothing half made, and the store works on", async () => {
    const dir = folder();
    const stores = await openedStores(dir);
    writeFileSync(join(dir, "file"), "");

    const failed = await stores.backups.take(join(dir, "file", "backup.db"));
    await addTask(stores);
    const lanes = must(await stores.queue.lanes());
    await stores.close();

    expect(failed.ok).toBe(false);
    expect(lanes).toHaveLength(5);
  });
});

describe("restoring a backup", () => {
  it("brings its tasks back, sets the old database aside and raises the epoch above both", async () => {
    const dir = folder();
    const first = await openedStores(dir);
    const kept = await addTask(first);
    const backup = must(await first.backups.take());
    const lost = await addTask(first);
    await first.close();
    damage(join(dir, "fleet.db"));

    const report = must(restoreBackup(dir, backup.path, NOW_MS));
    const second = await openedStores(dir);
    const found = must(await second.queue.findMany([kept, lost]));
    const fence = must(await second.queue.transact("claim", (tx) => ok(tx.nextFence())));
    await second.close();

    expect(found.map(({ row }) => row.id)).toEqual([kept]);
    expect(report.epoch).toBeGreaterThan(first.identity.epoch);
    expect(fence.epoch).toBe(report.epoch);
    expect(second.identity).toMatchObject({ uuid: first.identity.uuid, epoch: report.epoch, change: "restored" });
    expect(report.setAside).toMatch(/fleet\.db\.damaged-/);
    expect(existsSync(report.setAside ?? "")).toBe(true);
  });

  it("makes the state directory of a fresh machine, and what it puts there is its owner's alone", async () => {
    const first = await openedStores(folder());
    const kept = await addTask(first);
    const backup = must(await first.backups.take());
    await first.close();
    chmodSync(backup.path, 0o644);
    const fresh = join(folder(), "deep", "state");

    const report = must(restoreBackup(fresh, backup.path, NOW_MS));
    const modes = [fresh, join(fresh, "fleet.db")].map((path) => statSync(path).mode & 0o777);
    const second = await openedStores(fresh);
    const found = must(await second.queue.find(kept));
    await second.close();

    expect(report).not.toHaveProperty("setAside");
    expect(modes).toEqual([0o700, 0o600]);
    expect(found?.row.id).toBe(kept);
  });

  it("sets a sound database aside as replaced, not as damaged", async () => {
    const dir = folder();
    const stores = await openedStores(dir);
    const backup = must(await stores.backups.take());
    await stores.close();

    const report = must(restoreBackup(dir, backup.path, NOW_MS));

    expect(report.setAside).toMatch(/fleet\.db\.replaced-/);
    expect(existsSync(report.setAside ?? "")).toBe(true);
  });

  it("refuses a damaged copy and changes nothing", async () => {
    const dir = folder();
    const stores = await openedStores(dir);
    const id = await addTask(stores);
    const backup = must(await stores.backups.take());
    await stores.close();
    damage(backup.path);

    const refusal = restoreBackup(dir, backup.path, NOW_MS);
    const again = await openedStores(dir);
    const found = must(await again.queue.find(id));
    await again.close();

    expect(failureIn(refusal).code).toBe("corrupt");
    expect(found?.row.id).toBe(id);
  });

  it("refuses a file that is another sort of database", async () => {
    const dir = folder();
    await (await openedStores(dir)).close();
    const other = openConnection(join(dir, "other.db"));
    other.exec("CREATE TABLE cats (name TEXT)");
    other.close();

    const refusal = restoreBackup(dir, join(dir, "other.db"), NOW_MS);

    expect(failureIn(refusal).code).toBe("corrupt");
  });

  it("is refused while a drover runs on the directory", async () => {
    const dir = folder();
    const stores = await openedStores(dir);
    const backup = must(await stores.backups.take());

    const refusal = restoreBackup(dir, backup.path, NOW_MS);
    await stores.close();

    expect(failureIn(refusal).code).toBe("in_use");
  });

  it("that was interrupted before the exchange is finished by the next start", async () => {
    const dir = folder();
    const first = await openedStores(dir);
    const kept = await addTask(first);
    const backup = must(await first.backups.take(join(dir, "fleet.db.incoming")));
    const lost = await addTask(first);
    await first.close();

    const second = await openedStores(dir);
    const found = must(await second.queue.findMany([kept, lost]));
    await second.close();

    expect(found.map(({ row }) => row.id)).toEqual([kept]);
    expect(existsSync(backup.path)).toBe(false);
  });
});

describe("scheduled backups", () => {
  it("come once a period and keep the newest", async () => {
    const dir = folder();
    const clock = new SimulatedClock();
    const stores = await openedStores(dir, { clock });
    const stop = scheduleBackups(stores.backups, { clock, logger: silentLogger, everyMs: 3_600_000, keep: 2 });
    const made: string[] = [];
    for (let hour = 0; hour < 4; hour += 1) {
      clock.advance(3_600_000);
      const newest = await waitUntil("a backup", () => {
        const [last] = stores.backups
          .list()
          .filter((name) => name.endsWith(".db") && !made.includes(name))
          .slice(-1);
        return last;
      });
      made.push(newest);
      await waitUntil("the older ones are gone", () => stores.backups.list().length <= 2);
    }

    stop();
    const left = stores.backups.list();
    await stores.close();

    expect(new Set(made).size).toBe(4);
    expect(left).toEqual(made.slice(-2));
    rmSync(dir, { recursive: true });
  });
});
