import { expect, it } from "vitest";
import { type Part, value } from "./suite.ts";

export const submissions: Part = (suite) => {
  it("keeps everything of a task that was submitted", async () => {
    const { world } = suite;
    const [dependency] = await suite.submit({});
    const task = world.task({
      lane: 1,
      key: "team/a",
      requirements: '{"labels":{"gpu":"yes"}}',
      dependsOn: dependency === undefined ? [] : [dependency],
      dependencyPolicy: "wait",
      runAtMs: world.clock.nowMs() + 60_000,
      maxAttempts: 7,
      retryBaseMs: 123,
      retryMaxMs: 456_789,
      labels: { team: "a", "naïve ✓": "ünïcode \u0000 ' \" %_" },
      body: '{"title":"ünïcode \\u0000 text","prompt":"quote \' and \\" and ; DROP TABLE task"}',
    });

    value(await suite.queue.submit([task]));

    const record = await world.record(task.id);
    expect(record).toMatchObject({ body: task.body, labels: task.labels, dependsOn: task.dependsOn, attempts: [] });
    expect(record.row).toMatchObject({
      id: task.id,
      lane: 1,
      key: "team/a",
      state: "waiting",
      tag: 0,
      admitted: false,
      blockedBy: 1,
      dependencyPolicy: "wait",
      wakeAtMs: world.clock.nowMs() + 60_000,
      wakeReason: "schedule",
      createdAtMs: world.clock.nowMs(),
      fenceEpoch: 0,
      attempts: 0,
      attemptLimit: 7,
      maxAttempts: 7,
      retryBaseMs: 123,
      retryMaxMs: 456_789,
    });
  });

  it("makes a task without anything to wait for ready at once", async () => {
    const { world } = suite;
    const id = await suite.submitOne({ runAtMs: world.clock.nowMs() - 1 });

    const { row } = await world.record(id);

    expect(row).toMatchObject({ state: "ready", admitted: true, readyAtMs: world.clock.nowMs(), wakeAtMs: null });
    expect((await suite.allEvents(id)).map((event) => [event.kind, event.data["state"]])).toEqual([
      ["task.submitted", "ready"],
    ]);
  });

  it("takes a batch as a whole, in order, and answers for each task", async () => {
    const { world } = suite;
    const tasks = Array.from({ length: 300 }, (_, index) => world.task({ lane: index % 5 }));

    const receipts = value(await suite.queue.submit(tasks));

    expect(receipts).toEqual(tasks.map(({ id }) => ({ id, created: true })));
    const lanes = value(await world.store.lanes());
    expect(lanes.map((lane) => lane.counts.ready)).toEqual([60, 60, 60, 60, 60]);
  });

  it("takes nothing of a batch of which one task is refused", async () => {
    const { world } = suite;
    const tasks = [world.task(), world.task({ dependsOn: [world.ids.task()] })];

    await suite.refused("invalid", () => suite.queue.submit(tasks));

    expect(value(await world.store.findMany(tasks.map((task) => task.id)))).toEqual([]);
  });

  it("Q10: answers a repetition under an idempotency key with the first task, also after a restart", async () => {
    const { world } = suite;
    const [original, again, later] = [1, 2, 3].map(() => world.task({ idempotencyKey: "order-7", bodyHash: "x" }));
    if (original === undefined || again === undefined || later === undefined) throw new Error("three tasks");
    value(await suite.queue.submit([original]));

    expect(value(await suite.queue.submit([again]))).toEqual([{ id: original.id, created: false }]);
    await world.restart();
    expect(value(await suite.queue.submit([later]))).toEqual([{ id: original.id, created: false }]);

    expect(value(await world.store.list({}, 10)).items).toHaveLength(1);
  });

  it("Q10: answers a repetition within one batch with the first of them", async () => {
    const { world } = suite;
    const [original, again] = [world.task({ idempotencyKey: "k" }), world.task({ idempotencyKey: "k" })];

    const receipts = value(await suite.queue.submit([original, again]));

    expect(receipts).toEqual([
      { id: original.id, created: true },
      { id: original.id, created: false },
    ]);
  });

  it("Q10: refuses an idempotency key that comes back with another body, stored or in the same batch", async () => {
    const { world } = suite;
    const id = await suite.submitOne({ idempotencyKey: "k", bodyHash: "one" });
    const other = () => world.task({ idempotencyKey: "k", bodyHash: "two" });

    const text = await suite.refused("conflict", () => suite.queue.submit([other()]));
    await suite.refused("conflict", () =>
      suite.queue.submit([
        world.task({ idempotencyKey: "n", bodyHash: "one" }),
        world.task({ idempotencyKey: "n", bodyHash: "two" }),
      ]),
    );

    expect(text).toContain(id);
    expect(text).toContain('"k"');
  });

  it("answers a repetition even when the dependencies it names are gone wrong since", async () => {
    const { world } = suite;
    const dependency = await suite.submitOne();
    const id = await suite.submitOne({ idempotencyKey: "k", dependsOn: [dependency] });
    value(await suite.queue.cancel(dependency, "not wanted"));

    const receipts = value(await suite.queue.submit([world.task({ idempotencyKey: "k", dependsOn: [dependency] })]));

    expect(receipts).toEqual([{ id, created: false }]);
  });

  it("counts what it holds per lane and state", async () => {
    const { world } = suite;
    await suite.submit({ lane: 0 }, { lane: 0 }, { lane: 3, runAtMs: world.clock.nowMs() + 1_000 });
    await suite.claim(1);

    const lanes = value(await world.store.lanes());

    expect(lanes.map((lane) => lane.lane)).toEqual([0, 1, 2, 3, 4]);
    expect(lanes[0]?.counts).toEqual({ waiting: 0, ready: 1, running: 1, done: 0, dead: 0, cancelled: 0 });
    expect(lanes[3]?.counts).toEqual({ waiting: 1, ready: 0, running: 0, done: 0, dead: 0, cancelled: 0 });
  });
};
