import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ok, present, type Result } from "#base";
import { expectSame, type Hub, marks, openedHub } from "../../../support/hub-stores.ts";
import { type MountedFolder, mountedFolder } from "../../../support/mounted-folder.ts";
import { failureIn } from "../../../support/opened-stores.ts";
import { hasSqld, Sqld } from "../../../support/sqld.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
const DISK_BYTES = 8 * 1024 * 1024;
const probe = mountedFolder(DISK_BYTES);
probe?.remove();
if (probe === undefined) console.log("skipped: a full disk needs the right to mount a tmpfs");

let disk: MountedFolder;
let server: Sqld;
let hub: Hub;

function add(mark: string): Promise<Result<string>> {
  return hub.stores.queue.transact("note", (tx) => {
    tx.appendEvent({ atMs: 1, kind: "task.progress", taskId: null, data: { mark } });
    return ok(mark);
  });
}

/** Needs room in the journal, and has a text that is stored in a form of its own. */
function large(n: number): string {
  return `\u0001${n}\0${"x".repeat(400_000)}`;
}

/** Leaves no room for a page. @returns how the disk is made empty again */
function fill(): () => void {
  const path = join(disk.path, "ballast");
  const file = openSync(path, "w");
  try {
    for (;;) writeSync(file, Buffer.alloc(4096));
  } catch (cause) {
    if (!String(cause).includes("ENOSPC")) throw cause;
  } finally {
    closeSync(file);
  }
  return () => rmSync(path);
}

describe.skipIf(!hasSqld || probe === undefined)("a hub whose own disk is full after its server has committed", () => {
  beforeEach(async () => {
    disk = present(mountedFolder(DISK_BYTES), "it could be mounted a moment ago");
    server = await Sqld.start(folder());
    hub = await openedHub(join(disk.path, "state"), server.url);
  });
  afterEach(async () => {
    await hub.stores.close();
    await server.kill();
    disk.remove();
  });

  it("W9: answers when there is space again in time, else says that it is done there, and never starts anew", async () => {
    const told: unknown[] = [];
    hub.stores.queue.subscribe((events) => told.push(...events.map(({ data }) => data["mark"])));
    await add("before");
    setTimeout(fill(), 300);
    const waited = await add(large(1));
    const empty = fill();
    const late = await add(large(2));
    const refused = await add("meanwhile");
    const shown = await marks(hub);
    empty();
    const after = await add("with space");

    expect(waited.ok).toBe(true);
    expect(failureIn(late)).toMatchObject({ kind: "retryable", code: "disk_full" });
    expect(failureIn(late).message).toContain("it is done on the fleet's server");
    expect(failureIn(refused)).toMatchObject({ kind: "retryable", code: "disk_full" });
    expect(failureIn(refused).message).toContain("nothing was changed");
    expect(shown).toEqual(["before", large(1)]);
    expect(after.ok).toBe(true);
    expect(await marks(hub)).toEqual(["before", large(1), large(2), "with space"]);
    expect(told).toEqual(["before", large(1), large(2), "with space"]);
    expect(hub.diverged).toEqual([]);
    await expectSame(hub.dir, server.url);
  });
});
