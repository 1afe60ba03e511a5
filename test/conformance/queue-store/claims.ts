import { expect, it } from "vitest";
import { AGED_TURN_EVERY, LANES, UNLIMITED } from "#queue";
import { acceptsAll } from "../../support/queue-world.ts";
import { type Part, value } from "./suite.ts";

/** The plan says a backlog of 100,000; what matters is that it is far longer than any claim. */
const BACKLOG = 2_000;

export const claims: Part = (suite) => {
  it("gives a task with its submission, its fence and the number of its attempt", async () => {
    const { world } = suite;
    const id = await suite.submitOne({ body: '{"title":"hello"}' });

    const task = await suite.claimOne();

    expect(task).toMatchObject({
      attempt: 1,
      body: '{"title":"hello"}',
      fence: { epoch: task.row.fenceEpoch, n: task.row.fenceN },
    });
    expect((await world.record(id)).row).toEqual(task.row);
    expect(task.row).toMatchObject({
      state: "running",
      holder: world.node,
      startedAtMs: world.clock.nowMs(),
      admitted: false,
    });
    expect((await suite.allEvents(id)).at(-1)).toMatchObject({
      kind: "task.started",
      data: { attempt: 1, node: world.node },
    });
  });

  it("Q3: gives each task once, to however many claim at the same time", async () => {
    const { queue, world } = suite;
    await suite.submit(...Array.from({ length: 50 }, () => ({})));

    const claimed = await Promise.all(
      Array.from({ length: 20 }, () => queue.claim({ holder: world.node, limit: 4, accepts: acceptsAll })),
    );

    const ids = claimed.flatMap((result) => value(result).tasks.map((task) => task.row.id));
    expect(ids).toHaveLength(50);
    expect(new Set(ids).size).toBe(50);
  });

  it("Q2: gives each claim a fence greater than all before it, also after a restart", async () => {
    const { world } = suite;
    await suite.submit({}, {}, {}, {});
    const before = (await suite.claim(2)).map((task) => task.fence.n);
    await world.restart();

    const all = [...before, ...(await suite.claim(2)).map((task) => task.fence.n)];

    expect(all).toEqual([...new Set(all)].sort((a, b) => a - b));
  });

  it("serves the most urgent lane first and each lane in the order of arrival", async () => {
    const lanes = [4, 2, 0, 3, 1, 2, 0];
    const ids = await suite.submit(...lanes.map((lane) => ({ lane })));

    const claimed = await suite.claim();

    expect(claimed.map((task) => LANES[task.row.lane])).toEqual([
      "critical",
      "critical",
      "high",
      "normal",
      "normal",
      "low",
      "background",
    ]);
    expect(claimed.filter((task) => task.row.lane === 2).map((task) => task.row.id)).toEqual([ids[1], ids[5]]);
  });

  it("Q11: serves an overdue lane in at least one of four claims, and the urgent one in the others", async () => {
    await suite.submit(
      ...Array.from({ length: 40 }, () => ({ lane: 0 })),
      ...Array.from({ length: 10 }, () => ({ lane: 4 })),
    );
    await suite.world.pass(301_000, 60_000);

    const served: number[] = [];
    for (let turn = 0; turn < 5 * AGED_TURN_EVERY; turn += 1) served.push((await suite.claimOne()).row.lane);

    expect(served.filter((lane) => lane === 4)).toHaveLength(5);
    for (let start = 0; start + AGED_TURN_EVERY <= served.length; start += 1) {
      expect(served.slice(start, start + AGED_TURN_EVERY)).toContain(4);
    }
  });

  it("Q12: serves a new key's first task right after the one in turn, however long the backlog of another", async () => {
    await suite.submit(...Array.from({ length: BACKLOG }, () => ({ key: "backlog" })));
    await suite.claim(3);
    const id = await suite.submitOne({ key: "newcomer" });

    const next = await suite.claim(2);

    expect(next.map((task) => task.row.id)).toContain(id);
  });

  it("Q12: shares a lane between keys by their weights", async () => {
    value(await suite.queue.setKeyPolicy("heavy", { ...UNLIMITED, weight: 3 }));
    await suite.submit(...Array.from({ length: 40 }, (_, index) => ({ key: index % 2 === 0 ? "heavy" : "light" })));

    const served = (await suite.claim(20)).map((task) => task.row.key);

    expect(served.filter((key) => key === "heavy")).toHaveLength(15);
  });

  it("gives only what the claimer can carry out, in order, and leaves the rest", async () => {
    const wants = ["{}", '{"gpu":true}', '{"arch":"arm64"}'];
    await suite.submit(...Array.from({ length: 9 }, (_, index) => ({ requirements: wants[index % 3] ?? "{}" })));
    const asked: string[] = [];

    const some = await suite.claim(100, (requirements) => {
      asked.push(requirements);
      return requirements !== wants[1];
    });
    const rest = await suite.claim();

    expect([...asked].sort()).toEqual([...wants].sort());
    expect([some.length, rest.length]).toEqual([6, 3]);
    expect(some.map((task) => task.row.tag)).toEqual(some.map((task) => task.row.tag).sort((a, b) => a - b));
  });

  it("gives nothing to a claimer that can carry nothing out", async () => {
    await suite.submit({});

    expect(await suite.claim(10, () => false)).toEqual([]);
  });

  it("takes more than one chunk of heads in one claim, and no more than asked for", async () => {
    await suite.submit(
      ...Array.from({ length: 200 }, (_, index) => ({ lane: index % 2 === 0 ? 1 : 3, key: `k${index % 7}` })),
    );

    expect(await suite.claim(150)).toHaveLength(150);
    expect(await suite.claim(150)).toHaveLength(50);
  });

  it("Q13: gives nothing while the queue is paused, also after a restart, and goes on when it is resumed", async () => {
    await suite.submit({});
    expect(value(await suite.queue.setPaused(true))).toBe(true);
    expect(value(await suite.queue.setPaused(true))).toBe(false);

    expect(await suite.claim()).toEqual([]);
    await suite.world.restart();
    expect(await suite.claim()).toEqual([]);
    expect(value(await suite.world.store.isPaused())).toBe(true);

    expect(value(await suite.queue.setPaused(false))).toBe(true);
    expect(await suite.claim()).toHaveLength(1);
    expect((await suite.allEvents()).map((event) => event.kind).filter((kind) => kind.startsWith("queue."))).toEqual([
      "queue.paused",
      "queue.resumed",
    ]);
  });

  it("lets running work end while the queue is paused", async () => {
    await suite.submit({});
    const task = await suite.claimOne();
    value(await suite.queue.setPaused(true));

    expect(await suite.finish(task)).toEqual({ kind: "applied", state: "done" });
  });
};
