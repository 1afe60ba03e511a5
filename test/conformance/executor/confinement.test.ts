/** What an attempt can do, and what it leaves, although each of its commands runs in the sandbox. */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type AttemptResult, type SandboxPlan, sandboxSupport } from "#execution";
import { checkNetwork, SANDBOX_MODES } from "../../../src/execution/sandbox/policy.ts";
import { attemptOf, type Node, startNode } from "../../support/pool-world.ts";
import { sandboxPlan } from "../../support/sandbox-plan.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { endWorkersOf, running, sleeping, uniqueSeconds } from "./running-processes.ts";

/** Who owns nothing on any Unix. */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const support = sandboxSupport();
const { mode } = sandboxPlan();
const folder = temporaryFolders();
const nodes: Node[] = [];
const states = new Set<string>();

afterEach(async () => {
  for (const { pool } of nodes.splice(0)) await pool.stop({ leaveRunning: false });
  for (const state of states) endWorkersOf(state);
  states.clear();
});

async function node(stateDir: string): Promise<Node> {
  const started = await startNode(stateDir);
  nodes.push(started);
  states.add(stateDir);
  return started;
}

type Spec = Readonly<Record<string, unknown>>;

async function launch({ pool }: Node, spec: Spec, sandbox: Partial<SandboxPlan> = {}): Promise<void> {
  const request = attemptOf(spec);
  const launched = await pool.launch({ ...request, sandbox: { ...request.sandbox, ...sandbox } });
  if (!launched.ok) throw new Error(launched.error.message);
}

/** @returns the result of one attempt on a node of its own. */
async function resultOf(spec: Spec, sandbox: Partial<SandboxPlan> = {}, state = folder()): Promise<AttemptResult> {
  const world = await node(state);
  await launch(world, spec, sandbox);
  await waitUntil("the attempt is settled", () => world.pool.live.length === 0);
  const result = world.observer.result();
  if (result === undefined) throw new Error("the attempt has no result");
  return result;
}

/** A folder as people have it, who are not root; commands in it are theirs. */
function givenFolder(): string {
  const path = folder();
  if (isRoot) chownSync(path, NOBODY, NOBODY);
  return path;
}

/** @returns the pid of the worker of the only attempt. */
function workerOf(state: string): number {
  const [attempt = "none"] = readdirSync(join(state, "attempts"));
  // `as`: written by the worker under test, whose pid the tests then use.
  const claim = JSON.parse(readFileSync(join(state, "attempts", attempt, "worker.json"), "utf8")) as { pid: number };
  return claim.pid;
}

function logOf(result: AttemptResult): string {
  return readFileSync(result.output.logPath, "utf8");
}

