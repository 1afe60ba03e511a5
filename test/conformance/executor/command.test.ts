/** The promises of runCommand, kept alike with and without a sandbox around the command. */
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createIdFactory, seededRandom } from "#base";
import { type AttemptSandbox, openAttemptSandbox } from "../../../src/execution/io/attempt-sandbox.ts";
import { type CommandRequest, type CommandRun, runCommand } from "../../../src/execution/io/command.ts";
import { LogFile } from "../../../src/execution/io/log-file.ts";
import { type StartProcess, startProcess } from "../../../src/execution/io/start-process.ts";
import { StopSwitch } from "../../../src/execution/stop-switch.ts";
import { realClock } from "../../support/real-clock.ts";
import { sandboxLauncher, sandboxPlan } from "../../support/sandbox-plan.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { running, sleeping, uniqueSeconds } from "./running-processes.ts";

const folder = temporaryFolders();
const PATH = process.env["PATH"] ?? "";
const ids = createIdFactory(realClock, seededRandom(process.pid));
const sandboxes: AttemptSandbox[] = [];
let markers = 0;

afterEach(async () => {
  for (const sandbox of sandboxes.splice(0)) sandbox.close();
});

/** Where a command of a test works, and how it is started there. */
type Place = { readonly cwd: string; readonly start: StartProcess };

async function unconfined(): Promise<Place> {
  return { cwd: folder(), start: startProcess };
}

async function confined(): Promise<Place> {
  const stateDir = folder();
  const cwd = join(stateDir, "workspaces", "t");
  mkdirSync(cwd, { recursive: true });
  const workspace = { kind: "private", path: cwd } as const;
  const attempt = { taskId: ids.task(), attempt: 1, stateDir, workspace, sandbox: sandboxPlan() };
  const opened = openAttemptSandbox(attempt, cwd, sandboxLauncher, realClock, startProcess, () => undefined);
  if (!opened.ok) throw new Error(opened.error.message);
  sandboxes.push(opened.value);
  return { cwd, start: opened.value.start };
}

function runAt(
  { cwd, start }: Place,
  command: readonly string[],
  options: Partial<CommandRequest> = {},
  stop = new StopSwitch(),
): Promise<CommandRun> {
  const marker = `test-${process.pid}-${markers++}`;
  const env = { PATH, DROVER_ATTEMPT_TOKEN: marker, ...options.env };
  return runCommand(
    { command, cwd, wallMs: 20_000, outputBytes: 1024 * 1024, ...options, env },
    { clock: realClock, start, stop, marker, adoptsOrphans: false },
  );
}

type RunArguments = readonly [command: readonly string[], options?: Partial<CommandRequest>, stop?: StopSwitch];

