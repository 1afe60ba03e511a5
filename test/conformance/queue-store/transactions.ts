import { expect, it } from "vitest";
import { err, ok, refused } from "#base";
import { emptyLane } from "#queue";
import { type Part, value } from "./suite.ts";

export const transactions: Part = (suite) => {
  const everything = async () => ({
    tasks: value(await suite.world.store.list({}, 100)),
    lanes: value(await suite.world.store.lanes()),
    keys: value(await suite.world.store.keys(100)),
    schedules: value(await suite.world.store.schedules(100)),
    events: await suite.allEvents(),
    paused: value(await suite.world.store.isPaused()),
    attempts: value(await suite.world.store.recentAttempts(0, 100)),
  });

  it("a command that throws rejects alone and leaves nothing, of whatever it wrote", async () => {
    const { world } = suite;
    const id = await suite.submitOne({ key: "k" });
    await suite.attempt({ outcome: "failed", consequence: "terminal" });
    const before = await everything();
    const { row } = await world.record(id);
    const task = world.task();

    const failing = world.store.transact("write everything", (tx) => {
      tx.insertTask({ ...row, id: task.id, state: "waiting", endedAtMs: null, reason: null }, task);
      tx.updateTask(row, { ...row, attemptLimit: 99 });
      tx.putLane({ ...emptyLane(1), virtualTime: 77 });
      tx.putIdempotency("i", task.id, "h", 1);
      tx.setPaused(true);
      tx.appendEvent({ atMs: 1, kind: "queue.paused", taskId: null, data: {} });
      tx.nextFence();
      tx.deleteTask(row);
      throw new Error("a bug");
    });
    const good = suite.submitOne();

    await expect(failing).rejects.toThrow("a bug");
    const goodId = await good;
    expect(await suite.state(goodId)).toBe("ready");
    value(await suite.queue.cancel(goodId, "no"));
    const after = await everything();
    expect(after.tasks.items.filter((record) => record.row.id !== goodId)).toEqual(before.tasks.items);
    expect(after.events.slice(0, before.events.length)).toEqual(before.events);
    expect(after.events.slice(before.events.length).map((event) => event.kind)).toEqual([
      "task.submitted",
      "task.cancelled",
    ]);
    expect([after.paused, after.keys, after.attempts]).toEqual([before.paused, before.keys, before.attempts]);
    expect(after.lanes[1]).toEqual(before.lanes[1]);
    expect(value(await world.store.transact("look", (tx) => ok(tx.idempotent("i"))))).toBeUndefined();
  });

  it("a command that refuses after it wrote is a bug: it rejects and leaves nothing", async () => {
    const before = await everything();

    const failing = suite.world.store.transact("refuse late", (tx) => {
      tx.setPaused(true);
      return err(refused("invalid", "too late"));
    });

    await expect(failing).rejects.toThrow("refuse late");
    expect(await everything()).toEqual(before);
  });

  it("a command that throws beside others neither holds them up nor takes them with it", async () => {
    const { world } = suite;
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        index === 7
          ? world.store.transact("throw", () => {
              throw new Error("a bug");
            })
          : suite.queue.submit([world.task()]),
      ),
    );

    expect(results.map((result) => result.status)).toEqual(
      Array.from({ length: 20 }, (_, index) => (index === 7 ? "rejected" : "fulfilled")),
    );
    expect(value(await world.store.list({}, 100)).items).toHaveLength(19);
  });

  it("reads see the writes made before them in the same command", async () => {
    const { world } = suite;
    const [a, b] = [world.task(), world.task()];
    await suite.submit({});

    const seen = value(
      await world.store.transact("read back", (tx) => {
        const row = tx.heads(2, [...tx.classes().keys()], 1)[0];
        if (row === undefined) throw new Error("one is ready");
        const first = { ...row, id: a.id, tag: 0.5 };
        tx.insertTask(first, { ...a, dependsOn: [b.id] });
        tx.updateTask(first, { ...first, tag: 0.25 });
        const changed = [
          tx.setDependency(a.id, b.id, true),
          tx.setDependency(a.id, b.id, true),
          tx.setDependency(b.id, a.id, true),
        ];
        tx.setPaused(true);
        tx.putIdempotency("k", a.id, "h", 5);
        return ok({
          tag: tx.task(a.id)?.tag,
          head: tx.heads(2, [row.classId], 1)[0]?.id,
          dependencies: tx.dependencies(a.id),
          dependents: [tx.dependents(b.id, false, 5), tx.dependents(b.id, true, 5)],
          paused: tx.paused(),
          idempotent: tx.idempotent("k"),
          bodies: [...tx.bodies([a.id, b.id])],
          changed,
        });
      }),
    );

    expect(seen).toMatchObject({
      tag: 0.25,
      head: a.id,
      dependencies: [{ id: b.id, satisfied: true }],
      dependents: [[a.id], []],
      paused: true,
      idempotent: { taskId: a.id, bodyHash: "h" },
      bodies: [[a.id, a.body]],
      changed: [true, false, false],
    });
  });

  it("Q1: abandons a command that writes over a row which is no longer as it was read", async () => {
    const id = await suite.submitOne();
    const before = (await suite.world.record(id)).row;
    await suite.claimOne();

    const failing = suite.world.store.transact("write from memory", (tx) => {
      tx.updateTask(before, { ...before, attemptLimit: 99 });
      return ok(null);
    });

    await expect(failing).rejects.toThrow(/Q1/);
    expect((await suite.world.record(id)).row).toMatchObject({ state: "running", attemptLimit: before.attemptLimit });
  });

  it("runs commands one after another in the order of their calls", async () => {
    const order: number[] = [];

    await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        suite.world.store.transact("note", () => {
          order.push(index);
          return ok(index);
        }),
      ),
    );

    // A command may be run again, so only the last run of each counts.
    expect(order.slice(-30)).toEqual(Array.from({ length: 30 }, (_, index) => index));
  });

  it("Q2: counts claims upwards within one epoch, also in one command", async () => {
    const fences = value(
      await suite.world.store.transact("count", (tx) => ok([tx.nextFence(), tx.nextFence(), tx.nextFence()])),
    );

    expect(fences.map((fence) => fence.n - (fences[0]?.n ?? 0))).toEqual([0, 1, 2]);
    expect(new Set(fences.map((fence) => fence.epoch)).size).toBe(1);
  });

  it("gives equal requirements the same class, and others another, also after a restart", async () => {
    const look = async () =>
      value(
        await suite.world.store.transact("classes", (tx) => ok([tx.classId("a"), tx.classId("b"), tx.classId("a")])),
      );
    const before = await look();
    await suite.world.restart();

    expect(before[0]).toBe(before[2]);
    expect(before[0]).not.toBe(before[1]);
    expect(await look()).toEqual(before);
  });

  it("knows the next instant of tasks, keys and schedules", async () => {
    const { world } = suite;
    const nowMs = world.clock.nowMs();
    const next = async () => value(await world.store.transact("look", (tx) => ok(tx.nextWakeMs())));
    expect(await next()).toBeNull();

    const later = await suite.submitOne({ runAtMs: nowMs + 5_000 });
    await suite.submitOne({ runAtMs: nowMs + 2_000, dependsOn: [later] });
    expect(await next()).toBe(nowMs + 5_000);

    await suite.submitOne({ runAtMs: nowMs + 3_000 });
    expect(await next()).toBe(nowMs + 3_000);
  });
};
