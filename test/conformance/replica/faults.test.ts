import { copyFileSync, existsSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { QueueEvent } from "#queue";
import { openConnection } from "../../../src/store/connection.ts";
import { hasSqld } from "../../support/sqld.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { commit, type Following, LoopGap, ReplicaWorld } from "./replica-world.ts";

const world = new ReplicaWorld(temporaryFolders());
afterEach(() => world.end());

const setAside = (path: string): string[] =>
  readdirSync(dirname(path)).filter((name) => /^fleet\.db\.\w+-\d+$/.test(name));

function tell(following: Following): number[] {
  const told: number[] = [];
  following.replica.store.subscribe((events: readonly QueueEvent[]) => told.push(...events.map(({ seq }) => seq)));
  return told;
}

const upTo = (last: number): number[] => Array.from({ length: last }, (_, n) => n + 1);

describe.skipIf(!hasSqld)("a replica while things go wrong", { timeout: 60_000 }, () => {
  it("P1: reads beside the thread that applies never see a part of a commit, nor an earlier one", async () => {
    const hub = await world.hub();
    const following = await world.follow(hub);
    const sql = `SELECT (SELECT seq FROM fleet_commit), (SELECT count(*) FROM event),
      (SELECT coalesce(max(at_ms), 0) FROM event)`;
    const faults: unknown[] = [];
    const over = new AbortController();
    let reads = 0;
    let before = 0;
    const reading = (async () => {
      while (!over.signal.aborted) {
        for (let n = 0; n < 20; n += 1) {
          const [seq = 0, events, latest] = following.replica.store.reading.prepare(sql).get([])?.map(Number) ?? [];
          if (seq < before || events !== 10 * seq || latest !== seq) faults.push([before, seq, events, latest]);
          before = seq;
          reads += 1;
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    let seq = 0;
    for (let n = 0; n < 300; n += 1) {
      seq = await commit(hub, 1, 10);
      following.replica.follow({ epoch: 0, seq });
    }
    const isThere = await following.shows(seq);
    over.abort();
    await reading;
    const verdict = following.replica.store.reading.prepare("PRAGMA integrity_check").get([]);

    expect(faults).toEqual([]);
    expect(isThere).toBe(true);
    expect(verdict).toEqual(["ok"]);
    expect(reads).toBeGreaterThan(100);
  });

  it("keeps up under steady load, however often it is told, and is not made anew for being behind", async () => {
    const hub = await world.hub();
    const following = await world.follow(hub);
    const lagsMs: number[] = [];
    const over = new AbortController();
    const told = setInterval(() => following.replica.follow({ epoch: 0, seq: last }), 5);
    let last = 0;
    const writing = (async () => {
      while (!over.signal.aborted) last = await commit(hub);
    })();
    for (let n = 0; n < 10; n += 1) {
      const seq = await waitUntil("a commit", () => (last > 0 ? last : undefined));
      const beganMs = performance.now();
      if (!(await following.shows(seq))) throw new Error(`commit ${seq} did not come`);
      lagsMs.push(performance.now() - beganMs);
    }
    over.abort();
    await writing;
    clearInterval(told);

    lagsMs.sort((a, b) => a - b);
    console.log(`lag of the replica: p50 ${lagsMs[5]?.toFixed(0)} ms, most ${lagsMs.at(-1)?.toFixed(0)} ms`);
    expect(setAside(following.path)).toEqual([]);
  });

  it("tells of 10,000 events that came while it was away, each once and in order, and stops no timer", async () => {
    const hub = await world.hub();
    const following = await world.follow(hub);
    const told = tell(following);
    const seq = await commit(hub, 100, 100);
    const gap = new LoopGap();

    expect(await following.shows(seq)).toBe(true);
    await waitUntil("the events", () => told.length >= 10_000);

    console.log(`10,000 events behind: the main thread stood still for ${gap.stop().toFixed(0)} ms at most`);
    expect(told).toEqual(upTo(10_000));
  });

  it("goes on when a listener throws", async () => {
    const hub = await world.hub();
    const following = await world.follow(hub);
    following.replica.store.subscribe(() => {
      throw new Error("a listener's bug");
    });
    const told = tell(following);

    const isThere = await following.shows(await commit(hub, 3));

    expect(isThere).toBe(true);
    expect(told).toEqual(upTo(3));
  });

  it("P2: hub and server that stand still keep neither a start nor a read waiting", async () => {
    const hub = await world.hub();
    const following = await world.follow(hub);
    const seq = await commit(hub, 3);
    await following.shows(seq);
    await following.replica.close();
    hub.signal("SIGSTOP");
    const gap = new LoopGap();
    const beganMs = performance.now();

    await following.open();
    const tookMs = performance.now() - beganMs;
    const read = await following.replica.store.eventRange();
    await waitUntil("it says so", () => following.replica.freshness().state === "stale");
    const gapMs = gap.stop();
    hub.signal("SIGCONT");

    expect(read).toMatchObject({ ok: true, value: { lastSeq: 3 } });
    expect(await following.shows(await commit(hub))).toBe(true);
    console.log(`a hub that hangs: open after ${tookMs.toFixed(0)} ms, timers ${gapMs.toFixed(0)} ms late at most`);
  });

  it("P4: follows a server that was killed and started again, which makes its log anew, and leaves no old copy", async () => {
    const hub = await world.hub();
    const following = await world.follow(hub);
    const told = tell(following);
    await following.shows(await commit(hub, 5));
    await hub.kill();
    following.replica.follow({ epoch: 0, seq: 6 });
    await waitUntil("it says so", () => following.replica.freshness().state === "stale");
    await hub.up();

    expect(await following.shows(await commit(hub, 5))).toBe(true);
    await waitUntil("the events", () => told.length >= 10);

    expect(told).toEqual(upTo(10));
    expect(setAside(following.path)).toEqual([]);
  });

  it("P4: takes the place of its copy whole when the server's log was lost and made anew, and tells nothing twice", async () => {
    const hub = await world.hub();
    const following = await world.follow(hub);
    const told = tell(following);
    await following.shows(await commit(hub, 20));
    await hub.kill();
    const data = `${hub.dir}/dbs/default`;
    for (const name of readdirSync(data).filter((file) => file.startsWith("wallog"))) rmSync(`${data}/${name}`);
    await hub.up();

    expect(await following.shows(await commit(hub, 20))).toBe(true);
    await waitUntil("the events", () => told.length >= 40);

    expect(told).toEqual(upTo(40));
    expect(following.replica.freshness().position.seq).toBe(40);
  });

  it("P4: a replica that is ahead of a promoted one never shows less within the epoch, and tells what the new hub did", async () => {
    const hub = await world.hub();
    const promoted = await world.follow(hub);
    const following = await world.follow(hub);
    const told = tell(following);
    await promoted.shows(await commit(hub, 10));
    await promoted.replica.close();
    await following.shows(await commit(hub, 5));
    const next = await world.hub(promoted.path);
    await next.client.execute("UPDATE fleet_commit SET epoch = 1");
    const seq = await commit(next, 8, 1, "next");
    const positions = new Set<string>();
    const looking = setInterval(() => {
      const { epoch, seq: at } = following.replica.position();
      positions.add(`${epoch}:${at}`);
    }, 1);

    await hub.kill();
    following.target = next;
    const isThere = await following.shows(seq, 1);
    clearInterval(looking);
    await waitUntil("the events", () => told.length >= 15 + 8);

    expect(isThere).toBe(true);
    expect(following.replica.position()).toEqual({ epoch: 1, seq: 18 });
    expect([...positions].filter((position) => position !== "1:18")).toEqual(["0:15"]);
    // 11 to 15 of the old hub are lost; the new one gave their numbers to other events.
    expect(told).toEqual([...upTo(15), ...upTo(18).slice(10)]);
  });

  it.each([
    ["deleted under it", (path: string) => rmSync(path)],
    [
      "replaced under it",
      (path: string) => (copyFileSync(path, `${path}.x`), rmSync(path), copyFileSync(`${path}.x`, path)),
    ],
  ])("P3: a copy that is %s is made anew while it runs", async (_how, harm) => {
    const hub = await world.hub();
    const following = await world.follow(hub);
    await following.shows(await commit(hub, 5));
    harm(following.path);

    const seq = await commit(hub, 5);
    await following.shows(seq);
    await waitUntil("a file at its place", () => existsSync(following.path));
    await waitUntil("it follows", () => following.replica.freshness().state === "attached");
    await following.replica.close();
    await following.open();

    expect(following.replica.position().seq).toBe(seq);
    expect(await following.replica.store.eventRange()).toMatchObject({ ok: true, value: { lastSeq: 10 } });
  });

  it("P3: damage that a read meets is answered as retryable, and the copy is made anew", async () => {
    const hub = await world.hub();
    const following = await world.follow(hub);
    await following.shows(await commit(hub, 100, 100));
    await following.replica.close();
    // With everything in the file, and nothing in its journal.
    const writing = openConnection(following.path);
    writing.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get([]);
    writing.close();
    await following.open();
    const { size } = statSync(following.path);
    truncateSync(following.path, 4_096);
    writeFileSync(following.path, Buffer.alloc(size - 4_096, 0xa5), { flag: "a" });

    const read = await following.replica.store.events(0, 1_000);
    await waitUntil("it was made anew", () => setAside(following.path).length > 0);
    const again = await following.replica.store.events(0, 20_000);

    expect(read).toMatchObject({ ok: false, error: { kind: "retryable" } });
    expect(again.ok && again.value.length).toBe(10_000);
  });

  it.each([
    ["the database alone is gone", (path: string) => rmSync(path)],
    ["the note of its log is gone", (path: string) => rmSync(`${path}-client_wal_index`)],
  ])("P3: opens when %s", async (_how, harm) => {
    const hub = await world.hub();
    const following = await world.follow(hub);
    await following.shows(await commit(hub, 5));
    await following.replica.close();
    harm(following.path);

    await following.open();
    const seq = await commit(hub, 5);

    expect(await following.shows(seq)).toBe(true);
    expect(await following.replica.store.eventRange()).toMatchObject({ ok: true, value: { lastSeq: 10 } });
  });
});
