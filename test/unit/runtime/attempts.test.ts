import { describe, expect, it } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom, silentLogger } from "#base";
import type { AttemptRef } from "#execution";
import { MemoryQueueStore, QueueService } from "#queue";
import { Attempts } from "../../../src/runtime/attempts.ts";

const clock = new SimulatedClock();
const random = seededRandom(3);
const ids = createIdFactory(clock, random);

function world(): { readonly attempts: Attempts; readonly ref: AttemptRef } {
  const store = new MemoryQueueStore();
  const queue = new QueueService({ store, clock, random, ids, node: ids.node(), logger: silentLogger });
  const ref = { taskId: ids.task(), attempt: 1, fence: { epoch: 1, n: 1 } };
  return { attempts: new Attempts(queue, clock, silentLogger, {}), ref };
}

describe("an adopted attempt", () => {
  it("that was reported before anybody waited for its answer keeps nobody waiting", async () => {
    const { attempts, ref } = world();

    await attempts.lost(ref, "its worker died");
    await attempts.answered(ref);

    expect(attempts.running()).toEqual([]);
  });

  it("of another claim of the same number is waited for", async () => {
    const { attempts, ref } = world();
    const next = { ...ref, fence: { epoch: 1, n: 2 } };
    let answered = false;

    await attempts.lost(ref, "its worker died");
    void attempts.answered(next).then(() => {
      answered = true;
    });
    await Promise.resolve();

    expect(answered).toBe(false);
    expect(attempts.running()).toHaveLength(1);
  });
});
