import { describe, expect, it, vi } from "vitest";
import {
  createIdFactory,
  err,
  type JsonObject,
  ok,
  type Result,
  retryable,
  SimulatedClock,
  seededRandom,
  silentLogger,
  type TaskId,
} from "#base";
import type { AttemptRef, AttemptResult, LaunchRequest, SandboxPlan, WorkerPool } from "#execution";
import { type AttemptReport, type ClaimedTask, MemoryQueueStore, QueueService } from "#queue";
import { Attempts, type EndedParts } from "../../../src/runtime/attempts.ts";
import { sandboxPlan } from "../../support/sandbox-plan.ts";
import { readyRow } from "../../support/task-row.ts";

const clock = new SimulatedClock();
const random = seededRandom(3);
const ids = createIdFactory(clock, random);

const ENVIRONMENT = { DEPLOY_KEY: "k" };

function world(sandbox: SandboxPlan = sandboxPlan()): {
  readonly attempts: Attempts;
  readonly ref: AttemptRef;
  readonly pool: PoolDouble;
} {
  const store = new MemoryQueueStore();
  const queue = new QueueService({ store, clock, random, ids, node: ids.node(), logger: silentLogger });
  const ref = { taskId: ids.task(), attempt: 1, fence: { epoch: 1, n: 1 }, executor: "shell" as const };
  const attempts = new Attempts({ queue, clock, logger: silentLogger, environment: ENVIRONMENT, stateDir: "/state" });
  const pool = new PoolDouble();
  const modelPlan = () => Promise.reject(new Error("a command asks no model"));
  const spentBy = () => Promise.reject(new Error("a command uses no model"));
  attempts.connect(pool, { sandbox, modelPlan, ended: () => Promise.resolve(), spentBy });
  return { attempts, ref, pool };
}

/** A pool whose launches end when the test says so. */
class PoolDouble implements Pick<WorkerPool, "launch" | "cancel"> {
  readonly launching = Promise.withResolvers<Result<void>>();
  readonly cancelled: string[] = [];
  readonly requests: LaunchRequest[] = [];
  hasWorker = false;

  launch(request: LaunchRequest): Promise<Result<void>> {
    this.requests.push(request);
    return this.launching.promise;
  }

  cancel(_id: TaskId, reason: string): number {
    if (!this.hasWorker) return 0;
    this.cancelled.push(reason);
    return 1;
  }
}

/** What a command printed, as a worker reports it. */
function result(output: string): AttemptResult {
  return {
    outcome: "passed",
    exitCode: 0,
    signal: null,
    output: { head: output, tail: "", totalBytes: output.length, truncated: false, logPath: "/log" },
    report: { passed: true, checks: [] },
    startedAtMs: 0,
    endedAtMs: 1,
    durationMs: 1,
  };
}

describe("an attempt that ends", () => {
  type Kept = { readonly attempt: number; readonly whole: JsonObject };

  async function endsWith(output: string, fails: boolean) {
    const store = new MemoryQueueStore();
    const queue = new QueueService({ store, clock, random, ids, node: ids.node(), logger: silentLogger });
    const events: string[] = [];
    const kept: Kept[] = [];
    const parts: EndedParts = {
      keepResult: async (_id, attempt, whole) => {
        kept.push({ attempt, whole });
        if (fails) return err(retryable("disk_full", "the disk is full"));
        return ok(JSON.stringify(whole).length > 1_000 ? { sha256: "ab", bytes: 7 } : undefined);
      },
      ended: async () => {
        events.push("noted");
        return fails ? err(retryable("disk_full", "the disk is full")) : ok(undefined);
      },
      reported: () => events.push("reported"),
    };
    const attempts = new Attempts({ queue, clock, logger: silentLogger, environment: {}, stateDir: "/state", parts });
    const finished = vi.spyOn(queue, "finish").mockImplementation(async (_id, _fence, report) => {
      events.push("finished");
      reports.push(report);
      return ok({ kind: "applied", state: "done" });
    });
    const reports: AttemptReport[] = [];
    const ref = { taskId: ids.task(), attempt: 1, fence: { epoch: 1, n: 1 }, executor: "shell" as const };
    await attempts.finished(ref, result(output));
    finished.mockRestore();
    return { events, kept, recorded: reports[0]?.result };
  }

  it("PU1: has its log noted before its report is sent, and sent after it", async () => {
    const { events, recorded } = await endsWith("short", false);

    expect(events).toEqual(["noted", "finished", "reported"]);
    expect(recorded).toMatchObject({ exitCode: 0, output: { head: "short" } });
  });

  it("is recorded shortened when what it came to is large, and kept whole elsewhere", async () => {
    const { kept, recorded } = await endsWith("x".repeat(50_000), false);

    expect(kept).toMatchObject([{ attempt: 1, whole: { result: { output: { head: "x".repeat(50_000) } } } }]);
    expect(recorded).toMatchObject({ exitCode: 0, whole: { sha256: "ab", bytes: 7 }, output: { truncated: true } });
    expect(JSON.stringify(recorded).length).toBeLessThan(17_000);
  });

  it("is recorded as it is when nothing can be kept elsewhere, and no log holds its report up", async () => {
    const { events, recorded } = await endsWith("x".repeat(50_000), true);

    expect(events).toEqual(["noted", "finished", "reported"]);
    expect(recorded).toMatchObject({ output: { head: "x".repeat(50_000) } });
  });
});

