import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { err, MAX_DEPENDENTS, ok, retryable, type TaskId } from "#base";
import { LEASE_TERM_MS, UNLIMITED } from "#queue";
import { acceptsAll, attemptReport, memoryHarness, QueueWorld } from "../../support/queue-world.ts";

let world: QueueWorld;

beforeEach(async () => {
  world = new QueueWorld(await memoryHarness());
  await world.start();
});

afterEach(async () => {
  await world.close();
});

async function submit(...over: Parameters<QueueWorld["task"]>[0][]): Promise<readonly TaskId[]> {
  const result = await world.queue.submit(over.map((each) => world.task(each)));
  if (!result.ok) throw new Error(result.error.message);
  await world.settle();
  return result.value.map((receipt) => receipt.id);
}

async function claim(limit = 10) {
  const result = await world.queue.claim({ holder: world.node, limit, accepts: acceptsAll });
  if (!result.ok) throw new Error(result.error.message);
  return result.value.tasks;
}

describe("leases", () => {
  it("a task whose holder falls silent is offered again within five seconds, with its attempt counted", async () => {
    const [id] = await submit({});
    const [first] = await claim();

    await world.pass(5_000);
    const [second] = await claim();

    expect(second?.row.id).toBe(id);
    expect(second?.attempt).toBe(2);
    expect(second?.fence.n).toBeGreaterThan(first?.fence.n ?? Number.NaN);
    expect((await world.record(second?.row.id ?? fail())).attempts.map((attempt) => attempt.outcome)).toEqual(["lost"]);
  });

  it("a task whose holder renews stays with it for as long as it does", async () => {
    await submit({});
    const [held] = await claim();
    for (let count = 0; count < 20; count += 1) {
      await world.pass(LEASE_TERM_MS - 500);
      expect(world.queue.renew(held?.row.id ?? fail(), held?.fence ?? fail())).toBe(true);
    }

    expect((await world.record(held?.row.id ?? fail())).row.state).toBe("running");
  });

  it("a task that ran when the node went down keeps a full term in which its worker can report", async () => {
    await submit({});
    const [held] = await claim();
    await world.pass(LEASE_TERM_MS - 500);

    const recovered = await world.restart();
    await world.pass(LEASE_TERM_MS - 500);
    const receipt = await world.queue.finish(held?.row.id ?? fail(), held?.fence ?? fail(), attemptReport());

    expect(recovered.map((row) => row.id)).toEqual([held?.row.id]);
    expect(receipt).toEqual(ok({ kind: "applied", state: "done" }));
  });

  it("a claim that took effect although its caller was told that it failed is offered again", async () => {
    const [id] = await submit({});
    const { store } = world.queue;
    const transact = store.transact.bind(store);
    store.transact = async (label, command) => {
      const done = await transact(label, command);
      return label === "claim" ? err(retryable("unavailable", "its answer was lost")) : done;
    };
    const lost = await world.queue.claim({ holder: world.node, limit: 1, accepts: acceptsAll });
    store.transact = transact;

    await world.pass(LEASE_TERM_MS + 1_000);
    const [again] = await claim();

    expect(lost.ok).toBe(false);
    expect([again?.row.id, again?.attempt]).toEqual([id, 2]);
  });

  it("whoever holds a lease that ran out, or a task that is cancelled, is told to stop", async () => {
    await submit({}, {});
    const [first, second] = await claim();
    const told: TaskId[] = [];
    world.queue.onStop((id) => told.push(id));

    await world.queue.cancel(first?.row.id ?? fail(), "not wanted");
    expect(told).toEqual([first?.row.id]);

    await world.pass(LEASE_TERM_MS + 1_000);
    expect(told).toContain(second?.row.id);
  });

  it("a report under the fence of a released attempt is stale and leaves a trace", async () => {
    const [id] = await submit({});
    const [held] = await claim();
    await world.queue.release(held?.row.id ?? fail(), held?.fence ?? fail(), "the node stops");

    const report = attemptReport({ error: "e".repeat(5_000), result: { exitCode: 0 }, tokens: 7 });
    const receipt = await world.queue.finish(held?.row.id ?? fail(), held?.fence ?? fail(), report);
    await world.queue.finish(held?.row.id ?? fail(), held?.fence ?? fail(), {
      ...report,
      result: { text: report.error },
    });

    expect(receipt).toEqual(ok({ kind: "stale" }));
    const events = await world.store.events(0, 100, id);
    const said = { fence: held?.fence, outcome: report.outcome, tokens: 7, error: "e".repeat(4_096) };
    expect(events.ok && events.value.slice(-2)).toMatchObject([
      { kind: "attempt.orphaned", data: { ...said, result: { exitCode: 0 } } },
      { kind: "attempt.orphaned", data: { ...said, result: null } },
    ]);
  });
});

