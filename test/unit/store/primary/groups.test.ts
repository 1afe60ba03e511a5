import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { err, ok, refused } from "#base";
import { MAX_VALUE_BYTES } from "../../../../src/store/primary/recording.ts";
import { Server } from "../../../../src/store/primary/server.ts";
import { expectSame, type Hub, marks, note, openedHub } from "../../../support/hub-stores.ts";
import { mountedFolder } from "../../../support/mounted-folder.ts";
import { failureIn, must } from "../../../support/opened-stores.ts";
import { hasSqld, Sqld } from "../../../support/sqld.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
const DISK_BYTES = 12 * 1024 * 1024;
const canMount = mountedFolder(DISK_BYTES);
canMount?.remove();
let sqld: Sqld;
let hub: Hub;

describe.skipIf(!hasSqld)("a group on a hub", () => {
  beforeEach(async () => {
    sqld = await Sqld.start(folder());
    hub = await openedHub(folder(), sqld.url);
  });
  afterEach(async () => {
    await hub.stores.close();
    await sqld.kill();
  });

  it("W5: is answered after the server has it, and read only then", async () => {
    const server = new Server(sqld);
    sqld.suspend();
    let isAnswered = false;
    const answer = note(hub, "x").then((acked) => {
      isAnswered = true;
      return acked;
    });
    // Reads go on, and more than once: the event loop is free.
    for (let n = 0; n < 3; n += 1) expect(await marks(hub)).toEqual([]);
    expect(isAnswered).toBe(false);

    sqld.resume();

    expect(await answer).toBe(true);
    expect(await server.rows("SELECT count(*) FROM event")).toEqual([[1]]);
    expect(await marks(hub)).toEqual(["x"]);
    server.close();
  });

  it("W6: holds up what comes meanwhile, which runs on its result, in order, together", async () => {
    const before = hub.stores.commits();
    sqld.suspend();
    const first = note(hub, "0");
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const later = Array.from({ length: 40 }, (_, n) => note(hub, `${n + 1}`));

    sqld.resume();
    await Promise.all([first, ...later]);

    expect(await marks(hub)).toEqual(Array.from({ length: 41 }, (_, n) => `${n}`));
    expect(hub.stores.commits() - before).toBe(2);
  });

  it("does not ask the server when it wrote nothing", async () => {
    await sqld.kill();

    expect(must(await hub.stores.queue.transact("look", (tx) => ok(tx.paused())))).toBe(false);
    expect(await hub.stores.queue.transact("no", () => err(refused("conflict", "no")))).toMatchObject({ ok: false });
  });

  it("rejects only the command that throws, on the server too", async () => {
    const settled = await Promise.allSettled([
      note(hub, "first"),
      hub.stores.queue.transact("bad", (tx) => {
        tx.setPaused(true);
        throw new Error("a bug");
      }),
      note(hub, "last"),
    ]);

    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    await expectSame(hub.dir, sqld.url);
    expect(await marks(hub)).toEqual(["first", "last"]);
  });

  it("refuses only the command with a text that the server does not take, and names the limit", async () => {
    const large = hub.stores.queue.transact("add", (tx) => {
      tx.appendEvent({ atMs: 1, kind: "task.progress", taskId: null, data: { mark: "ä".repeat(MAX_VALUE_BYTES / 2) } });
      return ok(1);
    });
    const acked = await Promise.all([note(hub, "first"), note(hub, "last")]);

    expect(await large).toMatchObject({ ok: false, error: { kind: "refused", code: "too_large" } });
    expect(failureIn(await large).message).toContain(`takes ${MAX_VALUE_BYTES} at most`);
    expect(acked).toEqual([true, true]);
    expect(hub.diverged).toEqual([]);
    await expectSame(hub.dir, sqld.url);
  });

  it("is split when it is too large for one batch", async () => {
    const acked = await Promise.all(Array.from({ length: 10 }, (_, n) => note(hub, `${n}${"x".repeat(4_000_000)}`)));

    expect(acked).toEqual(new Array(10).fill(true));
    expect((await marks(hub)).map((mark) => mark[0])).toEqual("0123456789".split(""));
  });

  it("is answered before the store closes", async () => {
    sqld.suspend();
    const last = note(hub, "last");
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const closed = hub.stores.close();
    sqld.resume();

    expect(await last).toBe(true);
    await closed;
    await expectSame(hub.dir, sqld.url);
  });

  it("carries what models store, too", async () => {
    must(await hub.stores.models.saveLearned("speed", [{ key: "a", value: 1 }]));

    const server = new Server(sqld);
    expect(await server.rows("SELECT key FROM learned")).toEqual([["a"]]);
    server.close();
  });
});

describe.skipIf(!hasSqld || canMount === undefined)("a hub whose server's disk is full", () => {
  it("refuses as retryable, keeps what it acknowledged, and goes on with space", async () => {
    const disk = mountedFolder(DISK_BYTES);
    if (disk === undefined) throw new Error("could be mounted a moment ago");
    const server = await Sqld.start(join(disk.path, "data"));
    const full = await openedHub(folder(), server.url);
    try {
      writeFileSync(join(disk.path, "ballast"), Buffer.alloc(DISK_BYTES / 2));
      const acked: string[] = [];
      for (let n = 0; n < 500; n += 1) {
        const mark = `${n} ${"x".repeat(100_000)}`;
        if (!(await note(full, mark))) break;
        acked.push(mark);
      }
      const refusal = await full.stores.queue.transact("pause", (tx) => {
        tx.setPaused(true);
        tx.appendEvent({ atMs: 1, kind: "task.progress", taskId: null, data: { mark: "y".repeat(1_000_000) } });
        return ok(1);
      });
      rmSync(join(disk.path, "ballast"));

      expect(acked.length).toBeLessThan(500);
      expect(refusal).toMatchObject({ ok: false, error: { kind: "retryable" } });
      expect(await note(full, "with space")).toBe(true);
      expect(await marks(full)).toEqual([...acked, "with space"]);
      await expectSame(full.dir, server.url);
    } finally {
      await full.stores.close();
      await server.kill();
      disk.remove();
    }
  });
});

describe("the fleet's database", () => {
  it("is opened for writing by nothing that could go past the server", () => {
    const store = join(import.meta.dirname, "../../../../src/store");
    const openers = readdirSync(store, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .filter((name) => /openConnection\((?!.*queryOnly)/.test(readFileSync(join(store, name), "utf8")));

    // open-database.ts: the writer's own. reader-worker.ts: VACUUM INTO. The others open copies, or what nobody has open.
    expect(openers.sort()).toEqual([
      "connection.ts",
      "open-database.ts",
      "primary/fill.ts",
      "primary/rebuild-worker.ts",
      "reader-worker.ts",
      "restore.ts",
      "succession.ts",
    ]);
  });
});
