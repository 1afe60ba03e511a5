import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createIdFactory, ok, SimulatedClock, seededRandom } from "#base";
import type { Stores } from "#store";
import { firstIdAt } from "../../../src/store/retention.ts";
import { must, openedStores } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
let dir: string;
let stores: Stores;

beforeEach(async () => {
  dir = folder();
  stores = await openedStores(dir);
});
afterEach(() => stores.close());

const before = (eventsMs: number): Parameters<Stores["queue"]["prune"]>[0] => ({
  endedTasksMs: 0,
  deadLettersMs: 0,
  eventsMs,
  idempotencyMs: 0,
  commandsMs: 0,
});

const addEvents = async (count: number, atMs: number): Promise<void> => {
  must(
    await stores.queue.transact("add", (tx) => {
      for (let n = 0; n < count; n += 1) tx.appendEvent({ atMs, kind: "queue.paused", taskId: null, data: {} });
      return ok(undefined);
    }),
  );
};

describe("the first id of an instant", () => {
  it("lies above every id made before it and at or below every id made then", () => {
    const clock = new SimulatedClock(1_699_999_999_000);
    const ids = createIdFactory(clock, seededRandom(5));
    const earlier = Array.from({ length: 200 }, () => {
      clock.advance(7);
      return ids.task();
    });
    clock.advance(1);
    const boundary = firstIdAt(clock.nowMs());
    const later = Array.from({ length: 200 }, () => {
      const id = ids.task();
      clock.advance(7);
      return id;
    });

    expect(earlier.every((id) => id < boundary)).toBe(true);
    expect(later.every((id) => id >= boundary)).toBe(true);
  });
});

describe("retention of events", () => {
  it("removes at most the given number at once, the oldest first", async () => {
    await addEvents(10, 1_000);

    expect(must(await stores.queue.prune(before(2_000), 4))).toBe(4);

    expect(must(await stores.queue.eventRange())).toEqual({ firstSeq: 5, lastSeq: 10 });
  });

  it("never gives a number again, even when all events are gone and the process restarted", async () => {
    await addEvents(3, 1_000);
    must(await stores.queue.prune(before(2_000), 100));
    await stores.close();
    stores = await openedStores(dir);

    await addEvents(1, 3_000);

    expect(must(await stores.queue.eventRange())).toEqual({ firstSeq: 4, lastSeq: 4 });
  });

  it("keeps events at or after the instant", async () => {
    await addEvents(2, 1_000);
    await addEvents(2, 2_000);

    must(await stores.queue.prune(before(2_000), 100));

    expect(must(await stores.queue.eventRange())).toEqual({ firstSeq: 3, lastSeq: 4 });
  });
});
