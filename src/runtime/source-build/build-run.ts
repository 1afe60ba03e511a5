/**
 * One try: copy, change, build, test, sign. Everything happens in a folder of its own, and the two commands of the
 * source are confined as tasks are; the signing key is read after they have ended, and never where they run.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { SourceBuildOrder } from "#api";
import { type Clock, describeFailure, err, MARKER_NAME, ok, type Result, redactText, refused, retryable } from "#base";
import {
  allowedEnvironment,
  type CommandRun,
  confinedCommands,
  type RunConfined,
  runCommand,
  type SandboxLauncher,
  type SandboxPlan,
  type StopSwitch,
  startProcess,
} from "#execution";
import { parseVersion, type Version } from "#watchdog";
import type { Config } from "../config/settings.ts";
import type { LocalKey } from "../signing/local-key.ts";
import { commandOf, versionOfBuild } from "./build-words.ts";
import { signRelease } from "./signed-release.ts";
import { applyChanges, copySource, type Git } from "./source-copy.ts";
import { aboveModules, besideModules, findToolchain, linkModules, type Toolchain } from "./toolchain.ts";

/** A fetch and a checkout of drover's source take a second. */
const GIT_LIMIT_MS = 5 * 60_000;
const GIT_OUTPUT_BYTES = 1024 * 1024;
/** A test run of drover prints a tenth of this. */
const OUTPUT_BYTES = 32 * 1024 * 1024;
/** What a row keeps of it: the lines that say what failed. */
const KEPT_OUTPUT_BYTES = 8 * 1024;
const KEPT_LINES = 60;
const MAX_DETAIL_CHARS = 500;
const MAX_PACKAGE_BYTES = 1024 * 1024;

export type BuildParts = {
  readonly config: Config;
  readonly stateDir: string;
  readonly sandbox: SandboxPlan;
  readonly launcher: SandboxLauncher;
  readonly clock: Clock;
  readonly target: string;
  /** Compiled into this executable, in base64. */
  readonly rootKeys: readonly string[];
  /** Reads the key anew: what was allowed at the beginning may not be any more. */
  readonly readKey: () => Result<LocalKey>;
};

export type BuildFacts = {
  readonly order: SourceBuildOrder;
  /** The folder of this try, which is there and empty. */
  readonly folder: string;
  readonly marker: string;
  readonly current: Version;
  readonly stop: StopSwitch;
  /** Told each step as it begins. */
  readonly began: (step: string) => void;
};

export type BuildStep = { step: string; atMs: number; tookMs: number; ok: boolean; detail: string };

/** What a try has come to. */
export type BuildEnd = {
  readonly commit: string | null;
  readonly version: Version | null;
  readonly steps: readonly BuildStep[];
  readonly output: string;
  /** The release folder; null for a check. Why there is none as the error. */
  readonly release: Result<string | null>;
};

/** @returns SHA-256 of what is to be changed, by which two tries are told to be the same; null without changes. */
export function changesSha256({ patch, changes }: SourceBuildOrder): string | null {
  if (patch === null && changes.length === 0) return null;
  return createHash("sha256")
    .update(JSON.stringify([patch, changes.map(({ path, content }) => [path, content])]))
    .digest("hex");
}

/** Never throws: a bug becomes a failed step. */
export async function runBuild(facts: BuildFacts, parts: BuildParts): Promise<BuildEnd> {
  const run = new BuildRun(facts, parts);
  const release = await run.perform();
  return { commit: run.commit, version: run.version, steps: run.steps, output: run.output, release };
}

class BuildRun {
  readonly steps: BuildStep[] = [];
  commit: string | null = null;
  version: Version | null = null;
  output = "";
  readonly #facts: BuildFacts;
  readonly #parts: BuildParts;
  /** What the commands may change. */
  readonly #work: string;
  readonly #source: string;
  readonly #out: string;

