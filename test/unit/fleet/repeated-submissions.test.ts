import { describe, expect, it } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom } from "#base";
import { MemoryOutbox } from "#fleet";
import { MemoryQueueStore, type NewTask } from "#queue";
import { repeatedSubmissions } from "../../../src/fleet/repeated-submissions.ts";
import { newTask } from "../../support/queue-world.ts";
import { valueOf } from "../api/api-harness.ts";

const ids = createIdFactory(new SimulatedClock(), seededRandom(5));

function task(idempotencyKey: string | null, bodyHash = "h"): NewTask {
  return { ...newTask(ids.task()), idempotencyKey, bodyHash };
}

describe("a submission that is repeated on a node without its hub", () => {
  it("names the task that its key named first", async () => {
    const [outbox, store] = [new MemoryOutbox(), new MemoryQueueStore()];
    const [first, again, other] = [task("k"), task("k"), task(null)];
    outbox.append({ id: ids.command(), kind: "submit", args: { tasks: [first] } });
    outbox.append({ id: ids.command(), kind: "submit", args: { tasks: [task("k")] } });

    const known = valueOf(await repeatedSubmissions({ outbox, store }, [again, other]));

    expect([...known]).toEqual([[again.id, first.id]]);
  });

  it("is refused when its key names another body", async () => {
    const [outbox, store] = [new MemoryOutbox(), new MemoryQueueStore()];
    outbox.append({ id: ids.command(), kind: "submit", args: { tasks: [task("k")] } });

    const known = await repeatedSubmissions({ outbox, store }, [task("k", "another")]);

    expect(known).toMatchObject({ ok: false, error: { code: "conflict" } });
  });
});
