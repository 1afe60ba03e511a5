import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CommandRequest, type CommandRun, runCommand } from "../../../src/execution/io/command.ts";
import { LogFile } from "../../../src/execution/io/log-file.ts";
import { startProcess } from "../../../src/execution/io/start-process.ts";
import { StopSwitch } from "../../../src/execution/stop-switch.ts";
import { realClock } from "../../support/real-clock.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";

const folder = temporaryFolders();
const PATH = process.env["PATH"] ?? "";
let markers = 0;

function run(
  command: readonly string[],
  options: Partial<CommandRequest> = {},
  stop = new StopSwitch(),
): Promise<CommandRun> {
  const marker = `test-${process.pid}-${markers++}`;
  const env = { PATH, DROVER_ATTEMPT_TOKEN: marker, ...options.env };
  return runCommand(
    { command, cwd: folder(), wallMs: 20_000, outputBytes: 1024 * 1024, ...options, env },
    { clock: realClock, start: startProcess, stop, marker, adoptsOrphans: false },
  );
}

/** Living processes whose command line contains `text`. */
function running(text: string): readonly string[] {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "latin1").replaceAll("\0", " ").includes(text);
    } catch {
      return false;
    }
  });
}

/** A number of seconds that no other process sleeps. */
function unique(): string {
  return `${5_000 + (process.pid % 1_000)}.${String(markers++).padStart(4, "0")}`;
}

describe("a command", () => {
  it("that exits tells its code and what it wrote to both streams, in order", async () => {
    const { end, output } = await run(["sh", "-c", "echo one; echo two >&2; echo three; exit 3"]);

    expect(end).toEqual({ kind: "exited", exitCode: 3 });
    expect(output).toEqual({ head: "one\ntwo\nthree\n", tail: "", totalBytes: 14, truncated: false });
  });

  it("gets its arguments as they are, without a shell in between", async () => {
    const { output } = await run(["printf", "%s|", "a b", "$HOME", "*", ""]);

    expect(output.head).toBe("a b|$HOME|*||");
  });

  it("sees the environment it is given and nothing else", async () => {
    const { output } = await run(["env"], { env: { EXTRA: "1" } });

    const names = output.head
      .trim()
      .split("\n")
      .map((line) => line.split("=")[0]);
    expect(names.toSorted((a = "", b = "") => a.localeCompare(b))).toEqual(["DROVER_ATTEMPT_TOKEN", "EXTRA", "PATH"]);
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
    const script = join(folder(), "script.sh");
    writeFileSync(script, "#!/bin/sh\n", { mode: 0o600 });

    const { end } = await run([script]);

    expect(end).toMatchObject({ kind: "failed", failure: { kind: "terminal", code: "unavailable" } });
    expect(JSON.stringify(end)).toContain("chmod +x");
  });

  it("without an executable format is a terminal failure that names the interpreter form", async () => {
    const script = join(folder(), "script.sh");
    writeFileSync(script, "echo hello\n", { mode: 0o700 });

    const { end } = await run([script]);

    expect(end).toMatchObject({ kind: "failed", failure: { kind: "terminal", code: "unsupported" } });
  });

  it("over its wall limit is ended, whether it heeds SIGTERM or not", async () => {
    const heeding = await run(["sleep", unique()], { wallMs: 100 });
    const deaf = await run(["sh", "-c", `trap '' TERM; while :; do sleep 0.05; done`], { wallMs: 100 });

    expect(heeding).toMatchObject({ end: { kind: "wallLimit", limitMs: 100 }, signal: "SIGTERM" });
    expect(deaf).toMatchObject({ end: { kind: "wallLimit", limitMs: 100 }, signal: "SIGKILL" });
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

    const { end } = await run(["sleep", unique()], { onStart: () => stop.request(request) }, stop);

    expect(end).toEqual({ kind: "stopped", request });
  });

  it("is not started at all when the stop came first", async () => {
    const stop = new StopSwitch();
    stop.request({ by: "cancel", reason: "too late" });
    const cwd = folder();

    const { end } = await run(["touch", "made"], { cwd }, stop);

    expect(end.kind).toBe("stopped");
    expect(existsSync(join(cwd, "made"))).toBe(false);
  });
});

describe("nothing that a command started is left", () => {
  it("after its normal exit: children in the background and in sessions of their own", async () => {
    const [a, b, c] = [unique(), unique(), unique()];

    const { end } = await run([
      "sh",
      "-c",
      `sleep ${a} & setsid sleep ${b} & (setsid sh -c 'sleep ${c} & sleep ${c}' &); exit 0`,
    ]);

    expect(end).toEqual({ kind: "exited", exitCode: 0 });
    for (const time of [a, b, c]) expect(running(`sleep ${time}`)).toEqual([]);
  });

  it("after a stop: grandchildren that ignore SIGTERM and hold the output open", async () => {
    const time = unique();
    const stop = new StopSwitch();
    const script = `(trap '' TERM; setsid sh -c "trap '' TERM; sleep ${time}; sleep ${time}" &) & sleep ${time}`;
    const ended = run(["sh", "-c", script], {}, stop);
    await waitUntil("all of them run", () => running(`sleep ${time}`).length >= 3);

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
