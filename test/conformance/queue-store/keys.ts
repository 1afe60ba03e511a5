import { expect, it } from "vitest";
import { ok } from "#base";
import { UNLIMITED } from "#queue";
import { first, type Part, value } from "./suite.ts";

export const keys: Part = (suite) => {
  const submitMany = (count: number, key: string) => suite.submit(...Array.from({ length: count }, () => ({ key })));

  it("Q6: runs no more tasks of a key at once than its policy allows, and the next when one ends", async () => {
    value(await suite.queue.setKeyPolicy("k", { ...UNLIMITED, maxConcurrent: 2 }));
    await submitMany(5, "k");
    await suite.submit({ key: "other" });

    const claimed = await suite.claim();
    expect(claimed.map((task) => task.row.key).sort()).toEqual(["k", "k", "other"]);
    expect(await suite.claim()).toEqual([]);

    await suite.finish(claimed.find((task) => task.row.key === "k") ?? first(claimed));
    expect(await suite.claim()).toHaveLength(1);
  });

  it.each(["failed", "cancel", "release"] as const)(
    "Q6: gives the place free when the task ends by %s",
    async (way) => {
      value(await suite.queue.setKeyPolicy("k", { ...UNLIMITED, maxConcurrent: 1 }));
      const ids = await submitMany(2, "k");
      const task = await suite.claimOne();
      if (way === "failed") await suite.finish(task, { outcome: "failed" });
      if (way === "release") value(await suite.queue.release(task.row.id, task.fence, "the node stops"));
      if (way === "cancel") {
        value(await suite.queue.cancel(task.row.id, "no"));
        await suite.finish(task, { outcome: "cancelled" });
      }

      const next = await suite.claim();

      // A released task keeps its place in front of the other; one that ended leaves it.
      expect(next.map((task) => task.row.id)).toEqual([way === "release" ? next[0]?.row.id : ids[1]]);
      expect(ids).toContain(next[0]?.row.id);
    },
  );

  it("gives a place that was let through free when its task is cancelled before it started", async () => {
    value(await suite.queue.setKeyPolicy("k", { ...UNLIMITED, maxConcurrent: 1 }));
    const ids = await submitMany(2, "k");

    value(await suite.queue.cancel(first(ids), "no"));

    expect((await suite.claim()).map((task) => task.row.id)).toEqual([ids[1]]);
  });

  it("holds tasks of a paused key back and lets them go when it is resumed, other keys going on", async () => {
    value(await suite.queue.setKeyPolicy("k", { ...UNLIMITED, paused: true }));
    await submitMany(3, "k");
    await suite.submit({ key: "other" });
    expect((await suite.claim()).map((task) => task.row.key)).toEqual(["other"]);

    value(await suite.queue.setKeyPolicy("k", UNLIMITED));
    await suite.world.catchUp();

    expect(await suite.claim()).toHaveLength(3);
  });

  it("Q6: applies a tightened policy to tasks that were let through before", async () => {
    await submitMany(4, "k");

    value(await suite.queue.setKeyPolicy("k", { ...UNLIMITED, maxConcurrent: 1 }));

    expect(await suite.claim()).toHaveLength(1);
    expect(await suite.claim()).toEqual([]);
  });

  it("applies a pause to tasks that were let through before, without losing one", async () => {
    await submitMany(150, "k");
    value(await suite.queue.setKeyPolicy("k", { ...UNLIMITED, paused: true }));
    for (let count = 0; count < 4; count += 1) expect(await suite.claim(10)).toEqual([]);

    value(await suite.queue.setKeyPolicy("k", UNLIMITED));
    await suite.world.catchUp();

    expect(await suite.claim(200)).toHaveLength(150);
  });

  it("applies a loosened policy at once", async () => {
    value(await suite.queue.setKeyPolicy("k", { ...UNLIMITED, maxConcurrent: 1 }));
    await submitMany(5, "k");
    expect(await suite.claim()).toHaveLength(1);

    value(await suite.queue.setKeyPolicy("k", { ...UNLIMITED, maxConcurrent: 3 }));
    expect(await suite.claim()).toHaveLength(2);
  });

  it("lets a whole backlog through, in batches, when its last limit is taken away", async () => {
    value(await suite.queue.setKeyPolicy("k", { ...UNLIMITED, maxConcurrent: 1 }));
    await submitMany(1_200, "k");

    value(await suite.queue.setKeyPolicy("k", UNLIMITED));
    await suite.world.pass(1_000, 100);

    expect(await suite.claim(2_000)).toHaveLength(1_200);
  });

  it("starts tasks of a key no faster than its rate, after a first burst", async () => {
    value(await suite.queue.setKeyPolicy("k", { ...UNLIMITED, ratePerSecond: 2, burst: 3 }));
    await submitMany(10, "k");

    const startsPerSecond: number[] = [];
    for (let second = 0; second < 4; second += 1) {
      let starts = 0;
      for (let quarter = 0; quarter < 4; quarter += 1) {
        starts += (await suite.claim()).length;
        await suite.world.pass(250, 50);
      }
      startsPerSecond.push(starts);
    }

    expect(startsPerSecond[0]).toBeLessThanOrEqual(5);
    expect(startsPerSecond.slice(1)).toEqual([2, 2, 2].map((n, index) => Math.min(n, startsPerSecond[index + 1] ?? 0)));
    expect(startsPerSecond.reduce((sum, starts) => sum + starts, 0)).toBeGreaterThanOrEqual(8);
  });

  it("applies a new rate to a backlog that was let through before", async () => {
    await submitMany(50, "k");
    value(await suite.queue.setKeyPolicy("k", { ...UNLIMITED, ratePerSecond: 1, burst: 2 }));

    const started = (await suite.claim()).length + (await suite.claim()).length;

    expect(started).toBeLessThanOrEqual(2);
    await suite.world.pass(5_000);
    expect((await suite.claim()).length).toBeGreaterThanOrEqual(1);
  });

  it("refuses a policy for tasks without a key", async () => {
    const setPolicy = () => suite.queue.setKeyPolicy("", { ...UNLIMITED, paused: true });

    expect(await suite.refused("invalid", setPolicy)).toContain("key");
  });

  it("lists keys with a policy or with work, in order, with their counters", async () => {
    value(await suite.queue.setKeyPolicy("policy", { ...UNLIMITED, maxConcurrent: 5 }));
    await submitMany(2, "work");
    await suite.submit({ key: "" });
    await suite.claim(1);

    const listed = value(await suite.world.store.keys(10));

    expect(listed.map((row) => [row.key, row.running, row.admitted])).toEqual([
      ["policy", 0, 0],
      ["work", 1, 1],
    ]);
    expect(listed[0]?.policy).toEqual({ ...UNLIMITED, maxConcurrent: 5 });
    expect(value(await suite.world.store.keys(1))).toHaveLength(1);
  });

  it("no longer lists a key whose work is done and that has no policy", async () => {
    await submitMany(1, "work");
    await suite.attempt();

    expect(value(await suite.world.store.keys(10))).toEqual([]);
  });

  it("keeps a policy over a restart", async () => {
    const policy = { maxConcurrent: 1, ratePerSecond: 0.25, burst: 1.5, weight: 0.125, paused: true };
    value(await suite.queue.setKeyPolicy("k", policy));
    await suite.world.restart();

    const row = value(await suite.world.store.transact("look", (tx) => ok(tx.key("k"))));

    expect(row?.policy).toEqual(policy);
  });
};
