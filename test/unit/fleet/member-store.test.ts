import { expect, it } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom } from "#base";
import { MemoryOutbox } from "#fleet";
import { MemoryQueueStore, type NewTask } from "#queue";
import { memberStore } from "../../../src/fleet/member-store.ts";
import { newTask } from "../../support/queue-world.ts";
import { valueOf } from "../api/api-harness.ts";

const ids = createIdFactory(new SimulatedClock(), seededRandom(3));

const task = (): NewTask => newTask(ids.task());

it("a task that the hub has accepted is found while the replica is behind, and one that it refused is not", async () => {
  const outbox = new MemoryOutbox();
  const store = memberStore(new MemoryQueueStore(), outbox);
  const [taken, refused] = [task(), task()];
  const [takenBy, refusedBy] = [ids.command(), ids.command()];
  outbox.append({ id: takenBy, kind: "submit", args: { tasks: [taken] } });
  outbox.append({ id: refusedBy, kind: "submit", args: { tasks: [refused] } });

  outbox.answered(1, [
    { id: takenBy, result: { id: takenBy, ok: true, value: [] } },
    { id: refusedBy, result: { id: refusedBy, ok: false } },
  ]);

  expect(valueOf(await store.find(taken.id))?.row.id).toBe(taken.id);
  expect(valueOf(await store.find(refused.id))).toBeUndefined();
  outbox.settle([takenBy]);
  expect(valueOf(await store.find(taken.id))).toBeUndefined();
});
