import { expect, it } from "vitest";
import { createIdFactory, ok, parseNodeId, present, SimulatedClock, seededRandom } from "#base";
import type { Once } from "#queue";
import { attemptReport } from "../../support/queue-world.ts";
import { type Part, value } from "./suite.ts";

/** Q15. */
export const repetitions: Part = (suite) => {
  const ids = createIdFactory(new SimulatedClock(), seededRandom(7));
  const node = present(parseNodeId(ids.node()), "an id of a node");
  const once = (): Once => ({ id: ids.command(), node });

  it("a submission that arrives twice makes one task, and is answered the same", async () => {
    const task = suite.world.task();
    const command = once();

    const first = await suite.queue.submit([task], command);
    const events = (await suite.allEvents()).length;
    const again = await suite.queue.submit([task], command);

    expect(again).toEqual(first);
    expect(value(first)).toEqual([{ id: task.id, created: true }]);
    expect((await suite.allEvents()).length).toBe(events);
  });

  it("two arrivals in one group make one task", async () => {
    const task = suite.world.task();
    const command = once();

    const [first, again] = await Promise.all([
      suite.queue.submit([task], command),
      suite.queue.submit([task], command),
    ]);

    expect(again).toEqual(first);
    expect(value(await suite.world.store.list({}, 10)).items).toHaveLength(1);
  });

  it("a claim that arrives twice gives the same tasks under the same fences", async () => {
    await suite.submit({}, {}, {});
    const command = once();
    const request = { holder: node, limit: 2, accepts: () => true };

    const first = value(await suite.queue.claim(request, command));
    const again = value(await suite.queue.claim(request, command));

    expect(first.tasks).toHaveLength(2);
    expect(again).toEqual(first);
    expect(value(await suite.world.store.list({ states: ["ready"] }, 10)).items).toHaveLength(1);
  });

  it("a claim that arrives again later leaves out the tasks that are over, and says how many", async () => {
    await suite.submit({}, {}, {});
    const command = once();
    const request = { holder: node, limit: 3, accepts: () => true };
    const first = value(await suite.queue.claim(request, command));
    const [done, given, held] = first.tasks;
    const { row, fence } = present(done, "a task was claimed");
    await suite.queue.finish(row.id, fence, attemptReport({ outcome: "passed" }));
    // Given back and claimed anew: by the same holder, under another fence.
    await suite.queue.release(present(given, "a second one").row.id, present(given, "a second one").fence, "no room");
    value(await suite.queue.claim(request, once()));

    const again = value(await suite.queue.claim(request, command));

    expect(again).toEqual({ ...first, tasks: [held], over: 2 });
  });

  it("a claim is kept without what its tasks carry", async () => {
    const task = suite.world.task({ body: JSON.stringify({ note: "x".repeat(10_000) }) });
    value(await suite.queue.submit([task]));
    const command = once();
    value(await suite.queue.claim({ holder: node, limit: 1, accepts: () => true }, command));

    const kept = await suite.world.store.transact("look", (tx) => ok(tx.commandResult(command.id)));

    expect(present(value(kept), "it is kept").length).toBeLessThan(300);
  });

  it("a report that arrives twice is applied once, and both are told so", async () => {
    await suite.submitOne();
    const [task] = value(await suite.queue.claim({ holder: node, limit: 1, accepts: () => true })).tasks;
    const { row, fence } = present(task, "a task was claimed");
    const command = once();

    const first = await suite.queue.finish(row.id, fence, attemptReport({ outcome: "passed" }), command);
    const again = await suite.queue.finish(row.id, fence, attemptReport({ outcome: "passed" }), command);

    expect(value(first)).toEqual({ kind: "applied", state: "done" });
    expect(again).toEqual(first);
  });

  it("a refusal is repeated too, even where it would be granted by then", async () => {
    const id = await suite.submitOne({ runAtMs: suite.world.clock.nowMs() + 60_000 });
    const command = once();

    const first = await suite.queue.retry(id, command);
    await suite.queue.cancel(id, "no longer wanted");
    const again = await suite.queue.retry(id, command);

    expect(first.ok).toBe(false);
    expect(again).toEqual(first);
  });

  it("is forgotten with the age that retention is given", async () => {
    const command = once();
    await suite.queue.setPaused(true, command);
    const nothing = { endedTasksMs: 0, deadLettersMs: 0, eventsMs: 0, idempotencyMs: 0, commandsMs: 0 };

    const kept = value(await suite.world.store.prune({ ...nothing, commandsMs: suite.world.clock.nowMs() }, 10));
    const removed = value(await suite.world.store.prune({ ...nothing, commandsMs: suite.world.clock.nowMs() + 1 }, 10));

    expect([kept, removed]).toEqual([0, 1]);
  });
};
