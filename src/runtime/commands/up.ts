/** `drover up`: the watchdog in the foreground until a signal, or in the background with `--detach`. */
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { err, type Logger, MARKER_NAME, ok, type Result, retryable, sleep, terminal } from "#base";
import { type Console, EXIT, type Fault, type UpOptions } from "#cli";
import {
  adoptOrphans,
  childEnvironment,
  type GenerationFacts,
  readWatchdogFile,
  type SupervisionPolicy,
  serviceManager,
  startReaper,
  startWatchdog,
  type Watchdog,
} from "#watchdog";
import type { LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/settings.ts";
import { GENERATION_VARIABLES } from "../generation-variables.ts";
import { otherProcesses } from "../other-processes.ts";
import { ownCommand, stateDirOf } from "../program.ts";
import { realClock, realRandom } from "../real-clock.ts";
import { releaseOptions } from "../release-options.ts";
import { folderFailure, prepareStateFolder } from "../state-folder.ts";
import { version } from "../version.ts";
import { asUsage, processLogger, settingsOf } from "./settings.ts";

/** Somebody waits for it: besides the first start, the restarts that follow when it fails. */
const RESTARTS_LIMIT_MS = 30_000;
const POLL_MS = 5;
/** So much of the end of the log is looked at to say why a node did not start. */
const LOG_TAIL_BYTES = 4_096;
/** A detached watchdog that finds a log larger than this at its start sets it aside as drover.log.1. */
const MAX_LOG_BYTES = 16 * 1024 * 1024;
/** Tells a detached watchdog that its node's output is for the log alone. */
const DETACHED_VARIABLE = "DROVER_DETACHED";
/** Waits for a terminal or a pipe that takes nothing; more is dropped there, and stands in the log. */
const MAX_ECHO_BYTES = 1024 * 1024;

function nodePolicy(config: Config): SupervisionPolicy {
  return {
    startLimitMs: config["watchdog.start_ms"],
    heartbeatLimitMs: config["watchdog.heartbeat_ms"],
    probeEveryMs: 5_000,
    probeFailures: 3,
    termGraceMs: 5_000,
    killLimitMs: 15_000,
    // A node is back within a second of its first fault; one that keeps failing leaves the machine to others.
    backoff: { firstMs: 100, maxMs: 30_000, healthyAfterMs: config["watchdog.healthy_ms"] },
    budget: { restarts: config["watchdog.restarts"], withinMs: 30 * 60_000 },
    memoryLimitBytes: config["watchdog.memory_bytes"] === 0 ? null : config["watchdog.memory_bytes"],
  };
}

function readyLimitMs(config: Config): number {
  return config["watchdog.start_ms"] + RESTARTS_LIMIT_MS;
}

export async function up(options: UpOptions, console: Console): Promise<number> {
  const loaded = settingsOf(options);
  if (!loaded.ok) return console.fail(loaded.error);
  const stateDir = stateDirOf(options.state, loaded.value.config);
  if (!stateDir.ok) return console.fail(asUsage(stateDir.error));
  const folder = prepareStateFolder(stateDir.value);
  if (!folder.ok) return console.fail(asUsage(folder.error));
  return options.detach
    ? detached(stateDir.value, readyLimitMs(loaded.value.config), options, console)
    : foreground(stateDir.value, loaded.value, options, console);
}

async function foreground(
  stateDir: string,
  loaded: LoadedConfig,
  options: UpOptions,
  console: Console,
): Promise<number> {
  const logger = processLogger(loaded.config);
  const isDetached = process.env[DETACHED_VARIABLE] !== undefined;
  delete process.env[DETACHED_VARIABLE];
  const started = await watch(stateDir, loaded, options, logger, isDetached ? null : echoTo(process.stderr));
  if (!started.ok) return console.fail(asUsage(started.error));
  const orphans = adoptOrphans();
  if (orphans !== undefined) logger.warn("some leftovers of a node may be missed", { reason: orphans });
  const stopReaping = startReaper(realClock);
  const watchdog = started.value;
  let signals = 0;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      signals += 1;
      if (signals > 2) process.exit(1);
      void watchdog.stop("now");
    });
  }
  const serving = await watchdog.untilServing(readyLimitMs(loaded.config));
  if (!serving.ok) {
    if (watchdog.isRefused) {
      // Nobody has been served yet, and a person has to change something first.
      console.fail(serving.error);
      await watchdog.stop("now");
      stopReaping();
      return EXIT.usage;
    }
    console.fail(serving.error);
  } else if (console.json) console.jsonLine({ url: serving.value, stateDir, pid: process.pid });
  else console.line(`drover is ready at ${serving.value}`);
  await watchdog.stopped;
  stopReaping();
  return 0;
}