describe("an attempt in the sandbox", () => {
  it("says in its result how it was confined", async () => {
    expect((await resultOf({ command: ["true"] })).sandbox).toBe(mode);
  });

  it("checks a file by a regular expression, which runs in the sandbox too", async () => {
    const contains = (pattern: string) => ({ kind: "file_contains", path: "a", pattern });

    const result = await resultOf({
      command: ["sh", "-c", "echo Version: 12 > a"],
      verify: [contains("/^version: \\d+$/im"), contains("/^version: \\d{3}$/im")],
    });

    expect(result.report.checks.map((check) => check.passed)).toEqual([true, false]);
    expect(result.report.checks[1]?.summary).toContain("does not match");
  });

  it("commits in a repository that it made and is found clean", async () => {
    const result = await resultOf({
      command: ["sh", "-ec", "git init -q; echo 1 > a; git add a; git commit -qm one"],
      verify: [{ kind: "git_clean" }],
    });

    expect(result.report.checks).toMatchObject([{ kind: "git_clean", passed: true }]);
  });

  it("reads and changes its worktree of a repository, and git in it tells what is changed", async () => {
    const repo = givenFolder();
    const identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "safe.directory=*"];
    const git = (...args: string[]): Buffer => execFileSync("git", [...identity, ...args], { cwd: repo });
    git("init", "-q");
    writeFileSync(join(repo, "a"), "committed\n");
    git("add", ".");
    git("commit", "-qm", "one");
    if (isRoot) execFileSync("chown", ["-R", `${NOBODY}:${NOBODY}`, repo]);

    const result = await resultOf({ repo, command: ["sh", "-ec", "cat a; echo 2 > a; git status --porcelain"] });

    expect(result).toMatchObject({ outcome: "passed", output: { head: "committed\n M a\n" } });
  });

  it("makes a worktree with the host's git, whatever the task's variables name", async () => {
    const repo = givenRepository();
    const [evil, ran] = [folder(), join(folder(), "ran")];
    writeFileSync(join(evil, "git"), `#!/bin/sh\ntouch ${ran}\nexec /usr/bin/git "$@"\n`, { mode: 0o755 });
    const config = { GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "core.worktree", GIT_CONFIG_VALUE_0: "/nowhere" };
    const identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "safe.directory=*"];
    execFileSync("git", [...identity, "commit", "-q", "--allow-empty", "-m", "one"], { cwd: repo });

    const result = await resultOf({ repo, env: { PATH: `${evil}:/usr/bin:/bin`, ...config }, command: ["true"] });

    expect(result.outcome).toBe("passed");
    expect(existsSync(ran)).toBe(false);
  });

  it.skipIf(mode === "limits" && !isRoot)("works in a given folder and does not see the node's state", async () => {
    const workspace = givenFolder();
    const state = folder();

    const result = await resultOf(
      { workspace, command: ["sh", "-c", `cat ${state}/attempts/*/assignment.json; echo yes > mine`] },
      {},
      state,
    );

    expect(readFileSync(join(workspace, "mine"), "utf8")).toBe("yes\n");
    expect(result.output.head).toMatch(/No such file|Permission denied/);
    expect(result.output.head).not.toContain("token");
  });

  it.runIf(isRoot)("is refused a given folder that belongs to root, and is told whom to give it to", async () => {
    const workspace = folder();

    const result = await resultOf({ workspace, command: ["true"] });

    expect(result).toMatchObject({ outcome: "failed", consequence: "terminal" });
    expect(result.error).toMatch(
      /^use workspace \S+: it belongs to root, and commands never run as root\. Run chown -R \d+:\d+ \S+, or set sandbox\.user/,
    );
  });

  it("tells in its log what it changed of git's steering files, and that it was undone", async () => {
    const workspace = givenFolder();
    mkdirSync(join(workspace, ".git"));
    if (isRoot) chownSync(join(workspace, ".git"), NOBODY, NOBODY);

    const result = await resultOf({ workspace, command: ["sh", "-c", "echo x > .git/config.worktree"] });

    expect(logOf(result)).toMatch(/^drover: a command changed \S+\/\.git\/config\.worktree; that was undone$/m);
    expect(readdirSync(join(workspace, ".git"))).toEqual([]);
  });

  it.runIf(checkNetwork("allow", mode, support).ok)("tells in its log which host it was refused, and why", async () => {
    const fetching = "await fetch('http://other.example/').then((answer) => console.log(answer.status))";

    const result = await resultOf(
      { command: [process.execPath, "-e", fetching] },
      { allowedHosts: ["allowed.example"] },
    );

    expect(logOf(result)).toMatch(/^drover: no network to \S*other\.example\S*: \S+/m);
  });
});

describe.runIf(isRoot && support.modes.kernel.available)("where commands cannot be given a view of their own", () => {
  const bare = {
    mode: "kernel",
    support: { ...support, mounts: { available: false, reason: "as in a container" } },
  } as const;

  it("they reach a workspace in the node's state, whose folders let them pass and show nothing", async () => {
    const state = folder();

    const result = await resultOf({ command: ["sh", "-c", `pwd; ls ${state}`] }, bare, state);

    expect(result.output.head).toContain(`${state}/workspaces/`);
    expect(result.output.head).toContain("Permission denied");
  });

  it("an attempt whose workspace they cannot reach says which folder to open", async () => {
    const outer = folder();
    chmodSync(outer, 0o700);
    const workspace = join(outer, "theirs");
    mkdirSync(workspace);
    chownSync(workspace, NOBODY, NOBODY);

    const result = await resultOf({ workspace, command: ["true"] }, bare);

    expect(result).toMatchObject({ outcome: "failed", consequence: "terminal" });
    expect(result.error).toContain(`commands run as user ${NOBODY}, who may not pass ${outer}. Run chmod o+x ${outer}`);
  });
});

/** Git as it is in a folder of a user's, which a command may write where nothing makes parts of it read-only. */
function givenRepository(): string {
  const path = givenFolder();
  execFileSync("git", ["init", "-q"], { cwd: path });
  if (isRoot) execFileSync("chown", ["-R", `${NOBODY}:${NOBODY}`, path]);
  return path;
}

