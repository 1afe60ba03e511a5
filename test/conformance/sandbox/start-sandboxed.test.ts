import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CommandRun, runCommand } from "../../../src/execution/io/command.ts";
import { startProcess } from "../../../src/execution/io/start-process.ts";
import { makePrivateFolder, removePrivateFolder } from "../../../src/execution/sandbox/io/private-folder.ts";
import { type SandboxContext, sandboxedStart } from "../../../src/execution/sandbox/io/start-sandboxed.ts";
import { sandboxSupport } from "../../../src/execution/sandbox/io/support.ts";
import { DEFAULT_SANDBOX_LIMITS, SANDBOX_MODES, type SandboxMode } from "../../../src/execution/sandbox/policy.ts";
import { StopSwitch } from "../../../src/execution/stop-switch.ts";
import { realClock } from "../../support/real-clock.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";

const containing = (part: string): unknown => expect.stringContaining(part);

const folder = temporaryFolders();
const NOBODY = { uid: 65_534, gid: 65_534 };
const isRoot = process.getuid?.() === 0;
const PATH = "/usr/local/bin:/usr/bin:/bin";
const root = dirname(dirname(dirname(import.meta.dirname)));

type Bench = {
  readonly workspace: string;
  readonly tampering: (readonly string[])[];
  readonly withheld: string[];
  readonly stop: StopSwitch;
  readonly run: (
    command: readonly string[],
    more?: { env?: Record<string, string>; cwd?: string; wallMs?: number },
  ) => Promise<CommandRun>;
};

function bench(mode: SandboxMode, more: Partial<SandboxContext["policy"]> = {}): Bench {
  const base = folder();
  const workspace = more.workspace ?? join(base, "workspace");
  mkdirSync(workspace, { recursive: true });
  if (isRoot) chownSync(workspace, NOBODY.uid, NOBODY.gid);
  const user = isRoot ? NOBODY : null;
  const privateFolder = join(base, "private");
  if (!makePrivateFolder(privateFolder, user).ok) throw new Error("no private folder");
  const tampering: (readonly string[])[] = [];
  const withheld: string[] = [];
  const start = sandboxedStart(startProcess, {
    policy: {
      mode,
      workspace,
      readWrite: [],
      readOnly: [],
      privateFolder,
      hidden: [],
      network: { kind: "none" },
      limits: DEFAULT_SANDBOX_LIMITS,
      user,
      ...more,
    },
    support: sandboxSupport(),
    launcher: [realpathSync(process.execPath), join(import.meta.dirname, "sandbox-main.ts")],
    launcherPaths: [root],
    passedVariables: [],
    onTampering: (paths) => tampering.push(paths),
    onWithheld: (names) => withheld.push(...names),
  });
  const stop = new StopSwitch();
  const context = { clock: realClock, start, stop, marker: base, adoptsOrphans: false };
  return {
    workspace,
    tampering,
    withheld,
    stop,
    run: (command, { env = {}, cwd = workspace, wallMs = 20_000 } = {}) =>
      runCommand({ command, cwd, env: { PATH, ...env }, wallMs, outputBytes: 1024 * 1024 }, context),
  };
}

/** Root without the right to mount cannot reach a workspace below a closed folder; then mode limits is not tried. */
const modes = SANDBOX_MODES.filter((mode) => sandboxSupport().modes[mode].available);