for (const [how, place] of [
  ["without a sandbox", unconfined],
  ["in the sandbox", confined],
] as const) {
  const run = async (...args: RunArguments): Promise<CommandRun> => runAt(await place(), ...args);

  describe(`a command ${how}`, () => {
    it("that exits tells its code and what it wrote to both streams, in order", async () => {
      const { end, output } = await run(["sh", "-c", "echo one; echo two >&2; echo three; exit 3"]);

      expect(end).toEqual({ kind: "exited", exitCode: 3 });
      expect(output).toEqual({ head: "one\ntwo\nthree\n", tail: "", totalBytes: 14, truncated: false });
    });

    it("gets its arguments as they are, without a shell in between", async () => {
      const { output } = await run(["printf", "%s|", "a b", "$HOME", "*", ""]);

      expect(output.head).toBe("a b|$HOME|*||");
    });

    it("can open its standard error by name, as scripts do", async () => {
      const { end, output } = await run(["sh", "-c", "echo seen > /dev/stderr"]);

      expect(end).toEqual({ kind: "exited", exitCode: 0 });
      expect(output.head).toBe("seen\n");
    });

    it("that ends by a signal tells which", async () => {
      const { end } = await run(["sh", "-c", "kill -SEGV $$"]);

      expect(end).toEqual({ kind: "signalled", signal: "SIGSEGV" });
    });

    it("that does not exist is a terminal failure that names it and PATH", async () => {
      const { end } = await run(["no-such-command-here"]);

      expect(end).toMatchObject({ kind: "failed", failure: { kind: "terminal", code: "not_found" } });
      expect(JSON.stringify(end)).toContain("no-such-command-here");
      expect(JSON.stringify(end)).toContain("PATH");
    });

    it("that may not be executed is a terminal failure that says how to permit it", async () => {
      const here = await place();
      const script = join(here.cwd, "script.sh");
      writeFileSync(script, "#!/bin/sh\n", { mode: 0o600 });

      const { end } = await runAt(here, [script]);

      expect(end).toMatchObject({ kind: "failed", failure: { kind: "terminal", code: "unavailable" } });
      expect(JSON.stringify(end)).toContain("chmod +x");
    });

    it("over its wall limit is ended", async () => {
      const ended = await run(["sleep", uniqueSeconds()], { wallMs: 100 });

      expect(ended).toMatchObject({ end: { kind: "wallLimit", limitMs: 100 }, signal: "SIGTERM" });
    });

    it("that does not heed SIGTERM is killed", async () => {
      const stop = new StopSwitch();
      const script = "trap '' TERM; echo ::progress 0.1 ready; while :; do sleep 0.05; done";
      const onProgress = (): void => stop.request({ by: "cancel", reason: "enough" });

      const ended = await run(["sh", "-c", script], { onProgress }, stop);

      expect(ended).toMatchObject({ end: { kind: "stopped" }, signal: "SIGKILL" });
    });

    it("that listens to SIGTERM only after a while is asked again, and not killed", async () => {
      const stop = new StopSwitch();
      const deafAtFirst = "trap '' TERM; echo ::progress 0.1 ready; for i in 1 2 3 4 5 6 7 8; do sleep 0.05; done";
      const script = `${deafAtFirst}; exec env --default-signal=TERM sleep ${uniqueSeconds()}`;
      const onProgress = (): void => stop.request({ by: "cancel", reason: "enough" });

      const ended = await run(["sh", "-c", script], { onProgress }, stop);

      expect(ended).toMatchObject({ end: { kind: "stopped" }, signal: "SIGTERM" });
    });

    it("over its output limit is ended, and log and result hold no more than the limit", async () => {
      const path = join(folder(), "a.log");
      const log = LogFile.open(path, 100_000);
      if (!log.ok) throw new Error(log.error.message);

      const { end, output } = await run(["yes"], { outputBytes: 100_000, log: log.value });
      log.value.close();

      expect(end).toEqual({ kind: "outputLimit", limitBytes: 100_000 });
      expect(output).toMatchObject({ totalBytes: 100_000, truncated: true });
      expect(statSync(path).size).toBe(100_000);
    });

    it("that floods its output is still stopped by its wall limit", async () => {
      const { end } = await run(["yes"], { outputBytes: Number.MAX_SAFE_INTEGER, wallMs: 200 });

      expect(end).toEqual({ kind: "wallLimit", limitMs: 200 });
    });

    it("reports progress by printing it", async () => {
      const seen: unknown[] = [];

      await run(["sh", "-c", "echo ::progress 0.5 half; echo other; echo '::progress 90% nearly'; sleep 0.1"], {
        onProgress: (progress) => seen.push(progress),
      });

      expect(seen.at(-1)).toEqual({ ratio: 0.9, message: "nearly" });
    });

    it("that is asked to stop is ended and says who asked", async () => {
      const stop = new StopSwitch();
      const request = { by: "cancel", reason: "not wanted any more" } as const;

      const { end } = await run(["sleep", uniqueSeconds()], { onStart: () => stop.request(request) }, stop);

      expect(end).toEqual({ kind: "stopped", request });
    });

    it("that is asked to stop has its time to end by itself", async () => {
      const stop = new StopSwitch();
      const script = "trap 'echo goodbye; exit 0' TERM; echo ::progress 0.1 ready; while :; do sleep 0.02; done";
      const onProgress = (): void => stop.request({ by: "cancel", reason: "enough" });

      const { end, output } = await run(["sh", "-c", script], { onProgress }, stop);

      expect(end.kind).toBe("stopped");
      expect(output.head).toContain("goodbye");
    });

    it("is not started at all when the stop came first", async () => {
      const here = await place();
      const stop = new StopSwitch();
      stop.request({ by: "cancel", reason: "too late" });

      const { end } = await runAt(here, ["touch", "made"], {}, stop);

      expect(end.kind).toBe("stopped");
      expect(existsSync(join(here.cwd, "made"))).toBe(false);
    });
  });

  describe(`nothing that a command started ${how} is left`, () => {
    it("after its normal exit: children in the background and in sessions of their own", async () => {
      const [a, b, c] = [uniqueSeconds(), uniqueSeconds(), uniqueSeconds()];

      const { end } = await run([
        "sh",
        "-c",
        `sleep ${a} & setsid sleep ${b} & (setsid sh -c 'sleep ${c} & sleep ${c}' &); exit 0`,
      ]);

      expect(end).toEqual({ kind: "exited", exitCode: 0 });
      for (const time of [a, b, c]) expect(running(`sleep ${time}`)).toEqual([]);
    });

    it("after a stop: grandchildren that ignore SIGTERM and hold the output open", async () => {
      const time = uniqueSeconds();
      const stop = new StopSwitch();
      const script = `(trap '' TERM; setsid sh -c "trap '' TERM; sleep ${time}; sleep ${time}" &) & sleep ${time}`;
      const ended = run(["sh", "-c", script], {}, stop);
      await waitUntil("all of them run", () => sleeping(time).length >= 2);

      stop.request({ by: "cancel", reason: "enough" });
      const { end } = await ended;

      expect(end.kind).toBe("stopped");
      expect(running(`sleep ${time}`)).toEqual([]);
    });

    it("and no descriptor either, after many commands", async () => {
      await run(["true"]);
      const before = readdirSync("/proc/self/fd").length;

      for (let round = 0; round < 20; round += 1) await run(["true"]);

      // Other test threads share the process and open files of their own; a leak would add 20.
      expect(readdirSync("/proc/self/fd").length).toBeLessThan(before + 10);
    });
  });
}

describe("a command without a sandbox", () => {
  it("sees the environment it is given and nothing else", async () => {
    const { output } = await runAt(await unconfined(), ["env"], { env: { EXTRA: "1" } });

    const names = output.head
      .trim()
      .split("\n")
      .map((line) => line.split("=")[0]);
    expect(names.toSorted((a = "", b = "") => a.localeCompare(b))).toEqual(["DROVER_ATTEMPT_TOKEN", "EXTRA", "PATH"]);
  });

  it("and without an executable format is a terminal failure that names the interpreter form", async () => {
    const here = await unconfined();
    const script = join(here.cwd, "script.sh");
    writeFileSync(script, "echo hello\n", { mode: 0o700 });

    const { end } = await runAt(here, [script]);

    expect(end).toMatchObject({ kind: "failed", failure: { kind: "terminal", code: "unsupported" } });
  });
});
