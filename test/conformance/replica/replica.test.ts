import { existsSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { FLEET_FILE, ok, seededRandom, silentLogger } from "#base";
import { openReplica, type Replica } from "../../../src/store/replica/replica.ts";
import { realClock } from "../../support/real-clock.ts";
import { emptyFleetDatabase, ReplicaSqld } from "../../support/replica-sqld.ts";
import { hasSqld } from "../../support/sqld.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { valueOf } from "../../unit/api/api-harness.ts";

const folder = temporaryFolders();
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function hub(): Promise<ReplicaSqld> {
  const server = await ReplicaSqld.start(folder(), await emptyFleetDatabase(folder()));
  ends.push(() => server.kill());
  return server;
}

async function uuidOf(server: ReplicaSqld): Promise<string> {
  const { rows } = await server.client.execute("SELECT value FROM meta WHERE name = 'uuid'");
  const [row] = rows;
  if (typeof row?.["value"] !== "string") throw new Error("the fleet has no name");
  return row["value"];
}

/** A commit as a hub's writer makes them: the count, and an event beside it. */
async function commit(server: ReplicaSqld, times = 1): Promise<number> {
  for (let n = 0; n < times; n += 1) {
    await server.client.batch(
      [
        "UPDATE fleet_commit SET seq = seq + 1",
        "INSERT INTO event (at_ms, kind, task_id, data) SELECT seq, 'queue.paused', NULL, '{}' FROM fleet_commit",
      ],
      "write",
    );
  }
  const { rows } = await server.client.execute("SELECT seq FROM fleet_commit");
  return Number(rows[0]?.["seq"]);
}

class Following {
  readonly path: string;
  readonly fleet: string;
  target: ReplicaSqld;
  replica!: Replica; // set by `open`

  constructor(path: string, fleet: string, target: ReplicaSqld) {
    this.path = path;
    this.fleet = fleet;
    this.target = target;
  }

  async open() {
    const opened = await openReplica(this.path, {
      clock: realClock,
      random: seededRandom(Date.now()),
      logger: silentLogger,
      fleet: this.fleet,
      limits: { silenceMs: 1_500, backoffMaxMs: 1_000 },
      carry: (request) => {
        const { pathname } = new URL(request.url);
        return fetch(`${this.target.url}${pathname}`, {
          method: request.method,
          headers: request.headers,
          body: request.body,
          signal: request.signal,
        });
      },
    });
    if (opened.ok) {
      this.replica = opened.value;
      ends.push(() => this.replica.close());
    }
    return opened;
  }

  async shows(seq: number, timeoutMs = 10_000): Promise<boolean> {
    const epoch = this.replica.position().epoch;
    return this.replica.reached({ epoch, seq }, timeoutMs);
  }
}

async function follow(server: ReplicaSqld): Promise<Following> {
  const following = new Following(join(folder(), FLEET_FILE), await uuidOf(server), server);
  valueOf(await following.open());
  return following;
}

describe.skipIf(!hasSqld)("the replica of a member", () => {
  it("P1: shows what the hub committed as soon as it is told of it, and tells of each event once, in order", async () => {
    const server = await hub();
    const following = await follow(server);
    const told: number[] = [];
    following.replica.store.subscribe((events) => told.push(...events.map(({ seq }) => seq)));

    for (let round = 0; round < 5; round += 1) {
      const seq = await commit(server, 10);
      expect(await following.shows(seq)).toBe(true);
      expect(following.replica.position().seq).toBe(seq);
    }

    expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
    expect(told).toHaveLength(50);
    expect(following.replica.freshness()).toMatchObject({ state: "attached" });
  });

  it("reads in one transaction, and refuses every write", async () => {
    const { store } = (await follow(await hub())).replica;

    const read = await store.transact("look", (tx) => ok(tx.paused()));
    const written = await store.transact("write", (tx) => ok(tx.setPaused(true)));
    const buffered = await store.transact("write later", (tx) => ok(tx.nextFence()));

    expect(valueOf(read)).toBe(false);
    for (const one of [written, buffered]) expect(one).toMatchObject({ ok: false, error: { code: "unsupported" } });
    expect(valueOf(await store.isPaused())).toBe(false);
  });

  it("opens without its hub when it has a copy, says how old it is, and follows again by itself", async () => {
    const server = await hub();
    const following = await follow(server);
    const seq = await commit(server, 3);
    await following.shows(seq);
    await following.replica.close();
    await server.kill();

    valueOf(await following.open());
    const away = following.replica.freshness();
    await server.up();
    const later = await commit(server, 3);

    expect(away).toMatchObject({ state: "stale", position: { seq } });
    expect(await following.shows(later, 20_000)).toBe(true);
  });

  it("says that there is no copy and no hub when both are missing", async () => {
    const server = await hub();
    const fleet = await uuidOf(server);
    await server.kill();

    const opened = await new Following(join(folder(), FLEET_FILE), fleet, server).open();

    expect(opened).toMatchObject({ ok: false, error: { kind: "retryable", code: "unavailable" } });
  });

  it("P2: a hub that stands still stops no timer here, and is followed again when it goes on", {
    timeout: 60_000,
  }, async () => {
    const server = await hub();
    const following = await follow(server);
    await following.shows(await commit(server, 2));
    server.signal("SIGSTOP");
    following.replica.follow({ epoch: 0, seq: 1_000 });
    let longestMs = 0;
    let lastMs = performance.now();
    const ticker = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    }, 5);
    const stale = Promise.withResolvers<void>();
    const looking = setInterval(() => {
      if (following.replica.freshness().state === "stale") stale.resolve();
    }, 50);
    await stale.promise;
    clearInterval(looking);
    clearInterval(ticker);
    const read = await following.replica.store.lanes();
    server.signal("SIGCONT");
    const seq = await commit(server, 2);

    expect(longestMs).toBeLessThan(1_000);
    expect(read.ok).toBe(true);
    expect(await following.shows(seq, 40_000)).toBe(true);
  });

  it.each([
    ["cut short", (path: string) => truncateSync(path, 5_000)],
    ["overwritten", (path: string) => writeFileSync(path, "nonsense ".repeat(2_000))],
    ["empty", (path: string) => truncateSync(path, 0)],
  ])("P3: a copy that is %s is set aside and fetched anew", async (_how, damage) => {
    const server = await hub();
    const following = await follow(server);
    const seq = await commit(server, 5);
    await following.shows(seq);
    await following.replica.close();
    damage(following.path);

    valueOf(await following.open());

    expect(await following.shows(seq, 20_000)).toBe(true);
    expect(valueOf(await following.replica.store.lanes())).toHaveLength(5);
  });

  it("P4: the database of another fleet is never shown as this one's: the copy stays, and says that it is old", {
    timeout: 60_000,
  }, async () => {
    const [server, other] = [await hub(), await hub()];
    const following = await follow(server);
    const seq = await commit(server, 3);
    await following.shows(seq);
    await following.replica.close();
    following.target = other;
    const others = await commit(other, 50);

    valueOf(await following.open());
    const reached = await following.shows(others, 3_000);
    const without = await new Following(join(folder(), FLEET_FILE), following.fleet, other).open();

    expect(reached).toBe(false);
    expect(following.replica.freshness()).toMatchObject({ state: "stale", position: { seq } });
    expect(valueOf(await following.replica.store.events(0, 100))).toHaveLength(3);
    expect(without).toMatchObject({ ok: false, error: { code: "conflict" } });
  });

  it("a file that this node wrote while it was alone is kept, under another name", async () => {
    const server = await hub();
    const path = await emptyFleetDatabase(folder());
    const following = new Following(path, await uuidOf(server), server);

    valueOf(await following.open());

    expect(existsSync(path)).toBe(true);
    expect(readdirSync(join(path, "..")).some((name) => /^fleet\.db\.alone-\d+$/.test(name))).toBe(true);
  });

  it("closes in the middle of a sync that hangs", { timeout: 60_000 }, async () => {
    const server = await hub();
    const following = await follow(server);
    server.signal("SIGSTOP");
    following.replica.follow({ epoch: 0, seq: 1_000 });
    await new Promise((resolve) => setTimeout(resolve, 300)); // until the sync has begun

    await following.replica.close();
    server.signal("SIGCONT");

    expect(existsSync(following.path)).toBe(true);
  });
});
