import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createIdFactory, ok, type Result, SimulatedClock, seededRandom, silentLogger } from "#base";
import { openStores, type Stores } from "#store";
import { type MountedFolder, mountedFolder } from "../../support/mounted-folder.ts";
import { failureIn, must, openedStores } from "../../support/opened-stores.ts";
import { newTask } from "../../support/queue-world.ts";
import { readyRow } from "../../support/task-row.ts";

const DISK_BYTES = 4 * 1024 * 1024;
const probe = mountedFolder(DISK_BYTES);
probe?.remove();
if (probe === undefined) console.log("skipped: disk full and read-only need the right to mount a tmpfs");

const ids = createIdFactory(new SimulatedClock(), seededRandom(6));
const options = { clock: new SimulatedClock(), logger: silentLogger, random: seededRandom(9) };
let disk: MountedFolder;

const addTask = (stores: Stores): Promise<Result<string>> => {
  const id = ids.task();
  return stores.queue.transact("add task", (tx) => {
    tx.insertTask(readyRow(id), newTask(id, { body: JSON.stringify({ title: "x".repeat(50_000) }) }));
    return ok(id);
  });
};

describe.skipIf(probe === undefined)("a disk", () => {
  beforeEach(() => {
    const mounted = mountedFolder(DISK_BYTES);
    if (mounted === undefined) throw new Error("could be mounted a moment ago");
    disk = mounted;
  });
  afterEach(() => disk.remove());

  it("that is full fails every command of the group, keeps what was accepted, and works again with space", async () => {
    const stores = await openedStores(join(disk.path, "state"));
    writeFileSync(join(disk.path, "ballast"), Buffer.alloc(DISK_BYTES / 2));
    const accepted: string[] = [];
    let failed: readonly Result<string>[] = [];
    for (let round = 0; round < 100 && failed.length === 0; round += 1) {
      const results = await Promise.all([addTask(stores), addTask(stores), addTask(stores)]);
      accepted.push(...results.filter((result) => result.ok).map((result) => result.value));
      failed = results.filter((result) => !result.ok);
    }

    rmSync(join(disk.path, "ballast"));
    const after = must(await addTask(stores));
    const kept = must(await stores.queue.list({}, 500));
    await stores.close();

    expect(failed).toHaveLength(3);
    expect(failed.map((result) => !result.ok && [result.error.code, result.error.kind])).toEqual(
      Array.from({ length: 3 }, () => ["disk_full", "retryable"]),
    );
    expect(kept.items.map(({ row }) => row.id).sort()).toEqual([...accepted, after].sort());
  });

  it("that is full when drover starts gives a failure with what to do", async () => {
    writeFileSync(join(disk.path, "ballast"), Buffer.alloc(DISK_BYTES - 8_192));

    const opened = await openStores(join(disk.path, "state"), options);

    expect(failureIn(opened).code).toBe("disk_full");
    expect(failureIn(opened).remedy).toContain("space");
  });

  it("that is read-only when drover starts gives a failure with what to do", async () => {
    disk.makeReadOnly();

    const opened = await openStores(join(disk.path, "state"), options);

    expect(failureIn(opened).code).toBe("read_only");
    expect(failureIn(opened).remedy).toContain("writable");
  });

  it("that is read-only under a state directory that exists gives the same failure", async () => {
    // In a process of its own: the binding closes its files only when their handles are collected.
    const script = join(import.meta.dirname, "../../support/store-holder-main.ts");
    expect(spawnSync(process.execPath, [script, disk.path, "and-close"]).status).toBe(0);
    disk.makeReadOnly();

    const opened = await openStores(disk.path, options);

    expect(failureIn(opened).code).toBe("read_only");
  });
});
