/** A node that builds small repositories: real git, real sandbox, real keys, real release store; asked through the API. */
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SourceBuilds as View, WatchdogPort } from "#api";
import { type JsonValue, ok, seededRandom, silentLogger, sleep } from "#base";
import { localSource, parseRootKeys, ReleaseStore, type RootKey } from "#watchdog";
import { type Config, SETTING_PATHS, SETTINGS } from "../../src/runtime/config/settings.ts";
import { breakers } from "../../src/runtime/failsafes/breakers.ts";
import { Failsafes } from "../../src/runtime/failsafes/failsafes.ts";
import { makeLocalKey, readLocalKey } from "../../src/runtime/signing/local-key.ts";
import { SourceBuilds } from "../../src/runtime/source-build/source-builds.ts";
import { bodyOf, createHarness, valueOf } from "../unit/api/api-harness.ts";
import { modelPorts } from "./model-ports.ts";
import { realClock } from "./real-clock.ts";
import { anyExecutable, TARGET } from "./releases.ts";
import { sandboxLauncher, sandboxPlan } from "./sandbox-plan.ts";

const LIMIT_MS = 20_000;
const POLL_MS = 10;

/** Waits until `look` finds something: the end of a build is announced to nobody. */
export async function seen<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (const endMs = Date.now() + LIMIT_MS; Date.now() < endMs; await sleep(realClock, POLL_MS)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error(`waited ${LIMIT_MS} ms in vain`);
}

/** Copies the program of the source to where a build is looked for; the test of it asks for a word in it. */
const BUILD = ["sh", "-c", 'echo "building $1"; cp program "$2/drover"', "sh", "{version}", "{out}"];
const TEST = ["sh", "-c", "grep -q good program || { echo program is bad >&2; exit 3; }"];

export type Settings = Partial<Config>;

/** A node whose watchdog stages what it is given, as a real one does, and swaps nothing. */
export function sourceBuildWorld(path: string, settings: Settings = {}) {
  const stateDir = join(path, "state");
  const source = join(path, "source");
  mkdirSync(stateDir, { mode: 0o700 });
  makeSource(source);
  const key = valueOf(makeLocalKey(join(stateDir, "local-release.key"), realClock.nowMs()));
  const config = configOf({
    "update.local_key_file": key.file,
    "update.public_keys": [key.publicKey],
    "update.source_build": BUILD,
    "update.source_test": TEST,
    ...settings,
  });
  const roots = valueOf(mapped(parseRootKeys(config["update.public_keys"])));
  const watchdog = stagingWatchdog(join(stateDir, "releases"), roots);
  const disk = { freeBytes: Number.MAX_SAFE_INTEGER };
  const failsafes = new Failsafes({ config, clock: realClock, logger: silentLogger, freeBytes: () => disk.freeBytes });
  const builds: SourceBuilds = new SourceBuilds({
    config,
    stateDir,
    sandbox: sandboxPlan(),
    launcher: sandboxLauncher,
    clock: realClock,
    random: seededRandom(Date.now()),
    logger: silentLogger,
    target: TARGET,
    version: "0.1.0",
    watchdog: watchdog.port,
    rootKeys: [],
    readKey: () => readLocalKey(config["update.local_key_file"], { stateDir, roots, nowMs: realClock.nowMs() }),
    gate: {
      held: async () => {
        await builds.settle();
        await failsafes.look();
        return failsafes.buildsHeld;
      },
    },
  });
  failsafes.watchBuilds(builds);
  const harness = createHarness({
    ports: {
      sourceBuilds: builds,
      watchdog: watchdog.port,
      breakers: breakers({ failsafes, models: modelPorts(), watchdog: watchdog.port }),
    },
  });
  const view = async (): Promise<View> => {
    // `as`: the schema of the route.
    return (await bodyOf(await harness.send("GET", "/api/source-builds"))) as View;
  };
  const ask = async (body: object) => {
    const answer = await harness.send("POST", "/api/update", { source, ...body });
    return { status: answer.status, body: await bodyOf(answer) };
  };
  /** Asks for a build. @returns its row when it has ended. */
  const build = async (body: object = {}) => {
    const begun = await ask(body);
    if (begun.status !== 202) throw new Error(JSON.stringify(begun.body));
    return seen(async () => (await view()).builds.find(({ id }) => id === begun.body["build"]));
  };
  return { path, stateDir, source, builds, harness, watchdog, disk, view, ask, build };
}

function configOf(settings: Settings): Config {
  // `as`: each setting has its own default.
  const defaults = Object.fromEntries(SETTING_PATHS.map((path) => [path, SETTINGS[path].initial])) as Config;
  return { ...defaults, ...settings };
}

function mapped(parsed: ReturnType<typeof parseRootKeys>) {
  if (!parsed.ok) throw new Error(`${parsed.error} is no key`);
  return ok(parsed.value);
}

/** Its releases folder is real: signature, hash and version are checked. */
function stagingWatchdog(path: string, roots: readonly RootKey[]) {
  const store = new ReleaseStore({
    folder: path,
    clock: realClock,
    roots,
    target: TARGET,
    wishes: () => ({ channel: null, pinned: null, schema: { fleet: null, node: null } }),
    executableCheck: anyExecutable,
  });
  const history: { version: string; result: string }[] = [];
  const askedBy: unknown[] = [];
  const answer = async (from: string): Promise<JsonValue> => {
    valueOf(store.prepare());
    const staged = await store.stage(localSource(from), { id: "try-1", mayBeOlder: false, again: false });
    if (!staged.ok) throw new Error(staged.error.refusal.message);
    return { accepted: true, version: staged.value.version };
  };
  const port: WatchdogPort = {
    ask: async (action, body) => {
      if (action !== "update") return ok({ current: "0.1.0", swap: null, history: [...history] });
      // `as`: what SourceBuilds sends.
      const { from, askedBy: by } = body as { readonly from: string; readonly askedBy: string };
      askedBy.push(by);
      return ok(await answer(from));
    },
  };
  return { port, history, askedBy };
}

export function git(cwd: string, ...args: readonly string[]): void {
  const identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
  const done = spawnSync("git", [...identity, ...args], { cwd, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`git ${args.join(" ")}: ${done.stderr}`);
}

function makeSource(path: string): void {
  mkdirSync(join(path, "node_modules", ".bin"), { recursive: true });
  symlinkSync(process.execPath, join(path, "node_modules", ".bin", "bun"));
  writeFileSync(join(path, "package.json"), JSON.stringify({ name: "small", version: "0.3.0" }));
  writeFileSync(join(path, "program"), "#!/bin/sh\necho good\n");
  writeFileSync(join(path, ".gitignore"), "node_modules\n");
  git(path, "init", "--quiet");
  git(path, "add", ".");
  git(path, "commit", "--quiet", "-m", "first");
}