  constructor(facts: BuildFacts, parts: BuildParts) {
    this.#facts = facts;
    this.#parts = parts;
    this.#work = join(facts.folder, "work");
    this.#source = join(this.#work, "source");
    this.#out = join(this.#work, "out");
  }

  async perform(): Promise<Result<string | null>> {
    const { order } = this.#facts;
    const { config } = this.#parts;
    const tools = findToolchain(order.source, this.#parts.stateDir, process.env["PATH"] ?? "");
    if (!tools.ok) return tools;
    const prepared = await this.#prepare(tools.value);
    if (!prepared.ok) return prepared;
    const { run, build, test } = prepared.value;
    const built = await this.#step("built", () => this.#command(run, "build", build, config["update.source_build_ms"]));
    if (!built.ok) return built;
    const tested = await this.#step("tested", () => this.#command(run, "test", test, config["update.source_test_ms"]));
    if (!tested.ok || order.checkOnly) return tested.ok ? ok(null) : tested;
    const release = join(this.#facts.folder, "release");
    const signed = await this.#step("signed", () => this.#sign(release));
    return signed.ok ? ok(release) : signed;
  }

  async #prepare(tools: Toolchain) {
    const { order, current, folder } = this.#facts;
    const { config, rootKeys, clock } = this.#parts;
    mkdirSync(this.#out, { recursive: true, mode: 0o700 });
    const git = this.#git();
    const copied = await this.#step("copied", async () => {
      const commit = await copySource(order.source, this.#source, git);
      if (!commit.ok) return commit;
      this.commit = commit.value;
      return ok(commit.value === null ? "the files of a folder without git" : `commit ${commit.value}`);
    });
    if (!copied.ok) return copied;
    const changed = await this.#step("changed", () =>
      applyChanges(this.#source, order, { patchFile: join(folder, "changes.patch"), git }),
    );
    if (!changed.ok) return changed;
    this.version = versionOfBuild(current, packagedVersion(this.#source), clock.nowMs());
    const rootKeyFiles = rootKeys.map((key, index) => {
      const file = join(this.#work, `root-${index}.pub`);
      writeFileSync(file, `${key}\n`);
      return file;
    });
    if (tools.modules !== null) linkModules(tools.modules, join(this.#source, "node_modules"));
    const places = { bun: tools.bun, version: this.version, out: this.#out, rootKeyFiles };
    const run = this.#confined(tools);
    if (!run.ok) return run;
    const build = commandOf(config["update.source_build"], places);
    return ok({ run: run.value, build, test: commandOf(config["update.source_test"], places) });
  }

  #confined(tools: Toolchain): Result<RunConfined> {
    const { sandbox, stateDir, launcher, clock } = this.#parts;
    const { folder, marker, stop } = this.#facts;
    const run = confinedCommands({
      sandbox,
      stateDir,
      workspace: this.#work,
      privateFolder: join(folder, "private"),
      readOnly: [tools.bun, ...(tools.modules === null ? [] : [tools.modules, ...besideModules(tools.modules)])],
      listed: tools.modules === null ? [] : aboveModules(tools.modules),
      launcher,
      marker,
      stop,
      clock,
    });
    if (!run.ok) return run;
    const path = [dirname(tools.bun), process.env["PATH"] ?? ""].join(delimiter);
    return ok((request) => run.value({ ...request, env: { ...request.env, PATH: path, CI: "1" } }));
  }

  async #command(run: RunConfined, what: string, command: readonly string[], wallMs: number): Promise<Result<string>> {
    const done = await run({ command, cwd: this.#source, env: {}, wallMs, outputBytes: OUTPUT_BYTES });
    if (done.end.kind === "exited" && done.end.exitCode === 0) return ok(`${Math.round(done.durationMs / 1_000)} s`);
    this.output = lastLines(done);
    return err(commandFailure(done, `update.source_${what}`));
  }

  #sign(folder: string): Promise<Result<string>> {
    const { config, target, clock, readKey } = this.#parts;
    const key = readKey();
    if (!key.ok) return Promise.resolve(key);
    const { version } = this;
    if (version === null) return Promise.resolve(err(refused("invalid", "the build has no version")));
    const channel = config["update.channel"] === "" ? "source" : config["update.channel"];
    const built = join(this.#out, "drover");
    return signRelease({ built, folder, version, channel, target, key: key.value, nowMs: clock.nowMs() });
  }

  /** Without any configuration of host and user: their filters and hooks are for their own work. */
  #git(): Git {
    const { folder, marker, stop } = this.#facts;
    const settings = join(folder, "gitconfig");
    // The program that reads the source looks into it before any -c: it may be of another user than this process.
    writeFileSync(settings, "[safe]\n\tdirectory = *\n", { mode: 0o600 });
    const env = {
      ...allowedEnvironment(process.env),
      HOME: folder,
      LC_ALL: "C",
      GIT_CONFIG_GLOBAL: settings,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_TERMINAL_PROMPT: "0",
      GIT_NO_LAZY_FETCH: "1",
      // The state may lie in somebody's repository, which is not meant.
      GIT_CEILING_DIRECTORIES: this.#work,
      [MARKER_NAME]: marker,
    };
    return (args, cwd) =>
      runCommand(
        { command: ["git", ...args], cwd, env, wallMs: GIT_LIMIT_MS, outputBytes: GIT_OUTPUT_BYTES },
        { clock: this.#parts.clock, start: startProcess, stop, marker, adoptsOrphans: false },
      );
  }

  async #step<T extends string>(step: string, act: () => Promise<Result<T>>): Promise<Result<T>> {
    const { clock } = this.#parts;
    const { stop, began } = this.#facts;
    if (stop.current !== undefined) return err(retryable("cancelled", stop.current.reason));
    began(step);
    const [atMs, startMs] = [clock.nowMs(), clock.monotonicMs()];
    const result = await act().catch(
      (cause: unknown): Result<T> => err(retryable("internal", `${step}: ${String(cause)}`)),
    );
    const detail = (result.ok ? result.value : describeFailure(result.error)).slice(0, MAX_DETAIL_CHARS);
    this.steps.push({ step, atMs, tookMs: Math.round(clock.monotonicMs() - startMs), ok: result.ok, detail });
    return result;
  }
}

function commandFailure({ end }: CommandRun, setting: string) {
  switch (end.kind) {
    case "exited":
      return refused("invalid", `${setting} exited with code ${end.exitCode}`);
    case "signalled":
      return refused("invalid", `${setting} was ended by ${end.signal}`);
    case "wallLimit":
      return refused("invalid", `${setting} took more than ${end.limitMs} ms (${setting}_ms)`);
    case "outputLimit":
      return refused("invalid", `${setting} printed more than ${end.limitBytes} bytes`);
    case "stopped":
      return retryable("cancelled", end.request.reason);
    case "failed":
      return end.failure;
  }
}

function lastLines({ output }: CommandRun): string {
  const bytes = Buffer.from(redactText(`${output.head}${output.truncated ? "\n…\n" : ""}${output.tail}`).trimEnd());
  const kept = bytes.subarray(Math.max(0, bytes.length - KEPT_OUTPUT_BYTES)).toString();
  return kept.split("\n").slice(-KEPT_LINES).join("\n");
}

/** Of package.json, which the source may lack. */
function packagedVersion(source: string): Version | undefined {
  try {
    const text = readFileSync(join(source, "package.json"), "utf8");
    const said: unknown = text.length > MAX_PACKAGE_BYTES ? null : JSON.parse(text);
    if (typeof said !== "object" || said === null || !("version" in said)) return undefined;
    return typeof said.version === "string" ? parseVersion(said.version) : undefined;
  } catch {
    return undefined; // None, or not to be read: the version of what runs is counted on.
  }
}