describe("the service's own time", () => {
  it("wakes a task at its instant, not at the next fallback tick", async () => {
    const [id] = await submit({ runAtMs: world.clock.nowMs() + 120 });

    await world.pass(119, 1);
    expect((await world.record(id ?? fail())).row.state).toBe("waiting");

    await world.pass(2, 1);
    expect((await world.record(id ?? fail())).row.state).toBe("ready");
  });

  it("wakes a task at its instant although it was submitted while a tick was under way", async () => {
    world.clock.advance(1_000); // the fallback tick begins and has not ended
    const submitted = world.queue.submit([world.task({ runAtMs: world.clock.nowMs() + 100 })]);
    const receipt = await submitted;
    await world.settle();

    await world.pass(110, 10);

    const id = receipt.ok ? receipt.value[0]?.id : undefined;
    expect((await world.record(id ?? fail())).row.state).toBe("ready");
  });

  it("rests while a key that holds tasks back is paused: no tick comes before the fallback", async () => {
    await world.queue.setKeyPolicy("k", { ...UNLIMITED, maxConcurrent: 1 });
    await submit({ key: "k" }, { key: "k" });
    await world.queue.setKeyPolicy("k", { ...UNLIMITED, paused: true });
    await world.pass(2_000);

    const wake = await world.store.transact("look", (tx) => ok(tx.nextWakeMs()));

    expect(wake).toEqual(ok(null));
  });

  it("brings back tasks that wait for a token after the wall clock was set back by hours", async () => {
    await world.queue.setKeyPolicy("k", { ...UNLIMITED, ratePerSecond: 0.5 });
    await submit({ key: "k" }, { key: "k" });
    expect(await claim()).toHaveLength(1);

    world.clock.jumpWall(-7_200_000);
    await world.pass(4_000);

    expect(await claim()).toHaveLength(1);
  });

  it("brings back retries after the wall clock was set back, within their own longest backoff", async () => {
    await submit({ retryBaseMs: 2_000, retryMaxMs: 2_000 });
    const [held] = await claim();
    await world.queue.finish(held?.row.id ?? fail(), held?.fence ?? fail(), attemptReport({ outcome: "failed" }));

    world.clock.jumpWall(-7_200_000);
    await world.pass(3_500);

    expect(await claim()).toHaveLength(1);
  });

  it("brings back retries also when the store was away as the wall clock was set back", async () => {
    const { store } = world;
    const transact = store.transact.bind(store);
    await submit({ retryBaseMs: 2_000, retryMaxMs: 2_000 });
    const [held] = await claim();
    await world.queue.finish(held?.row.id ?? fail(), held?.fence ?? fail(), attemptReport({ outcome: "failed" }));

    store.transact = async () => err(retryable("unavailable", "the database does not answer"));
    world.clock.jumpWall(-7_200_000);
    await world.pass(3_000);
    store.transact = transact;
    await world.pass(3_500);

    expect(await claim()).toHaveLength(1);
  });

  it("runs schedules again after the wall clock ran a year ahead and was set right", async () => {
    world.clock.jumpWall(365 * 86_400_000);
    await world.queue.addSchedule({
      name: "n",
      cron: "0 * * * *",
      timezone: "UTC",
      overlap: "allow",
      task: world.task(),
    });
    world.clock.jumpWall(-365 * 86_400_000);
    await world.pass(2_000);

    const schedules = await world.store.schedules(10);

    const nextAtMs = schedules.ok ? (schedules.value[0]?.nextAtMs ?? fail()) : fail();
    expect(nextAtMs - world.clock.nowMs()).toBeLessThanOrEqual(4 * 3_600_000);
  });

  it("does not repeat a schedule when the wall clock steps back a little", async () => {
    await world.queue.addSchedule({
      name: "n",
      cron: "0 * * * *",
      timezone: "UTC",
      overlap: "allow",
      task: world.task(),
    });
    const before = await world.store.schedules(10);
    world.clock.jumpWall(-5_000);
    await world.pass(2_000);

    const after = await world.store.schedules(10);

    expect(after).toEqual(before);
  });

  it("a service that was stopped does nothing more, and stopping twice does no harm", async () => {
    const [id] = await submit({ runAtMs: world.clock.nowMs() + 100 });

    await world.queue.stop();
    await world.queue.stop();
    await world.pass(10_000);

    expect((await world.record(id ?? fail())).row.state).toBe("waiting");
  });
});

