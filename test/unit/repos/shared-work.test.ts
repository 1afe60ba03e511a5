import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ok, SimulatedClock } from "#base";
import {
  AttemptWork,
  ForgeTokens,
  type NeededWork,
  RepositoryPlaces,
  removeShared,
  repositorySchema,
  sharedIds,
  Turns,
} from "#repos";
import { headOf } from "../../../src/repos/io/branch-head.ts";
import { bareCopy, commit, filesAt, git, newRepository, put } from "../../support/git-repositories.ts";
import { must } from "../../support/opened-stores.ts";
import { IN_MEMORY, temporaryFolders } from "../../support/temporary-folder.ts";

/** Matches a text that contains `part`, inside a larger pattern. */
const containing = (part: string): unknown => expect.stringContaining(part);

const folder = temporaryFolders(IN_MEMORY);
const SAID = { title: "Change it", text: "" };
const SHARED = "refs/drover/branches/g1";

/** A bare remote, and as many nodes as are asked for, each with a copy of its own. */
function world() {
  const root = folder();
  const origin = newRepository(join(root, "origin"));
  const bare = bareCopy(origin, join(root, "bare.git"));
  const site = repositorySchema.parse({ name: "site", url: `file://${bare}` });
  const node = (name: string) => {
    const stateDir = join(root, name);
    mkdirSync(stateDir, { recursive: true });
    const clock = new SimulatedClock();
    const limits = { maxBytes: 1e9, offlineMs: 1e9, fetchTimeoutMs: 60_000 };
    const places = new RepositoryPlaces(stateDir, limits, new ForgeTokens(stateDir, []), clock);
    const sharing = { watched: [], pushTimeoutMs: 60_000 };
    const author = { name: "drover", email: "drover@example.org" };
    const parts = { stateDir, places, author, clock, turns: new Turns(), ...sharing };
    const work = new AttemptWork({ ...parts, find: () => ok(site) });
    const prepare = (taskId: string, needs: readonly NeededWork[] = []) =>
      work.prepare({
        taskId,
        attempt: 1,
        fence: "1.1",
        repository: site,
        workId: "g1",
        needs,
        changes: "keep",
        shares: true,
        resumes: false,
      });
    const begin = async (taskId: string, needs: readonly NeededWork[] = []) => {
      const { record } = must(await prepare(taskId, needs));
      const worktree = join(stateDir, "workspaces", taskId);
      git(record.gitDir, "worktree", "add", "--quiet", "--detach", worktree, record.base);
      return { record, worktree };
    };
    type Begun = Awaited<ReturnType<typeof begin>>;
    const capture = ({ record, worktree }: Begun) => work.capture(record, worktree, SAID);
    const end = async (begun: Begun) => {
      const captured = must(await capture(begun));
      const landed = await captured.land();
      captured.close();
      return landed;
    };
    const place = async () => must(await places.open(site));
    return { work, prepare, begin, capture, end, place, sharing };
  };
  const at = (ref: string) => git(bare, "for-each-ref", "--format=%(objectname)", ref);
  return { origin, bare, node, at };
}

function neededOf(record: { readonly taskId: string; readonly base: string }, commitId: string | null): NeededWork {
  const { taskId, base } = record;
  return { taskId, attempt: 1, fence: "1.1", branch: "drover/g1", base, commit: commitId ?? "" };
}

