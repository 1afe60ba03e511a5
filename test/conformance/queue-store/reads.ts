import { expect, it } from "vitest";
import { present, type TaskId } from "#base";
import type { QueueEvent, TaskFilter } from "#queue";
import { type Part, value } from "./suite.ts";

export const reads: Part = (suite) => {
  const listed = async (filter: TaskFilter, limit = 100, cursor?: string): Promise<readonly TaskId[]> =>
    value(await suite.world.store.list(filter, limit, cursor)).items.map((record) => record.row.id);

  it("finds tasks by id, several in the order asked, leaving out what does not exist", async () => {
    const [a, b] = await suite.submit({}, {});
    const missing = suite.world.ids.task();

    const found = value(await suite.world.store.findMany([b, missing, a].filter((id) => id !== undefined)));

    expect(found.map((record) => record.row.id)).toEqual([b, a]);
    expect(value(await suite.world.store.find(missing))).toBeUndefined();
    expect(value(await suite.world.store.findMany([]))).toEqual([]);
  });

  it("lists the newest first, in pages that miss nothing and repeat nothing while tasks arrive", async () => {
    const ids: TaskId[] = [];
    for (let count = 0; count < 25; count += 1) ids.push(await suite.submitOne());

    const seen: TaskId[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = value(await suite.world.store.list({}, 10, cursor));
      seen.push(...page.items.map((record) => record.row.id));
      cursor = page.nextCursor ?? undefined;
      pages += 1;
      await suite.submitOne();
    } while (cursor !== undefined && pages < 10);

    expect(seen).toEqual([...ids].reverse());
    expect(pages).toBe(3);
  });

  it("ends the last page without a cursor when it is exactly full", async () => {
    await suite.submit({}, {});

    expect(value(await suite.world.store.list({}, 2)).nextCursor).toBeNull();
    expect(value(await suite.world.store.list({}, 1)).nextCursor).not.toBeNull();
  });

  it("filters by state, lane, key and label, alone and together", async () => {
    const [a, b, c, d] = await suite.submit(
      { lane: 0, key: "x", labels: { team: "one" } },
      { lane: 2, key: "x", labels: { team: "two" } },
      { lane: 2, key: "y", labels: { team: "one", os: "linux" } },
      { lane: 4, runAtMs: suite.world.clock.nowMs() + 60_000 },
    );
    await suite.claim(1);

    expect(await listed({ states: ["running"] })).toEqual([a]);
    expect(await listed({ states: ["running", "waiting"] })).toEqual([d, a]);
    expect(await listed({ states: [] })).toEqual([]);
    expect(await listed({ lane: 2 })).toEqual([c, b]);
    expect(await listed({ key: "x" })).toEqual([b, a]);
    expect(await listed({ key: "" })).toEqual([d]);
    expect(await listed({ label: { name: "team", value: "one" } })).toEqual([c, a]);
    expect(await listed({ label: { name: "team", value: "three" } })).toEqual([]);
    expect(await listed({ lane: 2, key: "y", states: ["ready"], label: { name: "os", value: "linux" } })).toEqual([c]);
    expect(await listed({ lane: 0, key: "y" })).toEqual([]);
  });

  it("pages within a filter", async () => {
    const ids = await suite.submit(
      ...Array.from({ length: 12 }, (_, index) => ({ labels: { even: index % 2 === 0 ? "yes" : "no" } })),
    );
    const filter = { label: { name: "even", value: "yes" } };

    const one = value(await suite.world.store.list(filter, 4));
    const two = await listed(filter, 4, one.nextCursor ?? "");

    const all = [...one.items.map((record) => record.row.id), ...two];
    expect(all).toEqual(ids.filter((_, index) => index % 2 === 0).reverse());
  });

  it.each(["", "next", "t_", "t_06' OR 1=1 --", "0"])(
    "refuses the cursor %j, which none of its pages gave",
    async (cursor) => {
      expect(await suite.world.store.list({}, 10, cursor)).toMatchObject({
        ok: false,
        error: { kind: "refused", code: "invalid" },
      });
    },
  );

  it("Q9: tells all changes in order, and can be resumed after any of them", async () => {
    const id = await suite.submitOne({ retryBaseMs: 0, maxAttempts: 2 });
    await suite.attempt({ outcome: "failed" });
    await suite.attempt();
    const all = await suite.allEvents();

    expect(all.map((event) => event.kind)).toEqual([
      "task.submitted",
      "task.started",
      "task.retry",
      "task.started",
      "task.done",
    ]);
    expect(all.every((event) => event.taskId === id && event.atMs === suite.world.clock.nowMs())).toBe(true);
    for (const [index, event] of all.entries()) {
      expect(value(await suite.world.store.events(event.seq, 100))).toEqual(all.slice(index + 1));
      expect(value(await suite.world.store.events(event.seq, 1))).toEqual(all.slice(index + 1, index + 2));
    }
    expect(value(await suite.world.store.eventRange())).toEqual({ firstSeq: all[0]?.seq, lastSeq: all.at(-1)?.seq });
  });

  it("tells the events of one task alone", async () => {
    const [a, b] = await suite.submit({}, {});
    await suite.claim();

    const events = await suite.allEvents(b);

    expect(events.map((event) => [event.taskId, event.kind])).toEqual([
      [b, "task.submitted"],
      [b, "task.started"],
    ]);
    expect(events[0]?.taskId).not.toBe(a);
  });

  it("has an empty range of events before the first", async () => {
    expect(value(await suite.world.store.eventRange())).toEqual({ firstSeq: 0, lastSeq: 0 });
    expect(await suite.allEvents()).toEqual([]);
  });

  it("hands a subscriber each event once, in order, after it can be read, until it leaves", async () => {
    const got: QueueEvent[] = [];
    const leave = suite.world.store.subscribe((events) => got.push(...events));
    await suite.submit({}, {});
    await suite.attempt();
    await suite.world.settle();

    expect(got).toEqual(await suite.allEvents());

    leave();
    leave();
    await suite.submit({});
    await suite.world.settle();
    expect(got).toHaveLength((await suite.allEvents()).length - 1);
  });

  it("gives the latest ended attempts, the newest first, with the titles of their tasks", async () => {
    const { world } = suite;
    await suite.submit({ body: '{"title":"first"}' }, { body: '{"title":"second ✓"}' });
    for (const task of await suite.claim()) {
      await world.pass(1_000);
      await suite.finish(task, {
        outcome: task.body.includes("first") ? "failed" : "passed",
        durationMs: 900,
        model: "m",
        tokens: 3,
      });
    }

    const samples = value(await world.store.recentAttempts(0, 10));

    expect(samples.map((sample) => [sample.title, sample.outcome, sample.n])).toEqual([
      ["second ✓", "passed", 1],
      ["first", "failed", 1],
    ]);
    expect(samples[0]).toMatchObject({
      node: world.node,
      executor: "shell",
      model: "m",
      durationMs: 900,
      waitMs: 0,
      tokens: 3,
    });
    expect(value(await world.store.recentAttempts(world.clock.nowMs(), 10))).toHaveLength(1);
    expect(value(await world.store.recentAttempts(0, 1))).toHaveLength(1);
    expect(value(await world.store.recentAttempts(world.clock.nowMs() + 1, 10))).toEqual([]);
  });

  it("sums what attempts took by their columns, by time and by a label of their tasks", async () => {
    const { world } = suite;
    await suite.submit({ labels: { mind: "scan" } }, { labels: { mind: "goal" } }, { labels: {} });
    const sinceMs = world.clock.nowMs();
    const took = { a: 10, b: 20, c: 0 } as const;
    for (const model of ["a", "b", "c"] as const) {
      const [task] = await suite.claim(1);
      const tokens = took[model];
      await suite.finish(present(task, "one is ready"), { model, tokens, costMicrodollars: 2 * tokens });
      await world.pass(3_600_000);
    }
    const span = { fromMs: sinceMs, toMs: world.clock.nowMs() + 1, limit: 10 };
    const hour = (n: number): string => String(Math.floor(sinceMs / 3_600_000) * 3_600_000 + n * 3_600_000);

    expect(value(await world.store.costs({ ...span, by: "model" }))).toEqual([
      { group: "b", attempts: 1, tokens: 20, costMicrodollars: 40 },
      { group: "a", attempts: 1, tokens: 10, costMicrodollars: 20 },
    ]);
    expect(value(await world.store.costs({ ...span, by: "node" }))).toMatchObject([{ attempts: 2, tokens: 30 }]);
    expect(value(await world.store.costs({ ...span, by: "hour" })).map(({ group }) => group)).toEqual([
      hour(0),
      hour(1),
    ]);
    expect(value(await world.store.costs({ ...span, by: "hour", limit: 1 })).map(({ group }) => group)).toEqual([
      hour(1),
    ]);
    expect(value(await world.store.costs({ ...span, by: { label: "mind" } }))).toMatchObject([
      { group: "goal", tokens: 20 },
      { group: "scan", tokens: 10 },
    ]);
    expect(value(await world.store.costs({ ...span, fromMs: sinceMs + 1, by: "model" }))).toMatchObject([
      { group: "b" },
    ]);
  });

  it("tells the distinct requirements of tasks", async () => {
    const { world } = suite;
    await suite.submit({ requirements: "a" }, { requirements: "b" }, { requirements: "a" });

    expect([...value(await world.store.requirements(10))].sort()).toEqual(["a", "b"]);
    expect(value(await world.store.requirements(1))).toHaveLength(1);
  });
};