async function watch(
  stateDir: string,
  { config }: LoadedConfig,
  options: UpOptions,
  logger: Logger,
  echo: ((chunk: Uint8Array) => void) | null,
): Promise<Result<Watchdog>> {
  const processes = otherProcesses(config, process.env);
  if (!processes.ok) return processes;
  const releases = releaseOptions(config);
  if (!releases.ok) return releases;
  const host = config["http.host"];
  const environment = childEnvironment(process.env, meantForNode(config["executor.shell.env"]));
  const file = options.config === undefined ? [] : ["--config", options.config];
  const json = options.json ? ["--json"] : [];
  return startWatchdog({
    stateDir,
    version,
    host,
    port: config["http.port"],
    hosts: new Set(
      ["localhost", "127.0.0.1", "[::1]", host, ...config["http.allow_hosts"]].map((name) => name.toLowerCase()),
    ),
    policy: nodePolicy(config),
    attemptVariable: MARKER_NAME,
    processes: processes.value,
    generation: (facts) => ({
      command: [...partOf(facts.binary, "node"), "--state", stateDir, ...file],
      // The databases' native part would say each failed sync on stderr; what matters of it is in the node's own log.
      env: { RUST_LOG: "off", ...environment, ...generationVariables(facts) },
    }),
    environment,
    releases: releases.value,
    become: (binary) => become(binary, [...json, "--state", stateDir, ...file], echo === null),
    clock: realClock,
    random: realRandom(),
    logger,
    manager: serviceManager(process.env),
    echo,
  });
}

/** This executable, also when it runs from source, or another release. */
function partOf(binary: string, part: string): readonly string[] {
  return binary === process.execPath ? ownCommand(part) : [binary, part];
}

/** Goes on as another release with the same process id: whoever supervises the watchdog notices nothing. */
function become(binary: string, options: readonly string[], isDetached: boolean): void {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) env[name] = value;
  if (isDetached) env[DETACHED_VARIABLE] = "1";
  try {
    // Every descriptor above the standard ones is closed: the lock is taken anew, and the node has the socket.
    process.execve?.(binary, [binary, "up", ...options], env);
  } catch {
    // It cannot be run: this release goes on, and says so.
  }
}

/** Settings, whatever they are called, and what the configuration hands on to commands by name. */
function meantForNode(named: readonly string[]): Readonly<Record<string, string>> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && (name.startsWith("DROVER_") || named.includes(name))) passed[name] = value;
  }
  return passed;
}

function generationVariables(facts: GenerationFacts): Readonly<Record<string, string>> {
  return {
    BUN_TMPDIR: facts.nativeDir,
    [GENERATION_VARIABLES.control]: facts.controlPath,
    [GENERATION_VARIABLES.generation]: String(facts.number),
    ...(facts.hasSocket ? { [GENERATION_VARIABLES.listenFd]: "3" } : {}),
  };
}

/** Never waits: what a terminal or a pipe does not take in time is left out there. */
function echoTo(stream: NodeJS.WriteStream): (chunk: Uint8Array) => void {
  let waitingBytes = 0;
  return (chunk) => {
    if (waitingBytes > MAX_ECHO_BYTES) return;
    waitingBytes += chunk.length;
    stream.write(chunk, () => {
      waitingBytes -= chunk.length;
    });
  };
}

async function detached(stateDir: string, limitMs: number, options: UpOptions, console: Console): Promise<number> {
  const logPath = join(stateDir, "drover.log");
  const opened = openLog(logPath);
  if (!opened.ok) return console.fail(opened.error);
  const log = opened.value;
  const config = options.config === undefined ? [] : ["--config", options.config];
  const child = Bun.spawn([...ownCommand("up"), "--state", stateDir, ...config], {
    stdio: ["ignore", log, log],
    detached: true,
    env: { ...process.env, [DETACHED_VARIABLE]: "1" },
  });
  closeSync(log);
  const endMs = realClock.monotonicMs() + limitMs;
  while (realClock.monotonicMs() < endMs) {
    const file = readWatchdogFile(join(stateDir, "watchdog.json"));
    const isOurs = file?.pid === child.pid;
    if (isOurs && file.url !== null) {
      child.unref();
      if (console.json) console.document({ url: file.url, stateDir, pid: child.pid, log: logPath });
      else console.line(`drover is ready at ${file.url} (pid ${child.pid}, log ${logPath})`);
      return 0;
    }
    const hasEnded = child.exitCode !== null || child.signalCode !== null;
    if (hasEnded || (isOurs && file.safeMode !== null)) {
      child.kill();
      await child.exited;
      return console.fail(notStarted(logPath, child.exitCode));
    }
    await sleep(realClock, POLL_MS);
  }
  child.kill();
  return console.fail(retryable("timed_out", `the node was not ready after ${limitMs} ms`, `Read ${logPath}`));
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

/** With the exit code of the watchdog where it says that the configuration is wrong. */
function notStarted(logPath: string, code: number | null): Fault {
  const last = endOf(logPath).trim().split("\n").slice(-3).join("\n");
  const failure = terminal("unavailable", `the node did not start:\n${last}`, `The whole log is ${logPath}`);
  return { failure, exit: code === EXIT.usage ? EXIT.usage : EXIT.failed };
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