describe("the work of two nodes on one goal, over their remote", () => {
  it("R7: is the base of the next task, whichever node runs it, and stands in no branch of the remote", async () => {
    const { bare, node, at } = world();
    const [one, two] = [node("one"), node("two")];
    const first = await one.begin("t1");
    put(first.worktree, { "one.txt": "1\n" });
    const landed = must(await one.end(first));

    const second = await two.begin("t2", [neededOf(first.record, landed)]);
    put(second.worktree, { "two.txt": "2\n" });
    must(await two.end(second));
    const third = await one.begin("t3");

    expect(second.record.base).toBe(landed);
    expect(filesAt(bare, SHARED)).toMatchObject({ "one.txt": "1\n", "two.txt": "2\n" });
    expect(existsSync(join(third.worktree, "two.txt"))).toBe(true);
    expect(third.record.base).toBe(at(SHARED));
    expect(git(bare, "branch", "--list", "drover/*")).toBe("");
  });

  it("SW2: of two at the same time both are on the branch, once each, also when the end is reported again", async () => {
    const { bare, node } = world();
    const [one, two] = [node("one"), node("two")];
    const [first, second] = [await one.begin("t1"), await two.begin("t2")];
    put(first.worktree, { "one.txt": "1\n" });
    put(second.worktree, { "two.txt": "2\n" });
    const [mine, theirs] = [must(await one.capture(first)), must(await two.capture(second))];

    must(await theirs.land());
    must(await mine.land());
    theirs.close();
    mine.close();
    // Its node died before it had noted that: the record is read again, and everything is done once more.
    must(await one.end(first));

    expect(filesAt(bare, SHARED)).toMatchObject({ "one.txt": "1\n", "two.txt": "2\n" });
    expect(git(bare, "log", "--format=%(trailers:key=Drover-Task,valueonly,separator=)", `main..${SHARED}`)).toBe(
      "t1\nt2",
    );
  });

  it("names the files of a conflict before its end is reported", async () => {
    const { node } = world();
    const [one, two] = [node("one"), node("two")];
    const [first, second] = [await one.begin("t1"), await two.begin("t2")];
    put(first.worktree, { "README.md": "# Mine\n" });
    put(second.worktree, { "README.md": "# Theirs\n" });
    must(await one.end(first));

    const conflict = await two.capture(second);

    expect(conflict).toMatchObject({ ok: false, error: { kind: "retryable", code: "conflict" } });
    expect(conflict).toMatchObject({ error: { message: containing("README.md") } });
  });

  it("is put onto the branch by the node that needs it, when the one that made it died after its end", async () => {
    const { node, at } = world();
    const [one, two] = [node("one"), node("two")];
    const first = await one.begin("t1");
    put(first.worktree, { "one.txt": "1\n" });
    const captured = must(await one.capture(first));
    const need = neededOf(first.record, captured.commit);

    const wrong = await two.prepare("t2", [{ ...need, commit: "1".repeat(40) }]);
    const unmoved = at(SHARED);
    const second = await two.begin("t2", [need]);
    must(await captured.land()); // it was not dead
    captured.close();

    expect(wrong).toMatchObject({ ok: false, error: { kind: "retryable", message: containing("task t1") } });
    expect(unmoved).toBe("");
    expect(second.record.base).toBe(captured.commit);
    expect(at(SHARED)).toBe(captured.commit);
  });

  it("SW1: stays on its node while something in it must not leave it, and nothing of it lies at the remote", async () => {
    const { bare, node } = world();
    const one = node("one");
    const first = await one.begin("t1");
    put(first.worktree, { "hosts.txt": `db = ${["192", "168", "7", "9"].join(".")}\n` });

    const refused = await one.capture(first);

    expect(refused).toMatchObject({ ok: false, error: { message: containing("private-address in hosts.txt:1") } });
    expect(git(bare, "for-each-ref", "--format=%(refname)")).toBe("refs/heads/main");
  });

  it("waits for a remote that is away, and refuses to guess when host and remote have parted", async () => {
    const { origin, bare, node } = world();
    const one = node("one");
    const first = await one.begin("t1");
    put(first.worktree, { "one.txt": "1\n" });
    renameSync(bare, `${bare}.away`);
    const away = await one.capture(first);
    renameSync(`${bare}.away`, bare);
    const landed = must(await one.end(first));

    git(origin, "checkout", "--quiet", "--detach", "main");
    const other = commit(origin, { "other.txt": "by hand\n" });
    git(origin, "push", "--quiet", "--force", bare, `${other}:${SHARED}`);
    const parted = await one.prepare("t2");

    expect(away).toMatchObject({ ok: false, error: { kind: "retryable", code: "unavailable" } });
    expect(parted).toMatchObject({ ok: false, error: { code: "conflict", message: containing("have parted") } });
    expect(parted).toMatchObject({ error: { message: containing(landed?.slice(0, 10) ?? "none") } });
  });

  it("is gone from the remote when it is removed, and stays on the hosts", async () => {
    const { bare, node } = world();
    const one = node("one");
    const first = await one.begin("t1");
    put(first.worktree, { "one.txt": "1\n" });
    const landed = must(await one.end(first));
    const place = await one.place();
    const before = must(await sharedIds(one.sharing, place));

    must(await removeShared(one.sharing, place, "g1"));
    must(await removeShared(one.sharing, place, "g1"));

    expect(before).toEqual(["g1"]);
    expect(git(bare, "for-each-ref", "--format=%(refname)")).toBe("refs/heads/main");
    expect(must(await headOf(place, "drover/g1"))).toBe(landed);
  });
});
