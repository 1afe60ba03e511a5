import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { QueueEvent } from "#queue";
import { untilEnded } from "../../../src/runtime/commands/until-ended.ts";
import { memoryHarness, QueueWorld } from "../../support/queue-world.ts";

const LIMIT_MS = 60_000;
const KEYED = { idempotencyKey: "k", bodyHash: "same" };

let world: QueueWorld;
beforeEach(async () => {
  world = new QueueWorld(await memoryHarness());
  await world.start();
});
afterEach(() => world.close());

describe("waiting until tasks have ended", () => {
  it("waits once for two tasks of one idempotency key", async () => {
    const [first, second] = [world.task(KEYED), world.task(KEYED)];
    const seen: QueueEvent[] = [];
    const onEvent = (event: QueueEvent): void => void seen.push(event);
    const ended = untilEnded(world.queue, [first, second], { clock: world.clock, limitMs: LIMIT_MS, onEvent });
    await world.settle();
    await world.queue.cancel(first.id, "enough");
    const records = await ended;

    expect(records.ok && records.value.map(({ row }) => [row.id, row.state])).toEqual([[first.id, "cancelled"]]);
    expect(seen.map(({ kind }) => kind)).toEqual(["task.submitted", "task.cancelled"]);
  });

  it("does not wait for a task that had ended before it was named again", async () => {
    const first = world.task(KEYED);
    await world.queue.submit([first]);
    await world.queue.cancel(first.id, "enough");

    const records = await untilEnded(world.queue, [world.task(KEYED)], { clock: world.clock, limitMs: LIMIT_MS });

    expect(records.ok && records.value.map(({ row }) => row.id)).toEqual([first.id]);
  });

  it("ends when interrupted, and leaves no timer behind", async () => {
    const stop = new AbortController();
    const timers = { made: 0, cancelled: 0 };
    const clock = {
      nowMs: () => world.clock.nowMs(),
      monotonicMs: () => world.clock.monotonicMs(),
      after: (delayMs: number, action: () => void) => {
        timers.made += 1;
        const timer = world.clock.after(delayMs, action);
        return {
          cancel: () => {
            timers.cancelled += 1;
            timer.cancel();
          },
        };
      },
    };
    const ended = untilEnded(world.queue, [world.task()], { clock, limitMs: LIMIT_MS, interrupted: stop.signal });
    await world.settle();
    stop.abort();

    expect(await ended).toMatchObject({ ok: false, error: { code: "cancelled", message: "interrupted" } });
    expect(timers).toEqual({ made: 1, cancelled: 1 });
  });

  it("submits nothing when it was interrupted before", async () => {
    const task = world.task();
    const options = { clock: world.clock, limitMs: LIMIT_MS, interrupted: AbortSignal.abort() };

    expect(await untilEnded(world.queue, [task], options)).toMatchObject({ ok: false, error: { code: "cancelled" } });
    expect(await world.store.find(task.id)).toEqual({ ok: true, value: undefined });
  });

  it("says how many tasks are late", async () => {
    const ended = untilEnded(world.queue, [world.task(), world.task()], { clock: world.clock, limitMs: LIMIT_MS });
    await world.settle();
    world.clock.advance(LIMIT_MS);

    const message = `2 of 2 tasks have not ended after ${LIMIT_MS} ms`;
    expect(await ended).toMatchObject({ ok: false, error: { code: "timed_out", message } });
  });
});