describe("of a worker that was killed", () => {
  describe.runIf(support.modes.kernel.available)("what its command made git run is undone", () => {
    const plain = { mode: "kernel", support: { ...support, mounts: { available: false, reason: "a user" } } } as const;
    const script = (seconds: string): string =>
      `echo evil > .git/hooks/post-checkout; git config core.pager ./evil; sleep ${seconds}`;

    it("before the attempt is reported lost", async () => {
      const [state, workspace, seconds] = [folder(), givenRepository(), uniqueSeconds()] as const;
      const config = readFileSync(join(workspace, ".git/config"), "utf8");
      const world = await node(state);
      await launch(world, { workspace, command: ["sh", "-c", script(seconds)] }, plain);
      await waitUntil("the command sleeps", () => sleeping(seconds).length > 0);
      const during = readdirSync(join(workspace, ".git/hooks"));

      process.kill(workerOf(state), "SIGKILL");
      await waitUntil("the attempt is reported", () => world.observer.ends().length > 0);

      expect(during).toContain("post-checkout");
      expect(readdirSync(join(workspace, ".git/hooks"))).not.toContain("post-checkout");
      expect(readFileSync(join(workspace, ".git/config"), "utf8")).toBe(config);
    });

    it("by the next node, when the node was gone too", async () => {
      const [state, workspace, seconds] = [folder(), givenRepository(), uniqueSeconds()] as const;
      const first = await node(state);
      await launch(first, { workspace, command: ["sh", "-c", script(seconds)] }, plain);
      await waitUntil("the command sleeps", () => sleeping(seconds).length > 0);
      await first.pool.stop({ leaveRunning: true });
      process.kill(workerOf(state), "SIGKILL");

      const second = await node(state);
      await waitUntil("the attempt is settled", () => second.pool.live.length === 0);

      expect(second.observer.ends()).toMatchObject([{ kind: "lost" }]);
      expect(readdirSync(join(workspace, ".git/hooks"))).not.toContain("post-checkout");
      expect(readdirSync(join(state, "private"))).toEqual([]);
    });
  });

  it("the next node removes what its commands had for themselves, also what they closed up", async () => {
    const state = folder();
    const seconds = uniqueSeconds();
    const first = await node(state);
    const script = `mkdir -p $TMPDIR/a/b; touch $TMPDIR/a/b/c; chmod 0 $TMPDIR/a; sleep ${seconds}`;
    await launch(first, { command: ["sh", "-c", script] });
    await waitUntil("the command sleeps", () => sleeping(seconds).length > 0);
    const before = readdirSync(join(state, "private"));
    await first.pool.stop({ leaveRunning: true });
    const attempts = readdirSync(join(state, "attempts"));
    process.kill(workerOf(state), "SIGKILL");
    mkdirSync(join(state, "private", "left-behind", "tmp"), { recursive: true });

    const second = await node(state);
    await waitUntil("the attempt is settled", () => second.pool.live.length === 0);

    expect(before).toEqual(attempts);
    expect(second.observer.ends()).toMatchObject([{ kind: "lost" }]);
    expect(running(seconds)).toEqual([]);
    expect(readdirSync(join(state, "private"))).toEqual([]);
  });

  for (const one of (["strict", "kernel"] as const).filter((one) => support.modes[one].available)) {
    it(`what left its session in mode ${one} has ended when the attempt is lost`, async () => {
      const state = folder();
      const [own, other] = [uniqueSeconds(), uniqueSeconds()] as const;
      const world = await node(state);
      await launch(world, { command: ["sh", "-c", `setsid sleep ${other} & sleep ${own}`] }, { mode: one });
      await waitUntil("both sleep", () => sleeping(own).length > 0 && sleeping(other).length > 0);

      process.kill(workerOf(state), "SIGKILL");
      await waitUntil("the attempt is settled", () => world.pool.live.length === 0);

      expect(world.observer.ends()).toMatchObject([{ kind: "lost" }]);
      expect([...running(own), ...running(other)]).toEqual([]);
    });
  }

  for (const one of SANDBOX_MODES.filter((one) => support.modes[one].available)) {
    it(`nothing is left in mode ${one} of what cleared its environment and left session and parents`, async () => {
      const state = folder();
      const seconds = uniqueSeconds();
      const world = await node(state);
      const lower = "ulimit -S -R 1 2>/dev/null; ulimit -H -R 1 2>/dev/null";
      const script = `(env -i setsid bash -c '${lower}; sleep ${seconds} & exit' &); sleep 600`;
      await launch(world, { command: ["sh", "-c", script] }, { mode: one });
      await waitUntil("the orphan sleeps", () => sleeping(seconds).length > 0);

      process.kill(workerOf(state), "SIGKILL");
      await waitUntil("the attempt is settled", () => world.pool.live.length === 0);

      expect(world.observer.ends()).toMatchObject([{ kind: "lost" }]);
      expect(running(seconds)).toEqual([]);
    });
  }

  it("what belongs to another attempt is left alone", async () => {
    const [state, other] = [folder(), folder()];
    const [lost, kept] = [uniqueSeconds(), uniqueSeconds()];
    const [world, neighbour] = [await node(state), await node(other)];
    const orphan = (seconds: string): string => `(env -i setsid sleep ${seconds} &); sleep 600`;
    await launch(world, { command: ["sh", "-c", orphan(lost)] });
    await launch(neighbour, { command: ["sh", "-c", orphan(kept)] });
    await waitUntil("both sleep", () => sleeping(lost).length > 0 && sleeping(kept).length > 0);

    process.kill(workerOf(state), "SIGKILL");
    await waitUntil("the attempt is settled", () => world.pool.live.length === 0);

    expect(running(lost)).toEqual([]);
    expect(sleeping(kept).length).toBeGreaterThan(0);
  });
});
