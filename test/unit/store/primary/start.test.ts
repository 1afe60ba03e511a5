import { cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom } from "#base";
import { finishPromotion, restoreBackup, seedServerFolder } from "#store";
import { openConnection } from "../../../../src/store/connection.ts";
import { migrateThrough } from "../../../../src/store/migrate.ts";
import { FLEET_MIGRATIONS } from "../../../../src/store/migrations/fleet.ts";
import { PrimaryLink } from "../../../../src/store/primary/link.ts";
import { readPosition } from "../../../../src/store/primary/position.ts";
import { RecordingConnection } from "../../../../src/store/primary/recording.ts";
import { Server } from "../../../../src/store/primary/server.ts";
import { expectSame, type Hub, marks, note, openedHub } from "../../../support/hub-stores.ts";
import { must, openedStores } from "../../../support/opened-stores.ts";
import { hasSqld, Sqld } from "../../../support/sqld.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
let sqld: Sqld;
let data: string;
let hubs: Hub[] = [];

const hub = async (dir = folder()): Promise<Hub> => {
  const opened = await openedHub(dir, sqld.url);
  hubs.push(opened);
  return opened;
};

const setAside = (dir: string, why: string): readonly string[] =>
  readdirSync(dir).filter((name) => name.startsWith(`fleet.db.${why}-`) && !/-(?:wal|shm)$/.test(name));

