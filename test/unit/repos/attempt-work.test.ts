import { chmodSync, existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { err, refused, SimulatedClock } from "#base";
import {
  AttemptWork,
  ForgeTokens,
  type NeededWork,
  type Repository,
  type RepositoryInput,
  RepositoryPlaces,
  repositorySchema,
  Turns,
} from "#repos";
import { bareCopy, commit, filesAt, git, newRepository, put } from "../../support/git-repositories.ts";
import { must } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

/** Matches a text that contains `part`, inside a larger pattern. */
const containing = (part: string): unknown => expect.stringContaining(part);

const folder = temporaryFolders();
const DAY_MS = 86_400_000;

function repository(input: Omit<RepositoryInput, "name">): Repository {
  return repositorySchema.parse({ name: "site", ...input });
}

/** A node's part in the work on repositories; `again` is the same after a restart. */
function world(stateDir = join(folder(), "state")) {
  mkdirSync(stateDir, { recursive: true });
  const clock = new SimulatedClock();
  const settings = { maxBytes: 100_000_000, offlineMs: DAY_MS, fetchTimeoutMs: 60_000 };
  const places = new RepositoryPlaces(stateDir, settings, new ForgeTokens(stateDir, []), clock);
  const author = { name: "drover", email: "drover@example.org" };
  const work = new AttemptWork({
    stateDir,
    places,
    author,
    clock,
    turns: new Turns(),
    watched: [],
    pushTimeoutMs: 60_000,
    find: () => err(refused("not_found", "nothing here is shared")),
  });
  const begin = async (one: Repository, taskId: string, more: object = {}) => {
    const order = {
      taskId,
      attempt: 1,
      fence: "1.1",
      repository: one,
      workId: "g1",
      needs: [],
      changes: "keep" as const,
      shares: false,
      resumes: false,
      ...more,
    };
    const { record } = must(await work.prepare(order));
    const worktree = join(stateDir, "workspaces", taskId);
    if (!existsSync(worktree)) git(record.gitDir, "worktree", "add", "--quiet", "--detach", worktree, record.base);
    return { record, worktree };
  };
  const end = async ({ record, worktree }: Awaited<ReturnType<typeof begin>>, title = "Add it") => {
    const captured = must(await work.capture(record, worktree, { title, text: "It was done." }));
    const landed = await captured.land();
    captured.close();
    return landed;
  };
  return { stateDir, clock, work, places, begin, end, again: () => world(stateDir) };
}

function needed(taskId: string): NeededWork {
  return { taskId, attempt: 1, fence: "1.1", branch: "drover/g1", base: "0".repeat(40), commit: "1".repeat(40) };
}

const SAID = { title: "Add it", text: "" };

describe("the work of attempts on a repository", () => {
  it("lands as a commit of the node on the branch of its goal, and leaves main and the checked-out files alone", async () => {
    const path = newRepository(join(folder(), "site"));
    const { begin, end } = world();
    const one = await begin(repository({ path }), "t1");
    put(one.worktree, { "lib/new.txt": "new\n" });
    rmSync(join(one.worktree, "README.md"));

    const head = must(await end(one));

    expect(git(path, "log", "--format=%an <%ae>%n%B", "-n", "1", "drover/g1")).toBe(
      "drover <drover@example.org>\nAdd it\n\nIt was done.\n\nDrover-Task: t1\nDrover-Attempt: t1/1",
    );
    expect(git(path, "rev-parse", "drover/g1")).toBe(head);
    expect(filesAt(path, "drover/g1")).toEqual({ "lib/new.txt": "new\n" });
    expect(git(path, "log", "--format=%s", "main")).toBe("first");
    expect(git(path, "status", "--porcelain")).toBe("");
  });

  it("R4: runs nothing of a repository that a task puts where a submodule belongs", async () => {
    const inner = newRepository(join(folder(), "inner"), { "file.txt": "one\n" });
    const head = git(inner, "rev-parse", "HEAD");
    const path = newRepository(join(folder(), "site"));
    git(path, "update-index", "--add", "--cacheinfo", `160000,${head},sub`);
    git(path, "commit", "--quiet", "-m", "with a submodule");
    const { begin, end } = world();
    const one = await begin(repository({ path }), "t1");
    const trace = join(folder(), "was-run");
    const planted = join(one.worktree, "sub");
    rmSync(planted, { recursive: true, force: true });
    git(inner, "clone", "--quiet", inner, planted);
    put(planted, { "file.txt": "two\n", ".gitattributes": "* filter=evil\n" });
    git(planted, "add", "--all");
    git(planted, "config", "filter.evil.clean", `touch ${trace}; cat`);
    put(planted, { "file.txt": "six\n" });
    put(one.worktree, { "new.txt": "new\n" });

    must(await end(one));

    expect(existsSync(trace)).toBe(false);
    expect(git(path, "ls-tree", "drover/g1", "sub")).toBe(`160000 commit ${head}\tsub`);
    expect(git(path, "show", "drover/g1:new.txt")).toBe("new");
  });

  it("R3: begins at main as it is at the remote now, and the next task of the goal at the head of the branch", async () => {
    const origin = newRepository(join(folder(), "origin"));
    const bare = bareCopy(origin, join(folder(), "bare.git"));
    const { begin, end } = world();
    const site = repository({ url: `file://${bare}` });
    await begin(site, "t0", { workId: "other" });
    commit(origin, { "later.txt": "later\n" });
    git(origin, "push", "--quiet", bare, "main");

    const first = await begin(site, "t1");
    expect(existsSync(join(first.worktree, "later.txt"))).toBe(true);
    put(first.worktree, { "one.txt": "1\n" });
    must(await end(first));
    const second = await begin(site, "t2", { needs: [needed("t1")] });

    expect(existsSync(join(second.worktree, "one.txt"))).toBe(true);
    expect(second.record.main).toBe(git(origin, "rev-parse", "main"));
  });

  it("R1: of two that began at the same commit both are on the branch; what conflicts is refused with its files", async () => {
    const path = newRepository(join(folder(), "site"));
    const { work, begin, end } = world();
    const site = repository({ path });
    const [one, two, three] = [await begin(site, "t1"), await begin(site, "t2"), await begin(site, "t3")];
    put(one.worktree, { "one.txt": "1\n" });
    put(two.worktree, { "two.txt": "2\n" });
    put(three.worktree, { "one.txt": "3\n" });

    must(await end(one));
    must(await end(two));
    const conflict = await work.capture(three.record, three.worktree, SAID);

    expect(filesAt(path, "drover/g1")).toMatchObject({ "one.txt": "1\n", "two.txt": "2\n" });
    expect(conflict).toMatchObject({ ok: false, error: { kind: "retryable", code: "conflict" } });
    expect(conflict.ok ? "" : conflict.error.message).toContain("one.txt");
  });

  it("R2: is on the branch once, also when its end is reported again by the next node", async () => {
    const path = newRepository(join(folder(), "site"));
    const { work, begin, again } = world();
    const one = await begin(repository({ path }), "t1");
    put(one.worktree, { "one.txt": "1\n" });
    const captured = must(await work.capture(one.record, one.worktree, SAID));
    // The node dies right here: the branch was moved, the record and the worktree are still there.
    git(path, "update-ref", "refs/heads/drover/g1", captured.commit ?? "");
    const next = again();
    const known = next.work.recordOf({ taskId: "t1", attempt: 1, fence: "1.1" });

    must(await next.end({ record: known ?? one.record, worktree: one.worktree }));

    expect(git(path, "rev-list", "--count", "drover/g1")).toBe("2");
    expect(next.work.recordOf({ taskId: "t1", attempt: 1, fence: "1.1" })).toBeUndefined();
  });

  it("is not found by an attempt with another fence, and moves nothing when it is dropped", async () => {
    const path = newRepository(join(folder(), "site"));
    const { work, begin } = world();
    const one = await begin(repository({ path }), "t1");
    put(one.worktree, { "one.txt": "1\n" });

    const captured = must(await work.capture(one.record, one.worktree, SAID));
    await captured.drop();
    captured.close();

    expect(work.recordOf({ taskId: "t1", attempt: 1, fence: "1.2" })).toBeUndefined();
    expect(git(path, "for-each-ref", "--format=%(refname)")).toBe("refs/heads/main");
  });

  it("needs the changes of the tasks before it, and says which are not there", async () => {
    const { work } = world();
    const site = repository({ path: newRepository(join(folder(), "site")) });
    const order = {
      taskId: "t2",
      attempt: 1,
      fence: "1.1",
      repository: site,
      workId: "g1",
      changes: "keep" as const,
      shares: false,
      resumes: false,
    };

    const prepared = await work.prepare({ ...order, needs: [needed("t1")] });

    expect(prepared).toMatchObject({ ok: false, error: { kind: "retryable" } });
    expect(prepared.ok ? "" : prepared.error.message).toContain("t1");
  });

  it("R4: runs no hook and no filter, whoever wrote them", async () => {
    const path = newRepository(join(folder(), "site"), { ".gitattributes": "*.txt filter=evil\n", "a.md": "a\n" });
    const proof = join(folder(), "ran");
    const script = `#!/bin/sh\ntouch ${proof}\ncat\n`;
    mkdirSync(join(path, ".git", "hooks"), { recursive: true });
    for (const hook of ["pre-commit", "reference-transaction", "post-checkout"]) {
      writeFileSync(join(path, ".git", "hooks", hook), script);
      chmodSync(join(path, ".git", "hooks", hook), 0o755);
    }
    git(path, "config", "filter.evil.clean", `touch ${proof}; cat`);
    git(path, "config", "filter.evil.smudge", `touch ${proof}; cat`);
    git(path, "config", "core.fsmonitor", `touch ${proof}`);
    const { work, begin, end } = world();
    const site = repository({ path });
    const one = await begin(site, "t1");
    rmSync(proof, { force: true }); // the worktree was made by the test itself
    put(one.worktree, { "b.md": "b\n" });
    must(await end(one));
    const two = await begin(site, "t2");
    rmSync(proof, { force: true });
    put(two.worktree, { "kept.txt": "by a filter\n" });

    const kept = await work.capture(two.record, two.worktree, SAID);

    expect(kept).toMatchObject({ ok: false, error: { code: "unsupported" } });
    expect(kept.ok ? "" : kept.error.message).toContain("kept.txt is kept by the filter evil");
    expect(existsSync(proof)).toBe(false);
  });

  it("commits neither a repository within it nor what an index of the task hides", async () => {
    const path = newRepository(join(folder(), "site"));
    const { work, begin, end } = world();
    const one = await begin(repository({ path }), "t1");
    newRepository(join(one.worktree, "vendor", "lib"));
    const nested = await work.capture(one.record, one.worktree, SAID);
    rmSync(join(one.worktree, "vendor"), { recursive: true });
    put(one.worktree, { "README.md": "# Two\n" });
    git(one.worktree, "update-index", "--assume-unchanged", "README.md");
    git(one.worktree, "checkout", "--quiet", "--orphan", "elsewhere");

    must(await end(one));

    expect(nested).toMatchObject({ ok: false, error: { code: "invalid" } });
    expect(filesAt(path, "drover/g1")).toEqual({ "README.md": "# Two\n" });
    expect(git(path, "rev-parse", "drover/g1^")).toBe(git(path, "rev-parse", "main"));
  });

  it("R6: is refused for a file that is too large, before git has copied it", async () => {
    const path = newRepository(join(folder(), "site"));
    const { begin, work } = world();
    const { record, worktree } = await begin(repository({ path }), "t1");
    put(worktree, { "new.txt": "new\n", "core.dump": "" });
    truncateSync(join(worktree, "core.dump"), 50 * 1024 * 1024 + 1);
    const before = git(path, "count-objects");

    const captured = await work.capture(record, worktree, SAID);

    expect(captured).toMatchObject({ ok: false, error: { code: "too_large", message: containing("core.dump") } });
    expect(git(path, "count-objects")).toBe(before);
  });

  it("is refused when the repository was taken away meanwhile, before the commit and after it", async () => {
    const path = newRepository(join(folder(), "site"));
    const { begin, work } = world();
    const early = await begin(repository({ path }), "t1");
    const late = await begin(repository({ path }), "t2");
    put(late.worktree, { "new.txt": "new\n" });

    const captured = must(await work.capture(late.record, late.worktree, SAID));
    rmSync(path, { recursive: true });
    const landed = await captured.land();
    captured.close();
    const ended = await work.capture(early.record, early.worktree, SAID);

    for (const refusal of [landed, ended]) {
      expect(refusal).toMatchObject({
        ok: false,
        error: { kind: "refused", remedy: containing("Put it back") },
      });
    }
  });

  it("forgets what a task left that nobody knows any more", async () => {
    const path = newRepository(join(folder(), "site"));
    const { work, begin } = world();
    const one = await begin(repository({ path }), "t1");
    put(one.worktree, { "one.txt": "1\n" });
    must(await work.capture(one.record, one.worktree, SAID)).close();
    rmSync(one.worktree, { recursive: true });

    for (const record of work.records()) await work.prune(record);

    expect(git(path, "for-each-ref", "--format=%(refname)")).toBe("refs/heads/main");
    expect(git(path, "worktree", "list", "--porcelain").match(/^worktree /gm)).toHaveLength(1);
  });
});

describe("the main branch of a repository", () => {
  it("is refused with what to do when it cannot be resolved", async () => {
    const { work } = world();
    const site = repository({ path: newRepository(join(folder(), "site")), branch: "trunk" });
    const order = {
      taskId: "t1",
      attempt: 1,
      fence: "1.1",
      repository: site,
      workId: "g",
      needs: [],
      changes: "keep" as const,
      shares: false,
      resumes: false,
    };

    const prepared = await work.prepare(order);

    expect(prepared).toMatchObject({ ok: false, error: { kind: "refused", code: "not_found" } });
    expect(prepared.ok ? "" : prepared.error.message).toContain("main branch trunk of site cannot be resolved");
  });

  it("is what was fetched last while nobody answers, for so long and no longer", async () => {
    const bare = bareCopy(newRepository(join(folder(), "origin")), join(folder(), "bare.git"));
    const { clock, places } = world();
    const site = repository({ url: `file://${bare}` });
    const place = must(await places.open(site));
    const { commit: known } = must(await places.fresh(site, place));
    rmSync(bare, { recursive: true });
    const since = clock.nowMs();
    clock.advance(DAY_MS);

    const offline = must(await places.fresh(site, place));
    clock.advance(1);
    const tooLate = await places.fresh(site, place);

    expect(offline).toEqual({ commit: known, staleSinceMs: since });
    expect(tooLate).toMatchObject({ ok: false, error: { kind: "retryable" } });
  });

  it("is fetched into one copy for all who ask at once", async () => {
    const bare = bareCopy(newRepository(join(folder(), "origin")), join(folder(), "bare.git"));
    const { places } = world();
    const site = repository({ url: `file://${bare}` });

    const mains = await Promise.all(Array.from({ length: 4 }, () => places.openMain(site)));

    expect(mains.map((each) => must(each).main)).toEqual(
      Array.from({ length: 4 }, () => git(bare, "rev-parse", "main")),
    );
  });

  it("is not fetched past the size limit", async () => {
    const noise = Array.from({ length: 40_000 }, (_, at) => ((at * 2_654_435_761) >>> 0).toString(36)).join("");
    const bare = bareCopy(newRepository(join(folder(), "big"), { "big.txt": noise }), join(folder(), "bare.git"));
    const stateDir = folder();
    const places = new RepositoryPlaces(
      stateDir,
      { maxBytes: 50_000, offlineMs: DAY_MS, fetchTimeoutMs: 60_000 },
      new ForgeTokens(stateDir, []),
      new SimulatedClock(),
    );
    const site = repository({ url: `file://${bare}` });

    const fetched = await places.fresh(site, must(await places.open(site)));

    expect(fetched).toMatchObject({ ok: false, error: { code: "too_large" } });
  });
});
