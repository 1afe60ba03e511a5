import { expect, it } from "vitest";
import type { AttemptReport } from "#queue";
import { attemptReport } from "../../support/queue-world.ts";
import { type Part, value } from "./suite.ts";

export const attempts: Part = (suite) => {
  it("keeps everything that the report of an attempt says", async () => {
    const { world } = suite;
    const id = await suite.submitOne();
    await world.pass(1_000);
    const task = await suite.claimOne();
    await world.pass(500);
    const report: AttemptReport = {
      outcome: "passed",
      consequence: "retryable",
      executor: "ollama",
      endpoint: "http://box:11434",
      model: "large:7b",
      durationMs: 480,
      tokens: 1_234,
      costMicrodollars: 5_678,
      error: "ünïcode ' \u0000 text",
      report: { checks: [{ kind: "file_exists", passed: true }], ratio: 0.5 },
      result: { output: "done", nested: { list: [1, null, "x"] } },
    };

    expect(await suite.finish(task, report)).toEqual({ kind: "applied", state: "done" });

    const { consequence: _consequence, ...kept } = report;
    const record = await world.record(id);
    expect(record.attempts).toEqual([
      {
        ...kept,
        taskId: id,
        n: 1,
        fenceEpoch: task.fence.epoch,
        fenceN: task.fence.n,
        node: world.node,
        startedAtMs: task.row.startedAtMs,
        endedAtMs: world.clock.nowMs(),
        waitMs: 1_000,
      },
    ]);
    expect(record.row).toMatchObject({
      state: "done",
      endedAtMs: world.clock.nowMs(),
      attempts: 1,
      reason: null,
      holder: null,
    });
  });

  it.each([
    ["passed", "retryable", "done"],
    ["failed", "retryable", "waiting"],
    ["partial_pass", "retryable", "waiting"],
    ["timed_out", "retryable", "waiting"],
    ["cancelled", "retryable", "waiting"],
    ["lost", "retryable", "ready"],
    ["failed", "terminal", "dead"],
    ["timed_out", "terminal", "dead"],
    ["passed", "terminal", "done"],
  ] as const)("an attempt that ended %s (%s) leaves its task %s", async (outcome, consequence, state) => {
    const id = await suite.submitOne();

    const receipt = await suite.finish(await suite.claimOne(), { outcome, consequence });

    expect(receipt).toEqual({ kind: "applied", state });
    expect(await suite.state(id)).toBe(state);
    expect((await suite.world.record(id)).row.attempts).toBe(1);
  });

  it("waits longer after each failed attempt, within half and all of the doubled base", async () => {
    const id = await suite.submitOne({ maxAttempts: 4, retryBaseMs: 1_000, retryMaxMs: 3_000 });
    for (const ceilingMs of [1_000, 2_000, 3_000]) {
      await suite.attempt({ outcome: "failed" });
      const { row } = await suite.world.record(id);
      const delayMs = (row.wakeAtMs ?? 0) - suite.world.clock.nowMs();
      expect(row.wakeReason).toBe("retry");
      expect(delayMs).toBeGreaterThanOrEqual(ceilingMs / 2);
      expect(delayMs).toBeLessThanOrEqual(ceilingMs);

      await suite.world.pass(delayMs - 1, 100);
      expect(await suite.state(id)).toBe("waiting");
      await suite.world.pass(2, 1);
      expect(await suite.state(id)).toBe("ready");
    }
  });

  it("Q4: makes a task a dead letter after its last attempt, with a reason a person can read", async () => {
    const id = await suite.submitOne({ maxAttempts: 2, retryBaseMs: 0 });
    await suite.attempt({ outcome: "failed", error: "exit code 1" });
    await suite.attempt({ outcome: "timed_out", error: "no answer in 30 minutes" });

    const { row, attempts: ended } = await suite.world.record(id);

    expect(row).toMatchObject({ state: "dead", attempts: 2, reason: { code: "attempts_exhausted" } });
    expect(row.reason?.text).toContain("no answer in 30 minutes");
    expect(ended.map((attempt) => [attempt.n, attempt.outcome])).toEqual([
      [1, "failed"],
      [2, "timed_out"],
    ]);
    expect(await suite.claim()).toEqual([]);
  });

  it("Q4: offers a lost attempt again at once, and holds three of them against no task", async () => {
    const id = await suite.submitOne({ maxAttempts: 2 });
    for (let n = 1; n <= 3; n += 1) {
      await suite.attempt({ outcome: "lost" });
      expect((await suite.world.record(id)).row).toMatchObject({ state: "ready", attempts: n, attemptLimit: 2 + n });
    }
    await suite.attempt({ outcome: "lost" });
    expect((await suite.world.record(id)).row).toMatchObject({ state: "ready", attempts: 4, attemptLimit: 5 });
    await suite.attempt({ outcome: "lost" });

    expect((await suite.world.record(id)).row).toMatchObject({ state: "dead", attempts: 5, attemptLimit: 5 });
  });

  it("Q4: does not offer a task again that may be attempted once, also when it was lost", async () => {
    const id = await suite.submitOne({ maxAttempts: 1 });
    await suite.attempt({ outcome: "lost" });

    expect((await suite.world.record(id)).row).toMatchObject({ state: "dead", attempts: 1 });
  });

  it("gives a retried task its place in the lane back, not one behind the backlog", async () => {
    const id = await suite.submitOne({ retryBaseMs: 0 });
    await suite.submit(...Array.from({ length: 30 }, () => ({})));
    await suite.attempt({ outcome: "failed" });

    expect((await suite.claimOne()).row.id).toBe(id);
  });

  it("Q3: applies nothing under a fence that is not the holder's, and keeps a trace of it", async () => {
    const id = await suite.submitOne({ retryBaseMs: 0 });
    const stale = await suite.claimOne();
    await suite.finish(stale, { outcome: "lost" });
    const holder = await suite.claimOne();
    const before = await suite.world.record(id);

    expect(await suite.finish(stale)).toEqual({ kind: "stale" });
    expect(value(await suite.queue.release(id, stale.fence, "x"))).toEqual({ kind: "stale" });
    expect(value(await suite.queue.progress(id, stale.fence, { ratio: 1, message: "x" }))).toBe(false);
    const otherEpoch = { epoch: holder.fence.epoch + 1, n: holder.fence.n };
    expect(value(await suite.queue.finish(id, otherEpoch, attemptReport()))).toEqual({ kind: "stale" });

    expect(await suite.world.record(id)).toEqual(before);
    expect((await suite.kinds(id)).filter((kind) => kind === "attempt.orphaned")).toHaveLength(2);
    expect(await suite.finish(holder)).toEqual({ kind: "applied", state: "done" });
  });

  it("Q14: answers the same report twice without applying it twice", async () => {
    const id = await suite.submitOne();
    const task = await suite.claimOne();
    await suite.finish(task, { tokens: 5 });
    const before = await suite.world.record(id);

    expect(await suite.finish(task, { tokens: 5 })).toEqual({ kind: "duplicate", state: "done" });
    expect(await suite.finish(task, { outcome: "failed" })).toEqual({ kind: "duplicate", state: "done" });

    expect(await suite.world.record(id)).toEqual(before);
  });

  it("Q14: applies exactly one of two reports that arrive together", async () => {
    await suite.submit({});
    const task = await suite.claimOne();

    const receipts = await Promise.all([suite.finish(task), suite.finish(task), suite.finish(task)]);

    expect(receipts.map((receipt) => receipt.kind).sort()).toEqual(["applied", "duplicate", "duplicate"]);
  });

  it("calls the report on a task that is gone stale", async () => {
    const unknown = suite.world.ids.task();

    expect(value(await suite.queue.finish(unknown, { epoch: 1, n: 1 }, attemptReport()))).toEqual({ kind: "stale" });
  });

  it("counts no attempt for a task that is released, and offers it at once at its old place", async () => {
    const id = await suite.submitOne({ maxAttempts: 1 });
    await suite.submit(...Array.from({ length: 5 }, () => ({})));
    const task = await suite.claimOne();

    expect(value(await suite.queue.release(id, task.fence, "the node stops"))).toEqual({
      kind: "applied",
      state: "ready",
    });

    const again = await suite.claimOne();
    expect([again.row.id, again.attempt]).toEqual([id, 1]);
    expect((await suite.kinds(id)).slice(-2)).toEqual(["task.released", "task.started"]);
  });

  it("keeps the last progress of a running task, at most once a second", async () => {
    const id = await suite.submitOne();
    const task = await suite.claimOne();

    expect(value(await suite.queue.progress(id, task.fence, { ratio: 0.25, message: "a quarter" }))).toBe(true);
    expect(value(await suite.queue.progress(id, task.fence, { ratio: 0.3, message: "more" }))).toBe(false);
    expect((await suite.world.record(id)).row.progress).toEqual({ ratio: 0.25, message: "a quarter" });

    await suite.world.pass(1_000);
    expect(value(await suite.queue.progress(id, task.fence, { ratio: 0.5, message: "half ✓" }))).toBe(true);
    expect((await suite.world.record(id)).row.progress).toEqual({ ratio: 0.5, message: "half ✓" });
    expect((await suite.allEvents(id)).at(-1)).toMatchObject({ kind: "task.progress", data: { ratio: 0.5 } });
  });
};
