import { expect, it } from "vitest";
import type { TaskId } from "#base";
import { type Part, value } from "./suite.ts";

export const control: Part = (suite) => {
  const inState: Readonly<Record<string, () => Promise<TaskId>>> = {
    waiting: () => suite.submitOne({ runAtMs: suite.world.clock.nowMs() + 60_000 }),
    ready: () => suite.submitOne(),
    running: async () => {
      await suite.submitOne();
      return (await suite.claimOne()).row.id;
    },
    done: async () => {
      await suite.submitOne();
      return suite.attempt();
    },
    dead: async () => {
      await suite.submitOne();
      return suite.attempt({ outcome: "failed", consequence: "terminal", error: "no such command" });
    },
    cancelled: async () => {
      const id = await suite.submitOne();
      value(await suite.queue.cancel(id, "no"));
      return id;
    },
    "waiting for a retry": async () => {
      await suite.submitOne();
      return suite.attempt({ outcome: "failed" });
    },
  };
  const make = (state: string): Promise<TaskId> => inState[state]?.() ?? Promise.reject(new Error(state));

  it.each(["waiting", "ready", "waiting for a retry"])("cancels a task that is %s at once", async (state) => {
    const id = await make(state);

    const receipt = value(await suite.queue.cancel(id, "no longer wanted"));

    expect(receipt).toMatchObject({
      stop: null,
      row: { state: "cancelled", reason: { code: "cancelled", text: "no longer wanted" } },
    });
    expect(await suite.kinds(id)).toContain("task.cancelled");
    await suite.world.pass(70_000, 10_000);
    expect(await suite.claim()).toEqual([]);
  });

  it("asks a running task to stop, and it ends cancelled when its attempt does", async () => {
    await suite.submit({});
    const task = await suite.claimOne();

    const receipt = value(await suite.queue.cancel(task.row.id, "no"));
    const again = value(await suite.queue.cancel(task.row.id, "no"));

    expect([receipt.stop, again.stop]).toEqual([task.fence, task.fence]);
    expect(receipt.row).toMatchObject({ state: "running", cancelRequested: true });
    expect((await suite.kinds(task.row.id)).filter((kind) => kind === "task.cancel_requested")).toHaveLength(1);
    expect(await suite.finish(task, { outcome: "cancelled" })).toEqual({ kind: "applied", state: "cancelled" });
  });

  it("lets a pass win over a cancel that came too late", async () => {
    await suite.submit({});
    const task = await suite.claimOne();
    value(await suite.queue.cancel(task.row.id, "no"));

    expect(await suite.finish(task)).toEqual({ kind: "applied", state: "done" });
  });

  it.each(["failed", "lost", "timed_out"] as const)(
    "does not retry a cancelled task whose attempt ends %s",
    async (outcome) => {
      await suite.submit({});
      const task = await suite.claimOne();
      value(await suite.queue.cancel(task.row.id, "no"));

      expect(await suite.finish(task, { outcome })).toEqual({ kind: "applied", state: "cancelled" });
    },
  );

  it("ends a cancelled task that its node gives back", async () => {
    await suite.submit({});
    const task = await suite.claimOne();
    value(await suite.queue.cancel(task.row.id, "no"));

    expect(value(await suite.queue.release(task.row.id, task.fence, "x"))).toEqual({
      kind: "applied",
      state: "cancelled",
    });
  });

  it("remembers a wish to cancel over a restart", async () => {
    await suite.submit({});
    const task = await suite.claimOne();
    value(await suite.queue.cancel(task.row.id, "no"));

    const recovered = await suite.world.restart();
    await suite.world.pass(5_500);

    expect(recovered).toMatchObject([{ id: task.row.id, cancelRequested: true }]);
    expect(await suite.state(task.row.id)).toBe("cancelled");
  });

  it.each(["done", "dead"])("Q7: refuses to cancel a task that is %s", async (state) => {
    const id = await make(state);

    expect(await suite.refused("conflict", () => suite.queue.cancel(id, "no"))).toContain(state);
  });

  it("answers a second cancel like the first", async () => {
    const id = await make("cancelled");

    expect(value(await suite.queue.cancel(id, "again"))).toMatchObject({ stop: null, row: { state: "cancelled" } });
    expect((await suite.kinds(id)).filter((kind) => kind === "task.cancelled")).toHaveLength(1);
  });

  it.each(["dead", "cancelled"])("Q7: redrives a task that is %s with a fresh budget of attempts", async (state) => {
    const id = await make(state);
    const before = (await suite.world.record(id)).row;

    const row = value(await suite.queue.retry(id));

    expect(row).toMatchObject({ state: "ready", reason: null, endedAtMs: null, attempts: before.attempts });
    expect(row.attemptLimit).toBe(before.attempts + before.maxAttempts);
    expect((await suite.allEvents(id)).at(-1)).toMatchObject({ kind: "task.redriven", data: { state: "ready" } });
    expect((await suite.claimOne()).attempt).toBe(before.attempts + 1);
  });

  it("runs a task that waits for a retry at once when asked to", async () => {
    const id = await make("waiting for a retry");

    expect(value(await suite.queue.retry(id))).toMatchObject({ state: "ready", wakeAtMs: null });
    expect((await suite.claimOne()).row.id).toBe(id);
  });

  it.each([
    ["running", "cancel"],
    ["done", "Submit it again"],
    ["waiting", "has not failed"],
  ])("Q7: refuses to retry a task that is %s and says why", async (state, word) => {
    const id = await make(state);

    expect(await suite.refused("conflict", () => suite.queue.retry(id))).toContain(word);
  });

  it("drops a dead letter for good, with everything of it but its events", async () => {
    const id = await make("dead");

    expect(value(await suite.queue.drop(id))).toBe(id);

    expect(value(await suite.world.store.find(id))).toBeUndefined();
    expect((await suite.kinds(id)).at(-1)).toBe("task.dropped");
    expect(value(await suite.world.store.lanes()).map((lane) => lane.counts.dead)).toEqual([0, 0, 0, 0, 0]);
    await suite.refused("not_found", () => suite.queue.drop(id));
  });

  it.each(["waiting", "ready", "running", "done", "cancelled"])(
    "Q8: refuses to drop a task that is %s",
    async (state) => {
      const id = await make(state);

      expect(await suite.refused("conflict", () => suite.queue.drop(id))).toContain(state);
    },
  );

  it("Q8: refuses to drop a dead letter that others still depend on", async () => {
    const id = await suite.submitOne();
    const waiting = await suite.submitOne({ dependsOn: [id], dependencyPolicy: "wait" });
    await suite.attempt({ outcome: "failed", consequence: "terminal" });

    expect(await suite.refused("conflict", () => suite.queue.drop(id))).toContain(waiting);
  });

  it("says of a task that does not exist that it does not, whatever is asked of it", async () => {
    const id = suite.world.ids.task();

    for (const action of [
      () => suite.queue.cancel(id, "no"),
      () => suite.queue.retry(id),
      () => suite.queue.drop(id),
    ]) {
      expect(await suite.refused("not_found", action)).toContain(id);
    }
  });
};