function claimed({ taskId, attempt, fence }: AttemptRef): ClaimedTask {
  return { row: readyRow(taskId), body: JSON.stringify({ title: "t", command: ["true"] }), attempt, fence };
}

describe("what an attempt is given", () => {
  const open: SandboxPlan = {
    ...sandboxPlan(),
    mode: "kernel",
    commandsRefused: null,
    allowedHosts: ["example.org"],
    passedVariables: ["DEPLOY_KEY"],
  };

  function given(sandbox: SandboxPlan, labels: object): Promise<LaunchRequest> {
    const { attempts, ref, pool } = world(sandbox);
    const body = JSON.stringify({ title: "t", command: ["true"], env: { CI: "1" }, labels });
    void attempts.run({ ...claimed(ref), body });
    return vi.waitUntil(() => pool.requests[0]);
  }

  it("is the network and the variables of the node for a task of the operator's people", async () => {
    const request = await given(open, {});

    expect(request.sandbox).toEqual(open);
    expect(request.spec.env).toEqual({ DEPLOY_KEY: "k", CI: "1" });
  });

  it("is neither for a task that somebody outside asked for, whatever the value of its label", async () => {
    const request = await given(open, { "drover.untrusted": "false" });

    expect(request.sandbox).toEqual({ ...open, allowedHosts: null, passedVariables: [] });
    expect(request.spec.env).toEqual({ CI: "1" });
  });

  it("is no command for such a task where nothing keeps commands from the files of the host", async () => {
    const request = await given({ ...open, mode: "limits" }, { "drover.untrusted": "true" });

    expect(request.sandbox.commandsRefused?.reason).toContain("came from outside");
  });
});

describe("an attempt that is being launched", () => {
  it("is stopped as soon as it has a worker, and asked once", async () => {
    const { attempts, ref, pool } = world();
    const run = attempts.run(claimed(ref));

    attempts.stop(ref.taskId, ref.fence, "cancelled");
    const before = [...pool.cancelled];
    pool.hasWorker = true;
    pool.launching.resolve(ok(undefined));
    await vi.waitFor(() => expect(pool.cancelled).toEqual(["cancelled"]));
    await attempts.lost(ref, "its worker was stopped");

    expect(before).toEqual([]);
    expect(await run).toBeNull();
  });

  it("is stopped although the stop came before anything was known of it", async () => {
    const { attempts, ref, pool } = world();
    pool.hasWorker = true;

    attempts.stop(ref.taskId, ref.fence, "cancelled");
    const run = attempts.run(claimed(ref));
    pool.launching.resolve(ok(undefined));
    await vi.waitFor(() => expect(pool.cancelled).toEqual(["cancelled"]));
    attempts.leaveRest();

    expect(await run).toBeNull();
    expect(attempts.running()).toEqual([]);
  });

  it("whose launch throws is a failure that is tried again, and runs no more", async () => {
    const { attempts, ref, pool } = world();
    const run = attempts.run(claimed(ref));

    pool.launching.reject(new Error("a bug"));

    expect(await run).toMatchObject({ outcome: "failed", consequence: "retryable" });
    expect(attempts.running()).toEqual([]);
  });
});

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
