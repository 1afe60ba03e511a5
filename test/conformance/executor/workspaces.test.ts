import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { removeWorkspace, type WorkspacePlan } from "#execution";
import { runCommand } from "../../../src/execution/io/command.ts";
import { startProcess } from "../../../src/execution/io/start-process.ts";
import { GIT_SAFETY, prepareWorkspace } from "../../../src/execution/io/workspace-folder.ts";
import { StopSwitch } from "../../../src/execution/stop-switch.ts";
import { realClock } from "../../support/real-clock.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();

function prepare(plan: WorkspacePlan): ReturnType<typeof prepareWorkspace> {
  const context = { clock: realClock, start: startProcess, stop: new StopSwitch(), marker: "w", adoptsOrphans: false };
  const env = { PATH: process.env["PATH"] ?? "" };
  return prepareWorkspace(plan, (args, cwd) =>
    runCommand({ command: ["git", ...GIT_SAFETY, ...args], cwd, env, wallMs: 20_000, outputBytes: 65_536 }, context),
  );
}

function git(cwd: string, ...args: string[]): string {
  const identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"];
  return execFileSync("git", [...identity, ...args], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

function repository(): string {
  const repo = folder();
  git(repo, "init", "-q");
  writeFileSync(join(repo, "a"), "committed");
  git(repo, "add", ".");
  git(repo, "commit", "-qm", "one");
  return repo;
}

describe("a workspace", () => {
  it("of the user is used as it is and never removed", async () => {
    const path = folder();
    writeFileSync(join(path, "mine"), "");

    expect(await prepare({ kind: "given", path })).toEqual({ ok: true, value: path });
    expect((await removeWorkspace({ kind: "given", path }, realClock)).ok).toBe(true);
    expect(existsSync(join(path, "mine"))).toBe(true);
  });

  it("of its own is made, kept between attempts, and removed in the end", async () => {
    const plan: WorkspacePlan = { kind: "private", path: join(folder(), "state", "workspaces", "t") };

    await prepare(plan);
    writeFileSync(join(plan.path, "partial"), "");
    await prepare(plan);
    const kept = existsSync(join(plan.path, "partial"));
    const removed = [await removeWorkspace(plan, realClock), await removeWorkspace(plan, realClock)];

    expect(kept).toBe(true);
    expect(removed.map((result) => result.ok)).toEqual([true, true]);
    expect(existsSync(plan.path)).toBe(false);
  });

  it("of a repository is a detached worktree that leaves the repository as it was", async () => {
    const repo = repository();
    const plan: WorkspacePlan = { kind: "worktree", repo, path: join(folder(), "workspaces", "t") };

    expect(await prepare(plan)).toEqual({ ok: true, value: plan.path });
    const committed = readFileSync(join(plan.path, "a"), "utf8");
    const branch = git(plan.path, "rev-parse", "--abbrev-ref", "HEAD").trim();
    writeFileSync(join(plan.path, "b"), "");
    await prepare(plan);
    const kept = existsSync(join(plan.path, "b"));
    await removeWorkspace(plan, realClock);

    expect([committed, branch, kept]).toEqual(["committed", "HEAD", true]);
    expect(existsSync(plan.path)).toBe(false);
    expect(git(repo, "worktree", "list").trim().split("\n")).toHaveLength(1);
    expect(git(repo, "status", "--porcelain")).toBe("");
  });

  it("of a repository is checked out without the filters, monitors and included settings that it names itself", async () => {
    const repo = repository();
    const ran = join(folder(), "ran");
    const evil = join(folder(), "evil");
    writeFileSync(evil, `#!/bin/sh\ntouch ${ran}\ncat\n`, { mode: 0o755 });
    writeFileSync(join(repo, ".gitattributes"), "a filter=x\n* filter=y.z\n");
    git(repo, "add", ".");
    git(repo, "commit", "-qm", "two");
    git(repo, "config", "filter.x.smudge", evil);
    git(repo, "config", "filter.x.required", "true");
    writeFileSync(
      join(repo, ".git/more"),
      `[filter "y.z"]\n\tprocess = ${evil}\n\tsmudge = ${evil}\n\trequired = true\n`,
    );
    git(repo, "config", "include.path", "more");
    git(repo, "config", "core.fsmonitor", evil);
    const plan: WorkspacePlan = { kind: "worktree", repo, path: join(folder(), "workspaces", "t") };

    const prepared = await prepare(plan);

    expect(prepared).toEqual({ ok: true, value: plan.path });
    expect(readFileSync(join(plan.path, "a"), "utf8")).toBe("committed");
    expect(existsSync(ran)).toBe(false);
  });

  it("of a repository whose filter cannot be switched off is refused", async () => {
    const repo = repository();
    git(repo, "config", "filter.x=y.smudge", "true");

    const prepared = await prepare({ kind: "worktree", repo, path: join(folder(), "workspaces", "t") });

    expect(prepared).toMatchObject({ ok: false, error: { kind: "terminal" } });
    expect(!prepared.ok && prepared.error.remedy).toContain("filter.*");
  });

  it("of a repository whose hooks would run a program runs none", async () => {
    const repo = repository();
    const proof = join(folder(), "hook-ran");
    writeFileSync(join(repo, ".git/hooks/post-checkout"), `#!/bin/sh\ntouch ${proof}\n`, { mode: 0o755 });

    const prepared = await prepare({ kind: "worktree", repo, path: join(folder(), "t") });

    expect(prepared.ok).toBe(true);
    expect(existsSync(proof)).toBe(false);
  });

  it("whose checkout was interrupted is made anew", async () => {
    const repo = repository();
    const plan: WorkspacePlan = { kind: "worktree", repo, path: join(folder(), "t") };
    mkdirSync(plan.path);
    writeFileSync(join(plan.path, "half"), "");

    const prepared = await prepare(plan);

    expect(prepared.ok).toBe(true);
    expect(existsSync(join(plan.path, "half"))).toBe(false);
    expect(existsSync(join(plan.path, "a"))).toBe(true);
  });

  it("of a repository that is missing, none, or empty fails for good with what to do", async () => {
    const empty = folder();
    git(empty, "init", "-q");
    const plan = (repo: string): WorkspacePlan => ({ kind: "worktree", repo, path: join(folder(), "t") });

    const failures = await Promise.all([plan("/no/such/repo"), plan(folder()), plan(empty)].map(prepare));

    for (const failure of failures) expect(failure).toMatchObject({ ok: false, error: { kind: "terminal" } });
    const messages = failures.map((failure) => (failure.ok ? "" : failure.error.message));
    expect(messages[0]).toContain("does not exist");
    expect(messages[1]).toContain("not a git repository");
    expect(messages[2]).toContain("has no commit");
  });
});
