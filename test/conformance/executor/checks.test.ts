import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Check, CheckResult } from "#execution";
import { runChecks } from "../../../src/execution/io/check-runner.ts";
import { runCommand } from "../../../src/execution/io/command.ts";
import { startProcess } from "../../../src/execution/io/start-process.ts";
import { StopSwitch } from "../../../src/execution/stop-switch.ts";
import { realClock } from "../../support/real-clock.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const PATH = process.env["PATH"] ?? "";

async function check(workspace: string, one: Check): Promise<CheckResult> {
  const marker = "checks-under-test";
  const context = { clock: realClock, start: startProcess, stop: new StopSwitch(), marker, adoptsOrphans: false };
  const report = await runChecks([one], {
    workspace,
    clock: realClock,
    runtime: process.execPath,
    ownFolder: "/",
    stopped: () => false,
    run: ({ extraEnv, ...request }) =>
      runCommand({ ...request, env: { PATH, HOME: workspace, ...extraEnv }, outputBytes: 1024 * 1024 }, context),
  });
  const result = report.checks[0];
  if (result === undefined) throw new Error("the report has no check");
  expect(report.passed).toBe(result.passed);
  return result;
}

function workspaceWith(files: Readonly<Record<string, string>>): string {
  const workspace = join(folder(), "workspace");
  mkdirSync(workspace);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(workspace, name), text);
  return workspace;
}

describe("file_exists", () => {
  it("passes for a file and for a folder, and fails for what is missing", async () => {
    const workspace = workspaceWith({ a: "" });
    mkdirSync(join(workspace, "b"));

    expect((await check(workspace, { kind: "file_exists", path: "a" })).passed).toBe(true);
    expect((await check(workspace, { kind: "file_exists", path: join(workspace, "b") })).passed).toBe(true);
    expect(await check(workspace, { kind: "file_exists", path: "c" })).toMatchObject({
      passed: false,
      summary: "file_exists: c does not exist",
    });
  });

  it("fails for a path outside the workspace, however it leads there", async () => {
    const workspace = workspaceWith({});
    writeFileSync(join(workspace, "../outside"), "secret");
    symlinkSync("../outside", join(workspace, "link"));
    symlinkSync("/etc", join(workspace, "folder"));

    for (const path of ["../outside", "/etc/passwd", "a/../../outside"]) {
      expect((await check(workspace, { kind: "file_exists", path })).summary).toContain("is outside the workspace");
    }
    for (const path of ["link", "folder/passwd"]) {
      const result = await check(workspace, { kind: "file_exists", path });
      expect(result).toMatchObject({ passed: false });
      expect(result.summary).toContain("leads out of the workspace through a symbolic link");
    }
  });

  it("passes for a link that stays inside", async () => {
    const workspace = workspaceWith({ a: "" });
    symlinkSync("a", join(workspace, "link"));

    expect((await check(workspace, { kind: "file_exists", path: "link" })).passed).toBe(true);
  });
});

describe("file_contains", () => {
  it("finds plain text as it stands and a regular expression between slashes", async () => {
    const workspace = workspaceWith({ a: "first line\nVersion: 1.2.3 (ok)\n" });
    const passed = async (pattern: string): Promise<boolean> =>
      (await check(workspace, { kind: "file_contains", path: "a", pattern })).passed;

    expect(await passed("1.2.3 (ok)")).toBe(true);
    expect(await passed("1x2")).toBe(false);
    expect(await passed("/^version: \\d+\\.\\d+/im")).toBe(true);
    expect(await passed("/^version:/m")).toBe(false);
  });

  it("gives up on a pattern that backtracks without end", async () => {
    const workspace = workspaceWith({ a: `${"a".repeat(200_000)}!` });

    const result = await check(workspace, {
      kind: "file_contains",
      path: "a",
      pattern: "/(a*a*a*)*b/",
      timeoutMs: 150,
    });

    expect(result).toMatchObject({ passed: false, timedOut: true });
  });

  it("fails for a folder, a FIFO and a link out of the workspace without reading them", async () => {
    const workspace = workspaceWith({});
    writeFileSync(join(workspace, "../outside"), "secret");
    symlinkSync("../outside", join(workspace, "link"));
    execFileSync("mkfifo", [join(workspace, "fifo")]);
    const contains = (path: string): Promise<CheckResult> =>
      check(workspace, { kind: "file_contains", path, pattern: "secret" });

    expect((await contains(".")).summary).toContain("not a regular file");
    expect((await contains("fifo")).summary).toContain("not a regular file");
    expect((await contains("link")).summary).toContain("leads out of the workspace");
  });
});

describe("command_succeeds and test_passes", () => {
  it("pass with exit code 0 in the workspace and keep the output as evidence", async () => {
    const workspace = workspaceWith({ a: "" });

    const result = await check(workspace, { kind: "test_passes", command: ["sh", "-c", "ls; echo 3 passed"] });

    expect(result).toMatchObject({ passed: true, detail: "a\n3 passed\n", timedOut: false });
  });

  it("fail with the exit code, with the signal, or because the command does not exist", async () => {
    const workspace = workspaceWith({});
    const summary = async (command: string[]): Promise<string> =>
      (await check(workspace, { kind: "command_succeeds", command })).summary;

    expect(await summary(["sh", "-c", "exit 7"])).toContain("exited with code 7");
    expect(await summary(["sh", "-c", "kill -9 $$"])).toContain("SIGKILL");
    expect(await summary(["no-such-command-here"])).toContain("not found in PATH");
  });

  it("are ended at their own time limit", async () => {
    const result = await check(workspaceWith({}), { kind: "test_passes", command: ["sleep", "600"], timeoutMs: 100 });

    expect(result).toMatchObject({ passed: false, timedOut: true });
    expect(result.durationMs).toBeGreaterThanOrEqual(100);
  });
});

describe("git_clean", () => {
  it("passes for a committed tree, fails for a changed one and outside a repository", async () => {
    const workspace = workspaceWith({ a: "1" });
    const git = (...args: string[]): void => {
      const identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"];
      execFileSync("git", [...identity, ...args], { cwd: workspace, stdio: "ignore" });
    };

    const outside = await check(workspace, { kind: "git_clean" });
    git("init", "-q");
    git("add", ".");
    git("commit", "-qm", "one");
    const clean = await check(workspace, { kind: "git_clean" });
    writeFileSync(join(workspace, "b"), "2");
    const changed = await check(workspace, { kind: "git_clean" });

    expect(outside.summary).toContain("git status failed");
    expect(clean.passed).toBe(true);
    expect(changed).toMatchObject({ passed: false, summary: "git_clean: 1 paths are changed", detail: "?? b\n" });
  });
});

describe("json_schema", () => {
  const schema = { type: "object", required: ["name"], properties: { name: { type: "string", minLength: 2 } } };

  it("passes for a valid file, and names the place of the first fault otherwise", async () => {
    const workspace = workspaceWith({ good: '{"name":"ab"}', bad: '{"name":"a"}', broken: '{"name":' });
    const result = (path: string): Promise<CheckResult> => check(workspace, { kind: "json_schema", path, schema });

    expect((await result("good")).passed).toBe(true);
    expect((await result("bad")).summary).toContain("/name: must have at least");
    expect((await result("broken")).summary).toContain("is not JSON");
    expect((await result("../outside")).summary).toContain("is outside the workspace");
  });
});
