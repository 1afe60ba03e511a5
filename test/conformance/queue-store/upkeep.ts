import { expect, it } from "vitest";
import { ok, type TaskId } from "#base";
import type { PruneBefore } from "#queue";
import { first, type Part, value } from "./suite.ts";

export const upkeep: Part = (suite) => {
  const NOTHING: PruneBefore = { endedTasksMs: 0, deadLettersMs: 0, eventsMs: 0, idempotencyMs: 0, commandsMs: 0 };
  const prune = async (before: Partial<PruneBefore>, limit = 1_000): Promise<number> =>
    value(await suite.world.store.prune({ ...NOTHING, ...before }, limit));
  const nowMs = () => suite.world.clock.nowMs();
  const exists = async (id: TaskId) => value(await suite.world.store.find(id)) !== undefined;

  it("removes tasks that ended before the given instant, each kind by its own, and nothing else", async () => {
    const done = await suite.submitOne();
    await suite.attempt();
    const cancelled = await suite.submitOne();
    value(await suite.queue.cancel(cancelled, "no"));
    const dead = await suite.submitOne();
    await suite.attempt({ outcome: "failed", consequence: "terminal" });
    await suite.world.pass(1_000);
    const recent = await suite.submitOne();
    await suite.attempt();
    const [ready, waiting] = await suite.submit({}, { runAtMs: nowMs() + 60_000 });

    await prune({ endedTasksMs: nowMs() });
    expect(await Promise.all([done, cancelled, dead, recent].map(exists))).toEqual([false, false, true, true]);

    await prune({ deadLettersMs: nowMs() });
    expect(await Promise.all([dead, recent].map(exists))).toEqual([false, true]);

    await suite.world.pass(1_000);
    await prune({ endedTasksMs: nowMs(), deadLettersMs: nowMs() });
    expect(await exists(recent)).toBe(false);
    expect(await suite.states([ready ?? recent, waiting ?? recent])).toEqual(["ready", "waiting"]);
    const counts = value(await suite.world.store.lanes())[2]?.counts;
    expect(counts).toEqual({ waiting: 1, ready: 1, running: 0, done: 0, dead: 0, cancelled: 0 });
    expect(value(await suite.world.store.list({}, 10)).items).toHaveLength(2);
  });

  it("Q8: never removes a task that another still waits for, or that died with it", async () => {
    const dead = await suite.submitOne();
    const waiting = await suite.submitOne({ dependsOn: [dead], dependencyPolicy: "wait" });
    const diedWithIt = await suite.submitOne({ dependsOn: [dead] });
    await suite.attempt({ outcome: "failed", consequence: "terminal" });
    await suite.world.pass(1_000);

    await prune({ endedTasksMs: nowMs() });
    expect(await Promise.all([dead, waiting, diedWithIt].map(exists))).toEqual([true, true, true]);

    // The dead letter that waits for nobody may go; what it died of stays, for the other still needs it.
    await prune({ deadLettersMs: nowMs() });
    expect(await exists(dead)).toBe(true);
    expect(await exists(waiting)).toBe(true);

    value(await suite.queue.retry(dead));
    expect(await suite.attempt()).toBe(dead);
    expect(await suite.state(waiting)).toBe("ready");
  });

  it("removes a task that others depended on once they do not need it any more", async () => {
    const root = await suite.submitOne();
    const dependent = await suite.submitOne({ dependsOn: [root] });
    await suite.attempt();
    await suite.world.pass(1_000);

    await prune({ endedTasksMs: nowMs() });

    expect(await Promise.all([root, dependent].map(exists))).toEqual([false, true]);
    expect((await suite.claimOne()).row.id).toBe(dependent);
  });

  it("removes no more than it may at a time, and says how many", async () => {
    await suite.submit(...Array.from({ length: 10 }, () => ({})));
    for (const task of await suite.claim()) await suite.finish(task);
    await suite.world.pass(1_000);

    const removed: number[] = [];
    for (let count = 0; count < 4; count += 1) removed.push(await prune({ endedTasksMs: nowMs() }, 4));

    expect(removed).toEqual([4, 4, 2, 0]);
  });

  it("removes the attempts and labels with the task", async () => {
    const id = await suite.submitOne({ labels: { a: "b" } });
    await suite.attempt();
    await suite.world.pass(1_000);

    await prune({ endedTasksMs: nowMs() });

    expect(await exists(id)).toBe(false);
    expect(value(await suite.world.store.recentAttempts(0, 10))).toEqual([]);
    expect(value(await suite.world.store.list({ label: { name: "a", value: "b" } }, 10)).items).toEqual([]);
  });

  it("removes old events and never uses a sequence number again", async () => {
    await suite.submit({}, {}, {});
    const before = value(await suite.world.store.eventRange());
    await suite.world.pass(1_000);

    expect(await prune({ eventsMs: nowMs() })).toBe(3);
    await suite.submit({});

    const [event] = await suite.allEvents();
    expect(event?.seq).toBe(before.lastSeq + 1);
    expect(value(await suite.world.store.eventRange())).toEqual({ firstSeq: event?.seq, lastSeq: event?.seq });
  });

  it("removes the oldest events first", async () => {
    await suite.submit({}, {}, {}, {});
    const all = await suite.allEvents();
    await suite.world.pass(1_000);

    expect(await prune({ eventsMs: nowMs() }, 3)).toBe(3);

    expect(await suite.allEvents()).toEqual(all.slice(3));
  });

  it("forgets an idempotency key after its time, and then takes it for a new task", async () => {
    const id = await suite.submitOne({ idempotencyKey: "k", bodyHash: "one" });
    await suite.world.pass(1_000);
    expect(await prune({ idempotencyMs: nowMs() - 1_000 })).toBe(0);

    expect(await prune({ idempotencyMs: nowMs(), commandsMs: nowMs() })).toBe(1);

    const receipt = first(
      value(await suite.queue.submit([suite.world.task({ idempotencyKey: "k", bodyHash: "two" })])),
    );
    expect(receipt.created).toBe(true);
    expect(receipt.id).not.toBe(id);
    expect(await exists(id)).toBe(true);
  });

  it("Q10: takes an idempotency key for a new task once its task was dropped or pruned", async () => {
    const again = async (bodyHash: string) =>
      first(value(await suite.queue.submit([suite.world.task({ idempotencyKey: "k", bodyHash })])));
    const dropped = await suite.submitOne({ idempotencyKey: "k", bodyHash: "one" });
    await suite.attempt({ outcome: "failed", consequence: "terminal" });
    expect((await again("one")).id).toBe(dropped);

    value(await suite.queue.drop(dropped));
    const second = await again("two");
    expect(second.created).toBe(true);
    expect(await again("two")).toEqual({ id: second.id, created: false });

    await suite.attempt();
    await suite.world.pass(1_000);
    await prune({ endedTasksMs: nowMs() });
    const third = await again("three");
    expect(third.created).toBe(true);
    expect(await again("three")).toEqual({ id: third.id, created: false });
  });

  it("forgets requirements that no task has, and keeps those of tasks that wait", async () => {
    const requirements = Array.from({ length: 100 }, (_, n) => JSON.stringify({ n }));
    await suite.submit(...requirements.map((text) => ({ requirements: text })));
    const [late] = await suite.submit({ requirements: '{"late":1}', runAtMs: nowMs() + 60_000 });
    for (const task of await suite.claim()) await suite.finish(task);
    await suite.world.pass(1_000);

    await prune({ endedTasksMs: nowMs() });
    await suite.submit({ requirements: '{"new":1}' }, { requirements: requirements[7] ?? "" });

    const texts = value(await suite.world.store.transact("look", (tx) => ok([...tx.classes()])));
    expect(texts.map(([, text]) => text).sort()).toEqual(['{"late":1}', '{"n":7}', '{"new":1}']);
    expect(new Set(texts.map(([id]) => id)).size).toBe(3);
    const claimed = await suite.claim();
    expect(claimed).toHaveLength(2);
    for (const task of claimed) await suite.finish(task);
    await suite.world.pass(60_000);
    expect((await suite.claimOne()).row.id).toBe(late);
  });

  it("forgets keys that nothing uses, and keeps those with a policy or with work", async () => {
    await suite.submit({ key: "idle" });
    await suite.attempt();
    await suite.submit({ key: "busy" });
    value(
      await suite.queue.setKeyPolicy("ruled", {
        maxConcurrent: 1,
        ratePerSecond: null,
        burst: 1,
        weight: 1,
        paused: false,
      }),
    );
    await suite.world.pass(2_000);

    await prune({ endedTasksMs: nowMs() });

    const rows = value(
      await suite.world.store.transact("look", (tx) => ok(["idle", "busy", "ruled"].map((key) => tx.key(key)?.key))),
    );
    expect(rows).toEqual([undefined, "busy", "ruled"]);
    expect(await suite.claim()).toHaveLength(1);
  });

  it("changes nothing when nothing is old enough", async () => {
    await suite.submit({}, { idempotencyKey: "k" });
    await suite.attempt();

    expect(
      await prune({
        endedTasksMs: nowMs(),
        deadLettersMs: nowMs(),
        eventsMs: nowMs(),
        idempotencyMs: nowMs(),
        commandsMs: nowMs(),
      }),
    ).toBe(0);
  });
};
