import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom, silentLogger, type TaskId } from "#base";
import { ownWorkspaces } from "#execution";
import { QueueService } from "#queue";
import { type Config, SETTING_PATHS, SETTINGS } from "../../../src/runtime/config/settings.ts";
import { Failsafes } from "../../../src/runtime/failsafes/failsafes.ts";
import { startMaintenance } from "../../../src/runtime/maintenance.ts";
import { must, openedStores } from "../../support/opened-stores.ts";
import { newTask } from "../../support/queue-world.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";

const folder = temporaryFolders();

describe("the workspaces of a state folder", () => {
  it("are listed in turns, so that those that stay hide none", () => {
    const state = folder();
    const ids = createIdFactory(new SimulatedClock(), seededRandom(5));
    const tasks = Array.from({ length: 250 }, () => ids.task()).sort();
    for (const task of tasks) mkdirSync(join(state, "workspaces", task), { recursive: true });

    const first = ownWorkspaces(state, undefined);
    const second = ownWorkspaces(state, first.at(-1)?.taskId);
    const end = ownWorkspaces(state, second.at(-1)?.taskId);

    expect([...first, ...second].map(({ taskId }) => taskId)).toEqual(tasks);
    expect(first.length).toBeLessThan(tasks.length);
    expect(end).toEqual([]);
  });

  it("are private where a task made a circle of links of .git", () => {
    const state = folder();
    const task = createIdFactory(new SimulatedClock(), seededRandom(6)).task();
    const path = join(state, "workspaces", task);
    mkdirSync(path, { recursive: true });
    symlinkSync(".git", join(path, ".git"));

    expect(ownWorkspaces(state, undefined)).toEqual([{ taskId: task, plan: { kind: "private", path } }]);
  });
});

const DAY_MS = 24 * 60 * 60_000;
/** As often as retention looks. */
const ROUND_MS = 60_000;

/** A database with a cancelled task, a dead letter with the one it needed, and one that waits, all of four days ago. */
async function agedQueue() {
  const dir = folder();
  const clock = new SimulatedClock();
  const [random, ids] = [seededRandom(7), createIdFactory(clock, seededRandom(8))];
  const stores = await openedStores(dir, { clock });
  const queue = new QueueService({ store: stores.queue, clock, random, ids, node: ids.node(), logger: silentLogger });
  const [ended, needed, dead, waiting] = [ids.task(), ids.task(), ids.task(), ids.task()];
  must(await queue.submit([newTask(ended), newTask(needed), newTask(dead, { dependsOn: [needed] })]));
  must(await queue.submit([newTask(waiting, { runAtMs: clock.nowMs() + 100 * DAY_MS })]));
  for (const id of [ended, needed]) must(await queue.cancel(id, "not needed"));
  clock.advance(4 * DAY_MS);
  // `as`: each setting has its own default; of 14 days that ended tasks and events are kept, a quarter is 3.5.
  const config = Object.fromEntries(SETTING_PATHS.map((path) => [path, SETTINGS[path].initial])) as Config;
  const disk = { freeBytes: Number.POSITIVE_INFINITY };
  const failsafes = new Failsafes({ config, clock, logger: silentLogger, freeBytes: () => disk.freeBytes });
  failsafes.watch(queue);
  let rounds = 0;
  const { stop } = startMaintenance(
    {
      // The journal is written back at the end of each round.
      stores: { ...stores, checkpoint: () => ((rounds += 1), stores.checkpoint()) },
      queue,
      stateDir: dir,
      failsafes,
      clock,
      logger: silentLogger,
    },
    { ...config, "store.backup.every_ms": 0 },
  );
  return {
    disk,
    failsafes,
    /** @returns the tasks there are after the next round, and how many events. */
    nextRound: async () => {
      const before = rounds;
      clock.advance(ROUND_MS);
      await waitUntil("a round of retention has ended", () => rounds > before);
      const found = must(await stores.queue.findMany([ended, needed, dead, waiting]));
      const names = new Map<TaskId, string>([
        [ended, "ended"],
        [needed, "needed by it"],
        [dead, "dead letter"],
        [waiting, "waiting"],
      ]);
      const tasks = found.map(({ row }) => names.get(row.id) ?? "").toSorted();
      return { tasks, events: must(await stores.queue.events(0, 500)).map(({ kind }) => kind) };
    },
    close: async () => {
      stop();
      await queue.stop();
      await stores.close();
    },
  };
}