describe("a queue that stood down, because another node writes it now", () => {
  const why = retryable("unavailable", "another node is the hub now");

  it("refuses whoever asks for something new, gives out nothing, and takes reports of what runs", async () => {
    const [id] = await submit({}, {});
    const [held] = await claim(1);
    const fence = held?.fence ?? fail();

    world.queue.standDown(why);
    const submitted = await world.queue.submit([world.task({})]);
    const cancelled = await world.queue.cancel(id ?? fail(), "no longer wanted");
    const finished = await world.queue.finish(held?.row.id ?? fail(), fence, attemptReport());

    expect(submitted).toEqual(err(why));
    expect(cancelled).toEqual(err(why));
    expect(await claim()).toEqual([]);
    expect(finished).toMatchObject({ ok: true, value: { kind: "applied" } });
  });

  it("lets nothing fall due, and takes no lease from those who hold one", async () => {
    const [later] = await submit({ runAtMs: world.clock.nowMs() + 1_000 }, {});
    const [held] = await claim(1);

    world.queue.standDown(why);
    await world.pass(2 * LEASE_TERM_MS);

    expect((await world.record(later ?? fail())).row.state).toBe("waiting");
    expect((await world.record(held?.row.id ?? fail())).row.state).toBe("running");
  });
});

describe("submissions", () => {
  it("refuse a circle that goes through a repetition within the batch", async () => {
    const [a, b, again] = [world.ids.task(), world.ids.task(), world.ids.task()];

    const result = await world.queue.submit([
      world.task({ id: a, idempotencyKey: "k", dependsOn: [b] }),
      world.task({ id: b, dependsOn: [again] }),
      world.task({ id: again, idempotencyKey: "k", dependsOn: [b] }),
    ]);

    expect(result).toMatchObject({ ok: false, error: { kind: "refused", code: "invalid" } });
  });

  it("never give a task more dependents than its end can settle, counting those of the same batch", async () => {
    const [root] = await submit({});
    const bunch = (count: number) => Array.from({ length: count }, () => world.task({ dependsOn: [root ?? fail()] }));
    expect((await world.queue.submit(bunch(MAX_DEPENDENTS - 1))).ok).toBe(true);

    const tooMany = await world.queue.submit(bunch(2));
    const enough = await world.queue.submit(bunch(1));

    expect(tooMany).toMatchObject({ ok: false, error: { kind: "refused", code: "limit" } });
    expect(enough.ok).toBe(true);
  });

  it("are refused when the queue holds as many open tasks as it may, and taken again when some have ended", async () => {
    const harness = await memoryHarness();
    const small = new QueueWorld(harness);
    await small.start();
    await small.queue.stop();
    const { QueueService } = await import("#queue");
    const { silentLogger, seededRandom } = await import("#base");
    const queue = new QueueService({
      store: harness.store,
      clock: small.clock,
      random: seededRandom(1),
      ids: small.ids,
      node: small.node,
      logger: silentLogger,
      maxOpenTasks: 2,
    });

    const first = await queue.submit([small.task(), small.task()]);
    const second = await queue.submit([small.task()]);
    await queue.cancel(first.ok ? (first.value[0]?.id ?? fail()) : fail(), "room");
    const third = await queue.submit([small.task()]);

    expect([first.ok, third.ok]).toEqual([true, true]);
    expect(second).toMatchObject({ ok: false, error: { kind: "refused", code: "limit" } });
  });
});

function fail(): never {
  throw new Error("there is one");
}
