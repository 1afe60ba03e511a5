import { closeSync, fstatSync, openSync, readFileSync, readSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { err, type Failure, ok, type Result, retryable, sleep, terminal } from "#base";
import type { Console, UpOptions } from "#cli";
import type { LoadedConfig } from "../config/load.ts";
import { crashPoint } from "../crash-point.ts";
import type { startNode } from "../node.ts";
import { ownCommand, stateDirOf } from "../program.ts";
import { realClock } from "../real-clock.ts";
import { folderFailure, prepareStateFolder } from "../state-folder.ts";
import { processLogger, settingsOf } from "./settings.ts";

/** A detached node is given this long to say that it is ready. */
const DETACHED_READY_MS = 15_000;
const POLL_MS = 20;
/** A detached node that finds a log larger than this at its start sets it aside as drover.log.1. */
const MAX_LOG_BYTES = 16 * 1024 * 1024;
/** So much of the end of the log is looked at to say why a node did not start. */
const LOG_TAIL_BYTES = 4_096;

/** The node in the foreground until a signal, or in the background with `--detach`. */
export async function up(options: UpOptions, console: Console): Promise<number> {
  const loaded = settingsOf(options);
  if (!loaded.ok) return console.fail(loaded.error);
  const stateDir = stateDirOf(options.state, loaded.value.config);
  if (!stateDir.ok) return console.fail(stateDir.error);
  return options.detach
    ? detached(stateDir.value, options, console)
    : foreground(stateDir.value, loaded.value, console);
}

async function foreground(stateDir: string, loaded: LoadedConfig, console: Console): Promise<number> {
  const logger = processLogger(loaded.config);
  const started = await loadNode();
  if (!started.ok) return console.fail(started.error);
  const node = await started.value.startNode({ loaded, stateDir, logger, crashPoint: crashPoint(process.env) });
  if (!node.ok) return console.fail(node.error);
  const { url, stop, stopped } = node.value;
  // The first signal ends running attempts and gives their tasks back; a second one leaves them to the next node.
  let signals = 0;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      signals += 1;
      if (signals > 1) process.exit(1);
      void stop("now");
    });
  }
  if (console.json) console.jsonLine({ url, stateDir, pid: process.pid });
  else console.line(`drover is ready at ${url}`);
  await stopped;
  return 0;
}

type NodeModule = { readonly startNode: typeof startNode };

/** The databases' native part is unpacked and loaded at import, and that can fail before anything of ours runs. */
async function loadNode(): Promise<Result<NodeModule>> {
  try {
    return { ok: true, value: await import("../node.ts") };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const remedy =
      "Set BUN_TMPDIR to an empty folder of yours that allows execution (not mounted noexec), then try again";
    return { ok: false, error: terminal("unavailable", `load the database engine: ${reason}`, remedy) };
  }
}

async function detached(stateDir: string, options: UpOptions, console: Console): Promise<number> {
  const folder = prepareStateFolder(stateDir);
  if (!folder.ok) return console.fail(folder.error);
  const logPath = join(stateDir, "drover.log");
  const opened = openLog(logPath);
  if (!opened.ok) return console.fail(opened.error);
  const log = opened.value;
  const config = options.config === undefined ? [] : ["--config", options.config];
  const child = Bun.spawn([...ownCommand("up"), "--state", stateDir, ...config], {
    stdio: ["ignore", log, log],
    detached: true,
    env: process.env,
  });
  closeSync(log);
  const endMs = realClock.monotonicMs() + DETACHED_READY_MS;
  while (realClock.monotonicMs() < endMs) {
    const url = urlOf(stateDir, child.pid);
    if (url !== undefined) {
      child.unref();
      if (console.json) console.document({ url, stateDir, pid: child.pid, log: logPath });
      else console.line(`drover is ready at ${url} (pid ${child.pid}, log ${logPath})`);
      return 0;
    }
    if (child.exitCode !== null || child.signalCode !== null) return console.fail(notStarted(logPath));
    await sleep(realClock, POLL_MS);
  }
  child.kill();
  return console.fail(
    retryable("timed_out", `the node was not ready after ${DETACHED_READY_MS} ms`, `Read ${logPath}`),
  );
}

function openLog(path: string): Result<number> {
  try {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size > MAX_LOG_BYTES) renameSync(path, `${path}.1`);
    return ok(openSync(path, "a", 0o600));
  } catch (cause) {
    return err(folderFailure(path, cause));
  }
}

/** The address, once the node with this pid has written it. */
function urlOf(stateDir: string, pid: number): string | undefined {
  try {
    // `as`: written by a node; every field is checked before it is used.
    const said = JSON.parse(readFileSync(join(stateDir, "node.json"), "utf8")) as {
      readonly url?: unknown;
      readonly pid?: unknown;
    };
    return said.pid === pid && typeof said.url === "string" ? said.url : undefined;
  } catch {
    return undefined; // not written yet
  }
}

function notStarted(logPath: string): Failure {
  const last = endOf(logPath).trim().split("\n").slice(-3).join("\n");
  return terminal("unavailable", `the node did not start:\n${last}`, `The whole log is ${logPath}`);
}

function endOf(path: string): string {
  const descriptor = openSync(path, "r");
  try {
    const { size } = fstatSync(descriptor);
    const buffer = Buffer.alloc(Math.min(size, LOG_TAIL_BYTES));
    const read = readSync(descriptor, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString("utf8", 0, read);
  } finally {
    closeSync(descriptor);
  }
}
