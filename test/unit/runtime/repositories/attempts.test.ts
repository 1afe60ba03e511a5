import { existsSync, rmSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { submissionsToTasks } from "#api";
import { createIdFactory, type JsonObject, ok, type Result, SimulatedClock, seededRandom, silentLogger } from "#base";
import { type AttemptRef, type AttemptResult, EXECUTORS, type LaunchRequest } from "#execution";
import { type ClaimedTask, MemoryQueueStore, QueueService } from "#queue";
import {
  AttemptWork,
  ForgeTokens,
  findRepository,
  RepositoryPlaces,
  registered,
  repositorySchema,
  Turns,
} from "#repos";
import { Attempts } from "../../../../src/runtime/attempts.ts";
import { RepositoryWorkspaces } from "../../../../src/runtime/repositories/attempt-workspaces.ts";
import { filesAt, git, newRepository, put } from "../../../support/git-repositories.ts";
import { must } from "../../../support/opened-stores.ts";
import { sandboxPlan } from "../../../support/sandbox-plan.ts";
import { IN_MEMORY, temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders(IN_MEMORY);

/** A node without workers: what a worker would do to the worktree the test does. */
async function world() {
  const clock = new SimulatedClock();
  const random = seededRandom(9);
  const ids = createIdFactory(clock, random);
  const queue = new QueueService({
    store: new MemoryQueueStore(),
    clock,
    random,
    ids,
    node: ids.node(),
    logger: silentLogger,
  });
  must(await queue.start());
  const [path, stateDir] = [newRepository(`${folder()}/site`), folder()];
  const settings = { maxBytes: 1e9, offlineMs: 1, fetchTimeoutMs: 60_000 };
  const places = new RepositoryPlaces(stateDir, settings, new ForgeTokens(stateDir, []), clock);
  const all = registered([repositorySchema.parse({ name: "site", path })], []);
  const author = { name: "drover", email: "drover@example.org" };
  const launched: LaunchRequest[] = [];
  /** The state folder outlives a node, and what it knew in memory does not. */
  const node = (): Attempts & Pick<RepositoryWorkspaces, "tend"> => {
    const attempts = new Attempts({ queue, clock, logger: silentLogger, environment: {}, stateDir });
    const work = new AttemptWork({
      stateDir,
      places,
      author,
      clock,
      turns: new Turns(),
      watched: [],
      pushTimeoutMs: 60_000,
      find: (name) => findRepository(all, name),
    });
    const seen = { repositories: () => ok(all), queue: queue.store, mayShare: async () => ok(false) };
    const parts = { ...seen, work, stateDir, clock, logger: silentLogger };
    const none = () => Promise.reject(new Error("a command asks no model"));
    const launch = (request: LaunchRequest): Promise<Result<void>> => {
      launched.push(request);
      const { workspace } = request;
      if (workspace?.kind === "worktree" && !existsSync(workspace.path)) {
        git(workspace.repo, "worktree", "add", "--quiet", "--detach", workspace.path, workspace.commit ?? "HEAD");
      }
      return Promise.resolve(ok(undefined));
    };
    const planner = { sandbox: sandboxPlan(), modelPlan: none, ended: () => Promise.resolve(), spentBy: none };
    const workspaces = new RepositoryWorkspaces(parts);
    attempts.connect({ launch, cancel: () => 0 }, planner, workspaces);
    return Object.assign(attempts, { tend: () => workspaces.tend() });
  };
  const submit = async (more: object = {}) => {
    const given = {
      title: "Add one",
      command: ["true"],
      repo: "site",
      goal: "g1",
      retry: { baseMs: 1, maxMs: 1 },
      ...more,
    };
    const [task] = must(submissionsToTasks(given, { ids, executors: EXECUTORS }));
    return must(await queue.submit(task === undefined ? [] : [task]))[0]?.id;
  };
  const claim = async (): Promise<ClaimedTask> => {
    const [task] = must(await queue.claim({ holder: ids.node(), limit: 1, accepts: () => true })).tasks;
    if (task !== undefined) return task;
    throw new Error("there is no task to claim");
  };
  /** Claims, launches and waits until the workspace is there. @returns the attempt and its worktree */
  const begin = async (attempts: Attempts) => {
    const task = await claim();
    const before = launched.length;
    const ran = attempts.run(task);
    while (launched.length === before) {
      const ended = await Promise.race([ran, Bun.sleep(1)]);
      if (ended !== undefined) throw new Error(`not launched: ${JSON.stringify(ended)}`);
    }
    const ref: AttemptRef = { taskId: task.row.id, attempt: task.attempt, fence: task.fence, executor: "shell" };
    return { ref, worktree: `${stateDir}/workspaces/${task.row.id}` };
  };
  return { path, queue, clock, node, submit, claim, begin, launched };
}

function result(more: Partial<AttemptResult> = {}): AttemptResult {
  return {
    outcome: "passed",
    exitCode: 0,
    signal: null,
    output: { head: "", tail: "", totalBytes: 0, truncated: false, logPath: "/log" },
    report: { passed: true, checks: [] },
    startedAtMs: 0,
    endedAtMs: 1,
    durationMs: 1,
    ...more,
  };
}

describe("an attempt at a task that names a registered repository", () => {
  it("passes, and what it changed is a commit on its goal's branch that its result names; its worktree is gone", async () => {
    const { path, queue, node, submit, begin } = await world();
    await submit();
    const attempts = node();
    const { ref, worktree } = await begin(attempts);
    put(worktree, { "one.txt": "1\n" });

    await attempts.finished(ref, result());

    expect(filesAt(path, "drover/g1")).toEqual({ "README.md": "# One\n", "one.txt": "1\n" });
    const record = must(await queue.store.find(ref.taskId));
    // `as`: the result is JSON that this very node wrote
    const work = record?.attempts[0]?.result?.["repository"] as JsonObject;
    expect(record?.row.state).toBe("done");
    expect(work).toMatchObject({ name: "site", branch: "drover/g1", commit: git(path, "rev-parse", "drover/g1") });
    expect(existsSync(worktree)).toBe(false);
    expect(git(path, "worktree", "list", "--porcelain").match(/^worktree /gm)).toHaveLength(1);
  });

  it("R1: moves no branch when its lease was given to another attempt", async () => {
    const { path, queue, clock, node, submit, begin } = await world();
    await submit();
    const attempts = node();
    const { ref, worktree } = await begin(attempts);
    put(worktree, { "stale.txt": "stale\n" });
    must(await queue.release(ref.taskId, ref.fence, "given to another"));
    clock.advance(10);

    const answer = await attempts.finished(ref, result());

    expect(answer).toBe("refused");
    expect(git(path, "for-each-ref", "--format=%(refname)")).toBe("refs/heads/main");
  });

  it("R2: lands after a crash between the queue's receipt and the branch, once", async () => {
    const { path, queue, node, submit, begin } = await world();
    await submit();
    const { ref, worktree } = await begin(node());
    put(worktree, { "one.txt": "1\n" });
    // The node that dies: the queue took the report, and nothing after it happened.
    const report = {
      outcome: "passed",
      consequence: "retryable",
      executor: "shell",
      endpoint: null,
      model: null,
    } as const;
    const rest = { durationMs: 1, tokens: 0, costMicrodollars: 0, error: null, report: null, result: null };
    must(await queue.finish(ref.taskId, ref.fence, { ...report, ...rest }));
    const next = node();

    await next.finished(ref, result());
    await next.finished(ref, result());

    expect(git(path, "rev-list", "--count", "main..drover/g1")).toBe("1");
  });

  it("R1: whose end waits for the hub moves its branch only once the hub has taken it", async () => {
    const { path, queue, node, submit, begin } = await world();
    await submit();
    const { ref, worktree } = await begin(node());
    put(worktree, { "one.txt": "1\n" });
    const finish = vi.spyOn(queue, "finish").mockResolvedValueOnce(ok({ kind: "journaled" }));
    const member = node();
    await member.finished(ref, result());
    await member.tend();
    const before = git(path, "branch", "--list", "drover/*");
    const [, , report] = finish.mock.calls[0] ?? [];
    finish.mockRestore();
    if (report === undefined) throw new Error("nothing was reported");

    must(await queue.finish(ref.taskId, ref.fence, report));
    await node().tend();

    expect(before).toBe("");
    expect(filesAt(path, "drover/g1")).toMatchObject({ "one.txt": "1\n" });
  });

  it("R1: whose end waited for the hub and came too late moves nothing, and leaves nothing", async () => {
    const { path, queue, node, submit, begin } = await world();
    await submit();
    const { ref, worktree } = await begin(node());
    put(worktree, { "one.txt": "1\n" });
    vi.spyOn(queue, "finish").mockResolvedValueOnce(ok({ kind: "journaled" }));
    const member = node();
    await member.finished(ref, result());
    vi.restoreAllMocks();
    must(await queue.release(ref.taskId, ref.fence, "given to another"));
    must(await queue.cancel(ref.taskId, "nobody wants it"));

    await member.tend();

    expect(git(path, "for-each-ref", "--format=%(refname)")).toBe("refs/heads/main");
  });

  it("R5: leaves nothing on a branch when its submission says that its changes are discarded, whatever its labels say", async () => {
    const { path, queue, node, submit, begin } = await world();
    await submit({ changes: "discard", labels: { "drover.mind": "goal", "drover.goal": "g1" } });
    const attempts = node();
    const { ref, worktree } = await begin(attempts);
    put(worktree, { "look.txt": "seen\n", "README.md": "# Changed\n" });

    await attempts.finished(ref, result());

    const record = must(await queue.store.find(ref.taskId));
    expect(record?.row.state).toBe("done");
    expect(record?.attempts[0]?.result?.["repository"]).toMatchObject({ name: "site", commit: null });
    expect(git(path, "for-each-ref", "--format=%(refname)")).toBe("refs/heads/main");
    expect(existsSync(worktree)).toBe(false);
  });

  it("R5: leaves nothing either when another process of its node reports its end, and does so twice", async () => {
    const { path, queue, node, submit, begin } = await world();
    await submit({ changes: "discard" });
    const { ref, worktree } = await begin(node());
    put(worktree, { "look.txt": "seen\n" });

    const later = node();
    await later.finished(ref, result());
    await later.finished(ref, result());
    await later.tend();

    expect(must(await queue.store.find(ref.taskId))?.row.state).toBe("done");
    expect(git(path, "for-each-ref", "--format=%(refname)")).toBe("refs/heads/main");
  });

  it("has failed when what it changed cannot be committed", async () => {
    const { path, queue, node, submit, begin } = await world();
    await submit({ maxAttempts: 2 });
    const attempts = node();
    const { ref, worktree } = await begin(attempts);
    newRepository(`${worktree}/inner`);

    await attempts.finished(ref, result());

    const record = must(await queue.store.find(ref.taskId));
    expect(record?.row.state).toBe("waiting");
    expect(record?.attempts[0]).toMatchObject({ outcome: "failed" });
    expect(record?.attempts[0]?.error).toContain("inner is a repository of its own");
    expect(git(path, "branch", "--list", "drover/*")).toBe("");
  });

  it("begins in a worktree without what the attempt before it left", async () => {
    const { path, queue, node, submit, begin } = await world();
    await submit();
    const attempts = node();
    const one = await begin(attempts);
    put(one.worktree, { "half.txt": "half\n" });
    must(await queue.release(one.ref.taskId, one.ref.fence, "the node stopped"));

    const two = await begin(node());

    expect(existsSync(`${two.worktree}/half.txt`)).toBe(false);
    expect(filesAt(two.worktree, "HEAD")).toEqual(filesAt(path, "main"));
  });

  it("goes on from what the tasks before it changed, on the same branch", async () => {
    const { path, node, submit, begin } = await world();
    const first = await submit();
    await submit({ title: "Add two", dependsOn: [first] });
    const attempts = node();
    const one = await begin(attempts);
    put(one.worktree, { "one.txt": "1\n" });
    await attempts.finished(one.ref, result());
    const two = await begin(attempts);

    expect(existsSync(`${two.worktree}/one.txt`)).toBe(true);
    rmSync(`${two.worktree}/one.txt`);
    await attempts.finished(two.ref, result());

    expect(git(path, "log", "--format=%s", "main..drover/g1").split("\n")).toEqual(["Add two", "Add one"]);
    expect(filesAt(path, "drover/g1")).toEqual({ "README.md": "# One\n" });
  });

  it("is not begun for a repository that nobody registered, and says which one was meant", async () => {
    const { node, submit, claim } = await world();
    await submit({ repo: "sites" });

    const report = await node().run(await claim());

    expect(report).toMatchObject({ outcome: "failed", consequence: "terminal" });
    expect(report?.error).toContain("Did you mean site?");
  });
});
