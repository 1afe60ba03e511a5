import { expect, it } from "vitest";
import type { ScheduleId } from "#base";
import type { OverlapPolicy } from "#queue";
import { first, type Part, value } from "./suite.ts";

export const schedules: Part = (suite) => {
  const add = async (overlap: OverlapPolicy, cron = "*/10 * * * * *"): Promise<ScheduleId> => {
    const task = suite.world.task({ key: "cron", lane: 3, labels: { from: "cron" }, body: '{"title":"nightly ✓"}' });
    return value(await suite.queue.addSchedule({ name: "nightly", cron, timezone: "UTC", overlap, task })).id;
  };
  const fired = async () => (await suite.allEvents()).filter((event) => event.kind === "schedule.fired").length;
  const skipped = async () => (await suite.allEvents()).filter((event) => event.kind === "schedule.skipped").length;

  it("submits its task each time it is due, with everything the template says", async () => {
    const id = await add("allow");
    await suite.world.pass(25_000);

    expect([await fired(), await skipped()]).toEqual([2, 0]);
    const page = value(await suite.world.store.list({ key: "cron" }, 10));
    expect(page.items).toHaveLength(2);
    expect(page.items[0]).toMatchObject({
      body: '{"title":"nightly ✓"}',
      labels: { from: "cron" },
      row: { lane: 3, state: "ready" },
    });
    const schedule = first(value(await suite.world.store.schedules(10)));
    expect(schedule).toMatchObject({ id, name: "nightly", lastTaskId: page.items[0]?.row.id });
    expect(schedule.nextAtMs).toBeGreaterThan(suite.world.clock.nowMs());
  });

  it("skips a turn while the task of the last one has not ended, and fires again afterwards", async () => {
    await add("skip");
    await suite.world.pass(30_000);
    expect([await fired(), await skipped()]).toEqual([1, 2]);

    await suite.attempt();
    await suite.world.pass(10_000);

    expect(await fired()).toBe(2);
  });

  it("fires once for all the turns that passed while the node was down", async () => {
    await add("allow");
    await suite.queue.stop();
    suite.world.clock.advance(3_600_000);
    await suite.world.restart();
    await suite.world.catchUp();

    expect(await fired()).toBe(1);
  });

  it("fires no more once it is removed", async () => {
    const id = await add("allow");

    expect(value(await suite.queue.removeSchedule(id))).toBe(id);
    await suite.world.pass(30_000);

    expect(await fired()).toBe(0);
    expect(value(await suite.world.store.schedules(10))).toEqual([]);
    await suite.refused("not_found", () => suite.queue.removeSchedule(id));
  });

  it("refuses an expression that cannot be read or is never due", async () => {
    const task = suite.world.task();
    const request = { name: "n", timezone: "UTC", overlap: "skip" as const, task };

    for (const cron of ["soon", "0 0 30 2 *"]) {
      expect(await suite.refused("invalid", () => suite.queue.addSchedule({ ...request, cron }))).toContain(cron);
    }
  });

  it("says so when its task cannot be submitted, and goes on", async () => {
    const dependency = await suite.submitOne();
    const task = suite.world.task({ dependsOn: [dependency] });
    value(
      await suite.queue.addSchedule({ name: "n", cron: "*/10 * * * * *", timezone: "UTC", overlap: "allow", task }),
    );
    value(await suite.queue.cancel(dependency, "no"));

    await suite.world.pass(21_000);

    expect([await fired(), await skipped()]).toEqual([0, 2]);
  });

  it("are listed in the order they were added", async () => {
    const ids = [await add("skip"), await add("allow"), await add("skip", "@daily")];

    expect(value(await suite.world.store.schedules(10)).map((schedule) => schedule.id)).toEqual(ids);
    expect(value(await suite.world.store.schedules(2))).toHaveLength(2);
  });
};