describe.skipIf(!hasSqld)("a hub's start", () => {
  beforeEach(async () => {
    data = folder();
    sqld = await Sqld.start(data);
  });
  afterEach(async () => {
    for (const { stores } of hubs) await stores.close();
    hubs = [];
    await sqld.kill();
  });

  it("fills an empty server with everything that the working copy holds, whatever its texts are", async () => {
    const dir = folder();
    const solo = { dir, stores: await openedStores(dir), diverged: [] };
    for (const mark of ["a", "zero \0 inside", "\u0001 first", "x".repeat(300_000)]) await note(solo, mark);
    await Promise.all(Array.from({ length: 1_200 }, (_, n) => note(solo, `${n}`)));
    const before = await marks(solo);
    await solo.stores.close();

    const grown = await hub(dir);

    expect(await marks(grown)).toEqual(before);
    expect(await note(grown, "more")).toBe(true);
    await expectSame(dir, sqld.url);
  });

  it("begins anew when an earlier one was cut off while it filled the server", async () => {
    const server = new Server(sqld);
    await server.batch([
      { sql: "CREATE TABLE drover_filling (n INTEGER)", args: [] },
      { sql: "CREATE TABLE event (half INTEGER)", args: [] },
    ]);
    server.close();

    const started = await hub();

    expect(await note(started, "works")).toBe(true);
    await expectSame(started.dir, sqld.url);
  });

  it("takes over what the server has when there is no working copy, under a higher epoch", async () => {
    const first = await hub();
    await note(first, "kept");
    await first.stores.close();

    const second = await hub();

    expect(await marks(second)).toEqual(["kept"]);
    expect(second.stores.identity.uuid).toBe(first.stores.identity.uuid);
    expect(second.stores.identity.epoch).toBe(first.stores.identity.epoch + 1);
    await expectSame(second.dir, sqld.url);
  });

  it("takes over what the server has when the working copy is behind or damaged, and sets that aside", async () => {
    const first = await hub();
    await note(first, "one");
    await first.stores.close();
    const old = join(folder(), "fleet.db");
    cpSync(join(first.dir, "fleet.db"), old);
    const again = await hub(first.dir);
    await note(again, "two");
    await again.stores.close();

    const outdated = folder();
    cpSync(old, join(outdated, "fleet.db"));
    const behind = await hub(outdated);
    const seen = [await marks(behind)];
    await behind.stores.close();
    const broken = folder();
    await Bun.write(join(broken, "fleet.db"), "no database at all");
    const damaged = await hub(broken);
    seen.push(await marks(damaged));

    expect(seen).toEqual([
      ["one", "two"],
      ["one", "two"],
    ]);
    expect(setAside(outdated, "behind")).toHaveLength(1);
    expect(setAside(broken, "damaged")).toHaveLength(1);
    await expectSame(broken, sqld.url);
  });

  describe("after a member was promoted to write to it", () => {
    /** The start of the member, over a copy that is behind. */
    const promoted = async (member: string, fleet: string, epoch = 7 * 2 ** 30): Promise<void> => {
      const stores = await openedStores(member);
      const { nodeId: node, secrets } = stores;
      const common = { role: "member", name: "m", url: "http://m:1", leaseClass: "strict", joinedAtMs: 0 } as const;
      const id = createIdFactory(new SimulatedClock(), seededRandom(4)).node();
      const oldHub = { id, name: "old", url: "http://old:1", publicKey: "k" };
      must(secrets.setMembership({ ...common, fleet, hub: oldHub, epoch: 1, setAside: false }));
      must(secrets.beginPromotion({ epoch, node, url: "http://m:1", atMs: 1, why: "promoted" }));
      await stores.close();
      await Bun.write(join(member, "fleet.db-client_wal_index"), "");
      must(finishPromotion(member, 2, () => undefined, "the fleet's server"));
    };

    it("nothing that the server has is lost, and the old hub's further commits change nothing", async () => {
      const old = await hub();
      await note(old, "one");
      const member = folder();
      await promoted(member, old.stores.identity.uuid);

      const next = await hub(member);
      const late = await note(old, "late");
      await note(next, "two");

      expect(await marks(next)).toEqual(["one", "two"]);
      expect(late).toBe(false);
      expect(old.diverged).toHaveLength(1);
      expect(next.stores.fleetNodes.hub()).toMatchObject({ node: next.stores.nodeId, epoch: 7 * 2 ** 30 });
      expect(next.stores.position().epoch).toBe(7 * 2 ** 30);
      await expectSame(member, sqld.url);
    });

    it("the old hub does not start on it any more, also when it can ask nobody, and the new one does", async () => {
      const old = await hub();
      const { dir } = old;
      await old.stores.close();
      const member = folder();
      await promoted(member, old.stores.identity.uuid);
      const next = await hub(member);
      await next.stores.close();

      await expect(hub(dir)).rejects.toThrow(/taken over the libSQL server/);
      const again = await hub(member);

      expect(again.stores.position().epoch).toBe(7 * 2 ** 30);
      await again.stores.close();
      hubs = [];
    });

    it("a server that holds another fleet, or nothing, is not taken over", async () => {
      const member = folder();
      await promoted(member, "a fleet that is not here");

      await expect(hub(member)).rejects.toThrow(/holds nothing/);
      const stranger = await hub();
      await note(stranger, "theirs");
      await expect(hub(member)).rejects.toThrow(/holds fleet/);
    });
  });

  it("gives a server that lost its latest commits those that the working copy has", async () => {
    const first = await hub();
    await note(first, "one");
    await sqld.kill();
    const old = join(folder(), "data");
    cpSync(data, old, { recursive: true });
    sqld = await Sqld.start(data, { port: sqld.port });
    await note(first, "two");
    await first.stores.close();
    await sqld.kill();
    sqld = await Sqld.start(old, { port: sqld.port });

    const again = await hub(first.dir);

    expect(await marks(again)).toEqual(["one", "two"]);
    await expectSame(first.dir, sqld.url);
  });

  it("gives the server what was restored from a backup on purpose", async () => {
    const first = await hub();
    await note(first, "in the backup");
    const { path } = must(await first.stores.backups.take());
    await note(first, "after the backup");
    await first.stores.close();
    must(restoreBackup(first.dir, path, 1));

    const restored = await hub(first.dir);

    expect(await marks(restored)).toEqual(["in the backup"]);
    expect(restored.stores.identity.epoch).toBeGreaterThan(first.stores.identity.epoch);
    await expectSame(first.dir, sqld.url);
  });

  it("refuses a server that holds other tables, and changes nothing", async () => {
    const server = new Server(sqld);
    await server.batch([{ sql: "CREATE TABLE somebody (n INTEGER)", args: [] }]);

    await expect(hub()).rejects.toThrow("no drover database");

    expect(await server.rows("SELECT name FROM sqlite_schema")).toEqual([["somebody"]]);
    server.close();
  });

  it("goes on from a data folder that was laid for the server beforehand", async () => {
    const dir = folder();
    const solo = { dir, stores: await openedStores(dir), diverged: [] };
    await note(solo, "from before");
    await solo.stores.close();
    await sqld.kill();
    const seeded = join(folder(), "hub");
    expect(seedServerFolder(join(dir, "fleet.db"), join(seeded, "dbs", "default"), 1)).toEqual({
      ok: true,
      value: true,
    });
    expect(seedServerFolder(join(dir, "fleet.db"), join(seeded, "dbs", "default"), 1)).toEqual({
      ok: true,
      value: false,
    });
    sqld = await Sqld.start(seeded, { port: sqld.port });

    const grown = await hub(dir);

    expect(await marks(grown)).toEqual(["from before"]);
    expect(grown.stores.identity.epoch).toBe(solo.stores.identity.epoch);
    expect(setAside(dir, "behind")).toEqual([]);
    await expectSame(dir, sqld.url);
  });

  it("applies a migration to both sides, or to none", async () => {
    const first = await hub();
    await first.stores.close();
    const inner = openConnection(join(first.dir, "fleet.db"));
    const recording = new RecordingConnection(inner);
    const position = readPosition(inner);
    if (position === undefined) throw new Error("it has a position");
    const server = new Server(sqld);
    const link = new PrimaryLink({ server, recording, position, onDiverged: () => undefined });
    const extended = [
      ...FLEET_MIGRATIONS,
      { number: FLEET_MIGRATIONS.length + 1, name: "good", sql: ["CREATE TABLE fresh (n INTEGER PRIMARY KEY) STRICT"] },
    ];
    const broken = [...extended, { number: extended.length + 1, name: "bad", sql: ["DROP TABLE fresh", "nonsense"] }];

    const applied = migrateThrough(inner, broken, 1, (write) => link.transact(write));

    await expect(applied).rejects.toThrow("nonsense");
    expect(existsSync(`${inner.path}.before-${extended.length}`)).toBe(true);
    inner.close();
    link.close();
    await expectSame(first.dir, sqld.url);
    rmSync(first.dir, { recursive: true, force: true });
  });
});
