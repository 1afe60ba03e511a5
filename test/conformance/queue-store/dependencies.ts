import { expect, it } from "vitest";
import type { TaskId } from "#base";
import { DEPENDENCY_POLICIES } from "#queue";
import { first, type Part, value } from "./suite.ts";

export const dependencies: Part = (suite) => {
  it("Q5: starts a task only when all it depends on are done, whatever the order of submission", async () => {
    const { world } = suite;
    const [late, a, b] = [world.ids.task(), world.ids.task(), world.ids.task()];
    value(
      await suite.queue.submit([
        world.task({ id: late, dependsOn: [a, b, a] }),
        world.task({ id: a }),
        world.task({ id: b }),
      ]),
    );
    expect((await world.record(late)).row.blockedBy).toBe(2);

    const claimed = await suite.claim();
    expect(claimed.map((task) => task.row.id).sort()).toEqual([a, b].sort());
    await suite.finish(claimed[0] ?? first(claimed));
    expect(await suite.state(late)).toBe("waiting");
    await suite.finish(claimed[1] ?? first(claimed));

    expect(await suite.state(late)).toBe("ready");
    expect((await suite.claimOne()).row.id).toBe(late);
  });

  it("counts a dependency that is done already as satisfied", async () => {
    const done = await suite.submitOne();
    await suite.attempt();

    const id = await suite.submitOne({ dependsOn: [done] });

    expect((await suite.world.record(id)).row).toMatchObject({ state: "ready", blockedBy: 0 });
  });

  it("waits for its instant too, when the dependencies are done first", async () => {
    const dependency = await suite.submitOne();
    const id = await suite.submitOne({ dependsOn: [dependency], runAtMs: suite.world.clock.nowMs() + 5_000 });
    await suite.attempt();
    expect(await suite.state(id)).toBe("waiting");

    await suite.world.pass(5_000);

    expect(await suite.state(id)).toBe("ready");
  });

  it("waits for its dependencies too, when its instant comes first", async () => {
    const dependency = await suite.submitOne();
    const id = await suite.submitOne({ dependsOn: [dependency], runAtMs: suite.world.clock.nowMs() + 1_000 });
    await suite.world.pass(5_000);
    expect(await suite.state(id)).toBe("waiting");

    await suite.attempt();

    expect(await suite.state(id)).toBe("ready");
  });

  it("refuses a dependency that does not exist", async () => {
    const missing = suite.world.ids.task();

    const text = await suite.refused("invalid", () => suite.queue.submit([suite.world.task({ dependsOn: [missing] })]));

    expect(text).toContain(missing);
  });

  it.each([1, 2, 3, 5])("refuses a circle of %i tasks and names it", async (length) => {
    const { world } = suite;
    const ids = Array.from({ length }, () => world.ids.task());
    const tasks = ids.map((id, index) => world.task({ id, dependsOn: [ids[(index + 1) % length] ?? id] }));

    const text = await suite.refused("invalid", () => suite.queue.submit(tasks));

    for (const id of ids) expect(text).toContain(id);
  });

  it.each(DEPENDENCY_POLICIES)(
    "a submission that depends on a task already dead or cancelled, policy %s",
    async (policy) => {
      const dead = await suite.submitOne();
      await suite.attempt({ outcome: "failed", consequence: "terminal" });
      const cancelled = await suite.submitOne();
      value(await suite.queue.cancel(cancelled, "no"));
      const submitOn = (id: TaskId) =>
        suite.queue.submit([suite.world.task({ dependsOn: [id], dependencyPolicy: policy })]);

      for (const id of [dead, cancelled]) {
        const outcome =
          policy === "fail"
            ? await suite.refused("conflict", () => submitOn(id))
            : await suite.state(first(value(await submitOn(id))).id);
        expect(outcome).toContain({ fail: id, wait: "waiting", ignore: "ready" }[policy]);
      }
    },
  );

  it.each([
    ["fail", "dead"],
    ["wait", "waiting"],
    ["ignore", "ready"],
  ] as const)(
    "a task with policy %s is %s after its dependency dies or is cancelled",
    async (dependencyPolicy, state) => {
      const one = await suite.submitOne();
      const on = await suite.submitOne({ dependsOn: [one], dependencyPolicy });
      await suite.attempt({ outcome: "failed", consequence: "terminal" });
      const two = await suite.submitOne({ lane: 4 });
      const onTwo = await suite.submitOne({ dependsOn: [two], dependencyPolicy });
      value(await suite.queue.cancel(two, "no"));

      expect(await suite.states([on, onTwo])).toEqual([state, state]);
      const { reason } = (await suite.world.record(on)).row;
      expect([reason?.code, reason?.text.includes(one)]).toEqual(
        state === "dead" ? ["dependency", true] : [undefined, undefined],
      );
    },
  );

  it("death runs through a whole chain in one step, and a redrive of its root brings the chain back", async () => {
    const root = await suite.submitOne();
    const chain: TaskId[] = [root];
    for (let length = 0; length < 5; length += 1) chain.push(await suite.submitOne({ dependsOn: chain.slice(-1) }));
    await suite.attempt({ outcome: "failed", consequence: "terminal" });
    expect(new Set(await suite.states(chain))).toEqual(new Set(["dead"]));

    expect(value(await suite.queue.retry(root)).state).toBe("ready");
    expect(await suite.states(chain)).toEqual(["ready", ...Array.from({ length: 5 }, () => "waiting")]);
    for (const id of chain) expect(await suite.attempt()).toBe(id);

    expect(new Set(await suite.states(chain))).toEqual(new Set(["done"]));
  });

  it("a task that died with two dependencies returns only when both do", async () => {
    const [a, b] = await suite.submit({}, {});
    const both = await suite.submitOne({ dependsOn: [a ?? never(), b ?? never()] });
    for (const task of await suite.claim()) await suite.finish(task, { outcome: "failed", consequence: "terminal" });

    value(await suite.queue.retry(a ?? never()));
    expect(await suite.state(both)).toBe("dead");
    value(await suite.queue.retry(b ?? never()));
    expect(await suite.state(both)).toBe("waiting");
  });

  it("refuses to redrive a task whose dependency is still dead, and says which", async () => {
    const root = await suite.submitOne();
    const id = await suite.submitOne({ dependsOn: [root] });
    await suite.attempt({ outcome: "failed", consequence: "terminal" });

    expect(await suite.refused("conflict", () => suite.queue.retry(id))).toContain(root);
  });

  it("settles a hundred dependents when their dependency ends", async () => {
    const root = await suite.submitOne({ lane: 0 });
    const ids = await suite.submit(
      ...Array.from({ length: 100 }, (_, index) => ({ dependsOn: [root], key: `k${index % 3}` })),
    );
    await suite.attempt();

    expect(new Set(await suite.states(ids))).toEqual(new Set(["ready"]));
    expect(await suite.claim(200)).toHaveLength(100);
  });
};

function never(): never {
  throw new Error("there are two");
}
