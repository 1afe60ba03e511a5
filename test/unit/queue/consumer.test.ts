import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger, type TaskId } from "#base";
import { type AttemptReport, type ClaimedTask, Consumer, UNLIMITED } from "#queue";
import { acceptsAll, attemptReport, memoryHarness, QueueWorld } from "../../support/queue-world.ts";

let world: QueueWorld;
let attempts: { task: ClaimedTask; end: (report: AttemptReport | null) => void }[];
let consumer: Consumer;

function consume(concurrency: number): Consumer {
  return new Consumer({
    queue: world.queue,
    holder: world.node,
    logger: silentLogger,
    concurrency,
    accepts: acceptsAll,
    run: (task) => new Promise((end) => attempts.push({ task, end })),
  });
}

async function submit(count: number, key = ""): Promise<readonly TaskId[]> {
  const result = await world.queue.submit(Array.from({ length: count }, () => world.task({ key })));
  if (!result.ok) throw new Error(result.error.message);
  await world.settle();
  return result.value.map((receipt) => receipt.id);
}

beforeEach(async () => {
  world = new QueueWorld(await memoryHarness());
  attempts = [];
  await world.start();
  consumer = consume(2);
});

afterEach(async () => {
  for (const attempt of attempts) attempt.end(null);
  await consumer.stop();
  await world.close();
});

describe("a consumer", () => {
  it("starts what is ready already, and what becomes ready, without time passing", async () => {
    await submit(1);
    consumer.start();
    await world.settle();
    expect(attempts).toHaveLength(1);

    await submit(1);
    expect(attempts).toHaveLength(2);
  });

  it("runs as many at once as it may, and the next when one ends", async () => {
    consumer.start();
    await submit(5);
    expect([attempts.length, consumer.active]).toEqual([2, 2]);

    attempts[0]?.end(attemptReport());
    await world.settle();

    expect([attempts.length, consumer.active]).toEqual([3, 2]);
    expect((await world.record(attempts[0]?.task.row.id ?? fail())).row.state).toBe("done");
  });

  it("starts the next task of a key with a rate as its tokens come, although the one before still runs", async () => {
    await world.queue.setKeyPolicy("k", { ...UNLIMITED, ratePerSecond: 5 });
    consumer.start();
    await submit(2, "k");
    expect(attempts).toHaveLength(1);

    await world.pass(190, 10);
    expect(attempts).toHaveLength(1);

    await world.pass(20, 10);
    expect(attempts).toHaveLength(2);
  });

  it("starts what a loosened policy lets through without any other event", async () => {
    await world.queue.setKeyPolicy("k", { ...UNLIMITED, paused: true });
    consumer.start();
    await submit(2, "k");
    expect(attempts).toHaveLength(0);

    await world.queue.setKeyPolicy("k", UNLIMITED);
    await world.pass(10, 1);

    expect(attempts).toHaveLength(2);
  });

  it("gives the place of an attempt back that failed by a bug", async () => {
    const broken = new Consumer({
      queue: world.queue,
      holder: world.node,
      logger: silentLogger,
      concurrency: 1,
      accepts: acceptsAll,
      run: (task) => {
        attempts.push({ task, end: () => undefined });
        return Promise.reject(new Error("a bug"));
      },
    });
    broken.start();

    await submit(2);
    await broken.stop();

    expect([attempts.length, broken.active]).toEqual([2, 0]);
  });

  it("takes no more work once it is stopped, and its stop waits for what it started", async () => {
    consumer.start();
    await submit(3);
    let isStopped = false;
    const stopped = consumer.stop().then(() => {
      isStopped = true;
    });

    attempts[0]?.end(attemptReport());
    await world.settle();
    expect([attempts.length, isStopped]).toEqual([2, false]);

    attempts[1]?.end(attemptReport());
    await stopped;
    expect(attempts).toHaveLength(2);
  });

  it("stops at once when nothing runs, whether it was started or not", async () => {
    await consumer.stop();
    consumer.start();
    await world.settle();
    await consumer.stop();

    await submit(1);
    expect(attempts).toHaveLength(0);
  });

  it("leaves the report to others when the attempt goes on without it", async () => {
    consumer.start();
    const [id] = await submit(1);

    attempts[0]?.end(null);
    await world.settle();

    expect([consumer.active, (await world.record(id ?? fail())).row.state]).toEqual([0, "running"]);
  });

  it("counts attempts that it adopted against its places", async () => {
    let end: () => void = () => undefined;
    consumer.adopt(
      new Promise<void>((resolve) => {
        end = resolve;
      }),
    );
    consumer.start();
    await submit(3);
    expect(attempts).toHaveLength(1);

    end();
    await world.settle();
    expect(attempts).toHaveLength(2);
  });

  it("misses no wake-up that falls between its last look and its rest, at whatever turn it comes", async () => {
    for (let turns = 0; turns < 20; turns += 1) {
      consumer.start();
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      const submitted = world.queue.submit([world.task()]);
      await submitted;
      await world.settle();

      expect(attempts, `submitted ${turns} turns after the start`).toHaveLength(1);

      attempts[0]?.end(attemptReport());
      await world.settle();
      await consumer.stop();
      attempts = [];
      consumer = consume(2);
    }
  });

  it("tries again by itself after a claim that failed", async () => {
    await submit(1);
    const { queue } = world;
    let failures = 1;
    const flaky = new Proxy(queue, {
      get: (target, name) => {
        if (name === "claim" && failures > 0) {
          failures -= 1;
          return async () => ({ ok: false, error: { kind: "retryable", code: "disk_full", message: "disk full" } });
        }
        const value: unknown = Reflect.get(target, name, target);
        // `as`: the methods of a service keep their service.
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
    consumer = new Consumer({
      queue: flaky,
      holder: world.node,
      logger: silentLogger,
      concurrency: 1,
      accepts: acceptsAll,
      run: (task) => new Promise((end) => attempts.push({ task, end })),
    });
    consumer.start();
    await world.settle();
    expect(attempts).toHaveLength(0);

    await world.pass(1_500);
    expect(attempts).toHaveLength(1);
  });
});

function fail(): never {
  throw new Error("there is one");
}