describe.each(modes)("a command in mode %s", (mode) => {
  it("has its exit code, its output in order, its arguments and its folder", async () => {
    const { run, workspace } = bench(mode);

    const done = await run(["sh", "-c", 'echo "$1"; echo err >&2; pwd; exit 3', "name", "a b\n'$x"]);

    expect(done.end).toEqual({ kind: "exited", exitCode: 3 });
    expect(done.output.head).toBe(`a b\n'$x\nerr\n${workspace}\n`);
  });

  it("does not see what its launcher is started with", async () => {
    const { run } = bench(mode);

    const done = await run(["env"], { env: { SEEN: "yes" } });

    expect(done.output.head).toMatch(/^SEEN=yes$/m);
    expect(done.output.head).not.toMatch(/^(BUN|DROVER)_/m);
  });

  it("is reported with the signal that ended it", async () => {
    expect((await bench(mode).run(["sh", "-c", "kill -9 $$"])).end).toEqual({ kind: "signalled", signal: "SIGKILL" });
  });

  it("may end by itself when it is stopped", async () => {
    const { run, stop, workspace } = bench(mode);
    // Longer than a bwrap that is told to end would leave it.
    const ending = "i=0; while [ $i -lt 40000 ]; do i=$((i+1)); done; echo bye > left; exit 0";
    const running = run(["sh", "-c", `trap '${ending}' TERM; touch ready; while :; do sleep 0.05; done`]);
    await waitUntil("the command is ready", () => existsSync(join(workspace, "ready")));

    stop.request({ by: "cancel", reason: "enough" });

    expect((await running).end.kind).toBe("stopped");
    expect(readFileSync(join(workspace, "left"), "utf8")).toBe("bye\n");
  });

  it("is not root, holds no capabilities and gets none back", async () => {
    const done = await bench(mode).run(["sh", "-c", "id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status"]);

    expect(done.output.head).toBe(
      `${isRoot ? NOBODY.uid : process.getuid?.()}\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n`,
    );
  });

  it("is told of a missing program as without a sandbox", async () => {
    const { run, workspace } = bench(mode);
    const missing = await run(["no-such-program"]);
    const plain = startProcess({ command: ["no-such-program"], cwd: workspace, env: { PATH } });
    writeFileSync(join(workspace, "data"), "x");
    const denied = await run(["./data"]);

    if (plain.ok || missing.end.kind !== "failed") throw new Error("it was started");
    expect(missing.end.failure).toEqual(plain.error);
    expect(denied.end).toMatchObject({
      kind: "failed",
      failure: { message: containing("permission denied") },
    });
  });

  it("gets its environment without secrets, and none of ours", async () => {
    const { run, withheld } = bench(mode);

    const done = await run(["env"], {
      env: { "a.b": "1", MULTI: "x\ny", NPM_TOKEN: "secret", LD_PRELOAD: "/nowhere.so" },
    });

    const names = done.output.head.split("\n").flatMap((line) => /^([^=]+)=/.exec(line)?.[1] ?? []);
    expect(new Set(names.filter((name) => !name.startsWith("GIT_CONFIG")))).toEqual(
      new Set(["PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "a.b", "MULTI", ...(names.includes("PWD") ? ["PWD"] : [])]),
    );
    expect(done.output.head).toContain("MULTI=x\ny");
    expect(withheld).toEqual(["NPM_TOKEN", "LD_PRELOAD"]);
  });

  it("is not started when its argument holds a NUL", async () => {
    expect((await bench(mode).run(["echo", "a\0b"])).end).toMatchObject({ kind: "failed" });
  });

  it("says why when its folder cannot be entered", async () => {
    const done = await bench(mode).run(["true"], { cwd: "/no/such/folder" });

    expect(done.end).toEqual({ kind: "exited", exitCode: 126 });
    expect(done.output.head).toContain("drover sandbox: enter /no/such/folder: no such file or directory");
  });

  it("leaves git's hooks as they were, and the attempt hears of what was put back", async () => {
    const { run, workspace } = bench(mode);
    expect((await run(["git", "init", "-q"])).end).toEqual({ kind: "exited", exitCode: 0 });

    await run(["sh", "-c", "echo evil > .git/hooks/pre-commit; echo x > .git/commondir; echo done > file"]);

    expect(existsSync(join(workspace, ".git/hooks/pre-commit"))).toBe(false);
    expect(existsSync(join(workspace, ".git/commondir"))).toBe(false);
    expect(readFileSync(join(workspace, "file"), "utf8")).toBe("done\n");
  });
});

describe.each(modes.filter((mode) => mode !== "limits"))("the walls of mode %s", (mode) => {
  it("stand between the command and a file outside, an own folder of the host, and the network", async () => {
    const { run, workspace } = bench(mode);
    const outside = folder();
    chmodSync(outside, 0o777);
    writeFileSync(join(outside, "secret"), "x", { mode: 0o666 });

    for (const script of [`cat ${outside}/secret`, `echo x > ${outside}/new`, "exec 4<>/dev/tcp/127.0.0.1/1", "ls /"]) {
      const done = await run(["bash", "-c", script]);
      expect([script, done.end]).not.toEqual([script, { kind: "exited", exitCode: 0 }]);
    }
    expect(existsSync(join(outside, "new"))).toBe(false);
    expect((await run(["sh", "-c", `echo x > ${workspace}/f && cat f`])).output.head).toBe("x\n");
  });

  it("refuse a program that lies outside, and say where it was found", async () => {
    const { run } = bench(mode);
    const outside = folder();
    chmodSync(outside, 0o755);
    writeFileSync(join(outside, "tool"), "#!/bin/sh\n", { mode: 0o755 });

    expect((await run(["tool"], { env: { PATH: outside } })).end).toMatchObject({
      kind: "failed",
      failure: {
        message: `start tool: ${outside}/tool lies outside what the sandbox shows`,
        remedy: containing("Install it for all users"),
      },
    });
  });

  it("hold on the kernel of ABI 1 too", async () => {
    const { run } = bench(mode, { highestLandlockAbi: 1 });
    const outside = folder();
    chmodSync(outside, 0o755);
    writeFileSync(join(outside, "secret"), "x", { mode: 0o644 });

    expect((await run(["cat", join(outside, "secret")])).end).toEqual({ kind: "exited", exitCode: 1 });
  });
});

describe.each(modes.filter((mode) => mode !== "limits"))("a worktree in mode %s", (mode) => {
  it("has its own part of the repository to write, and nothing else of it", async () => {
    const base = folder();
    const { gitDir, workspace } = linkedWorktree(base);
    const { run } = bench(mode, { workspace });
    const before = readFileSync(join(gitDir, "config"), "utf8");

    const added = await run(["git", "status", "--short"]);
    const commands = [
      `echo '[core]' >> ${gitDir}/config`,
      `cp ${gitDir}/config new && mv new ${gitDir}/config`,
      `echo evil > ${gitDir}/hooks/post-checkout`,
      `mv ${gitDir}/hooks ${gitDir}/other`,
      `echo evil > ${gitDir}/evil`,
    ];
    const succeeded: string[] = [];
    for (const command of commands) {
      const { end } = await run(["sh", "-c", command]);
      if (end.kind !== "exited" || end.exitCode === 0) succeeded.push(command);
    }
    const own = await run(["sh", "-c", `echo x > ${gitDir}/worktrees/linked/own && rm ${gitDir}/worktrees/linked/own`]);

    expect(added).toMatchObject({ end: { kind: "exited", exitCode: 0 } });
    expect(own).toMatchObject({ end: { kind: "exited", exitCode: 0 } });
    expect(succeeded).toEqual([]);
    expect(readFileSync(join(gitDir, "config"), "utf8")).toBe(before);
    expect(["evil", "other", "hooks/post-checkout"].filter((name) => existsSync(join(gitDir, name)))).toEqual([]);
  });
});

/** A repository below a folder that all users share, owned by the user of commands, and a worktree of it. */
function linkedWorktree(base: string): { readonly gitDir: string; readonly workspace: string } {
  const [repository, workspace] = [join(base, "repo"), join(base, "linked")];
  const { PATH: path = "" } = process.env;
  const git = (...args: readonly string[]): void => {
    execFileSync("git", args, { cwd: repository, env: { PATH: path, HOME: base } });
  };
  mkdirSync(repository);
  git("init", "-q");
  git("-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "--allow-empty", "-m", "first");
  git("worktree", "add", "-q", "--detach", workspace);
  if (isRoot) execFileSync("chown", ["-R", `${NOBODY.uid}:${NOBODY.gid}`, repository, workspace]);
  return { gitDir: join(repository, ".git"), workspace };
}

describe("the private folder", () => {
  it("is removed with what a command made unreadable, and again without a fault", () => {
    const path = join(folder(), "private");
    const made = makePrivateFolder(path, null);
    if (!made.ok) throw new Error(made.error.message);
    mkdirSync(join(made.value.temporary, "a/b"), { recursive: true });
    chmodSync(join(made.value.temporary, "a"), 0o000);

    expect([removePrivateFolder(path).ok, removePrivateFolder(path).ok, existsSync(path)]).toEqual([true, true, false]);
  });
});