describe("retention", () => {
  it("keeps ended tasks and events for a quarter of their time while the disk is low, and nothing else for less", async () => {
    const { disk, failsafes, nextRound, close } = await agedQueue();

    const roomy = await nextRound();
    disk.freeBytes = 1;
    await failsafes.look();
    const low = await nextRound();
    await close();

    expect(roomy.tasks).toEqual(["dead letter", "ended", "needed by it", "waiting"]);
    expect(roomy.events).toContain("task.cancelled");
    expect(low.tasks).toEqual(["dead letter", "needed by it", "waiting"]);
    expect(low.events).toEqual(["failsafe.opened"]);
  });

  it("keeps them for their whole time again when a person says so", async () => {
    const { disk, failsafes, nextRound, close } = await agedQueue();
    disk.freeBytes = 1;
    await failsafes.look();

    failsafes.reset("disk");
    const { tasks, events } = await nextRound();
    await close();

    expect(tasks).toEqual(["dead letter", "ended", "needed by it", "waiting"]);
    expect(events).toContain("task.cancelled");
  });
});

describe("retention of improvements", () => {
  it("forgets what is gone and ended long ago, where the fleet's database is written, and never what was taken back", async () => {
    const dir = folder();
    const clock = new SimulatedClock();
    const stores = await openedStores(dir, { clock });
    const [random, ids] = [seededRandom(9), createIdFactory(clock, seededRandom(10))];
    const queue = new QueueService({ store: stores.queue, clock, random, ids, node: ids.node(), logger: silentLogger });
    const store = stores.improvements;
    const known = { kind: "note", rule: "wish", line: 1, severity: "low", effort: "small", evidence: "e" } as const;
    const seen = ["aaaa", "bbbb"].map((fingerprint) => ({ ...known, path: fingerprint, title: "t", fingerprint }));
    const scan = { repository: "shop", revision: "1", files: 1, read: 1, findings: 2, leftOut: [] };
    must(await store.record({ ...scan, atMs: clock.nowMs() }, "scan", seen, "all"));
    must(await store.record({ ...scan, atMs: clock.nowMs() + 1 }, "scan", seen.slice(1), "all"));
    for (const state of ["failed", "reverted"] as const) {
      const ended = { n: 1, files: [], state, goal: null, why: "", chosenAtMs: 1, endedAtMs: clock.nowMs() };
      must(
        await store.begin({
          ...known,
          repository: "shop",
          path: "",
          fingerprint: state === "failed" ? "aaaa" : "bbbb",
          ...ended,
        }),
      );
    }
    const left = () => [
      must(store.findings({ limit: 10 })).map(({ fingerprint }) => fingerprint),
      must(store.tries())
        .map(({ state }) => state)
        .toSorted(),
    ];
    // `as`: each setting has its own default.
    const config = Object.fromEntries(SETTING_PATHS.map((path) => [path, SETTINGS[path].initial])) as Config;
    let rounds = 0;
    const { stop } = startMaintenance(
      {
        stores: { ...stores, checkpoint: () => ((rounds += 1), stores.checkpoint()) },
        service: queue,
        queue,
        stateDir: dir,
        failsafes: { isDiskLow: false },
        clock,
        logger: silentLogger,
      },
      { ...config, "store.backup.every_ms": 0 },
    );
    const round = async (afterMs: number) => {
      const before = rounds;
      clock.advance(afterMs);
      await waitUntil("a round of retention has ended", () => rounds > before);
      return left();
    };

    const young = await round(ROUND_MS);
    await round(181 * DAY_MS);
    const old = await round(ROUND_MS);
    stop();
    await queue.stop();
    await stores.close();

    expect(young).toEqual([
      ["aaaa", "bbbb"],
      ["failed", "reverted"],
    ]);
    expect(old).toEqual([["bbbb"], ["reverted"]]);
  });
});
