/** Builds of small repositories by commands of the test: real git, real sandbox, real keys, through the API. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { SourceBuilds as View, WatchdogPort } from "#api";
import { type JsonValue, MARKER_NAME, ok, seededRandom, silentLogger, sleep } from "#base";
import { localSource, parseRootKeys, ReleaseStore, type RootKey } from "#watchdog";
import { type Config, SETTING_PATHS, SETTINGS } from "../../../../src/runtime/config/settings.ts";
import { breakers } from "../../../../src/runtime/failsafes/breakers.ts";
import { Failsafes } from "../../../../src/runtime/failsafes/failsafes.ts";
import { makeLocalKey, readLocalKey } from "../../../../src/runtime/signing/local-key.ts";
import { SourceBuilds } from "../../../../src/runtime/source-build/source-builds.ts";
import { modelPorts } from "../../../support/model-ports.ts";
import { realClock } from "../../../support/real-clock.ts";
import { anyExecutable, TARGET } from "../../../support/releases.ts";
import { sandboxLauncher, sandboxPlan } from "../../../support/sandbox-plan.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { bodyOf, createHarness, valueOf } from "../../api/api-harness.ts";

const folder = temporaryFolders();
const LIMIT_MS = 20_000;
const POLL_MS = 10;

/** Waits until `look` finds something: the end of a build is announced to nobody. */
async function seen<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (const endMs = Date.now() + LIMIT_MS; Date.now() < endMs; await sleep(realClock, POLL_MS)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error(`waited ${LIMIT_MS} ms in vain`);
}

/** Copies the program of the source to where a build is looked for; the test of it asks for a word in it. */
const BUILD = ["sh", "-c", 'echo "building $1"; cp program "$2/drover"', "sh", "{version}", "{out}"];
const TEST = ["sh", "-c", "grep -q good program || { echo program is bad >&2; exit 3; }"];

type Settings = Partial<Config>;

/** A node whose watchdog stages what it is given, as a real one does, and swaps nothing. */
function world(settings: Settings = {}) {
  const path = folder();
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
    readKey: () => readLocalKey(config["update.local_key_file"], { roots, nowMs: realClock.nowMs() }),
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

function git(cwd: string, ...args: readonly string[]): void {
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

const PATCH = `diff --git a/program b/program
--- a/program
+++ b/program
@@ -1,2 +1,3 @@
 #!/bin/sh
 echo good
+echo changed
`;

describe("a build from source", () => {
  it("of the committed state with a patch becomes a signed release, which the watchdog takes", async () => {
    const { build, source, stateDir, watchdog } = world();
    writeFileSync(join(source, "program"), "not committed\n");

    const row = await build({ patch: PATCH, requestedBy: "improver" });

    expect(row).toMatchObject({ result: "built", reason: null, askedBy: "improver, through the API", swap: null });
    expect(row.version).toMatch(/^0\.3\.0-source\.\d+$/);
    expect(row.commit).toMatch(/^[0-9a-f]{40}$/);
    expect(row.changesSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(row.steps.map(({ step, ok: isOk }) => [step, isOk])).toEqual(
      ["copied", "changed", "built", "tested", "signed", "handedOver"].map((step) => [step, true]),
    );
    const [staged = ""] = readdirSync(join(stateDir, "releases")).filter((name) => name.startsWith(".staging"));
    expect(readFileSync(join(stateDir, "releases", staged, "drover"), "utf8")).toContain("echo changed");
    expect(watchdog.askedBy).toEqual([`build ${row.id}, for improver, through the API`]);
    expect(readFileSync(join(source, "program"), "utf8")).toBe("not committed\n");
    expect(existsSync(join(stateDir, "source-builds", row.id))).toBe(false);
  });

  it("of a folder without git takes its files, with files replaced, added and removed", async () => {
    const { build, path } = world({
      "update.source_test": ["sh", "-c", "test ! -e old && grep -q new a/b && test ! -e dist && ls -A"],
    });
    const plain = join(path, "plain");
    mkdirSync(join(plain, "dist"), { recursive: true });
    writeFileSync(join(plain, "program"), "good\n");
    writeFileSync(join(plain, "old"), "old\n");

    const changes = [
      { path: "a/b", content: "new\n" },
      { path: "old", content: null },
    ];
    const row = await build({ source: plain, changes, checkOnly: true });

    expect(row).toMatchObject({ result: "checked", commit: null });
    expect(readFileSync(join(plain, "old"), "utf8")).toBe("old\n");
  });

  it.each<[string, Settings, object, string, string]>([
    [
      "does not compile",
      { "update.source_build": ["sh", "-c", "echo no such name; exit 2"] },
      {},
      "exited with code 2",
      "no such name",
    ],
    [
      "fails its tests",
      {},
      { changes: [{ path: "program", content: "x" }] },
      "source_test exited with code 3",
      "program is bad",
    ],
    [
      "takes too long",
      { "update.source_build": ["sleep", "60"], "update.source_build_ms": 200 },
      {},
      "update.source_build_ms",
      "",
    ],
    ["leaves no executable", { "update.source_build": ["true"] }, {}, "left no file", ""],
    [
      "leaves a link to a file",
      { "update.source_build": ["sh", "-c", 'ln -s /bin/sh "$0/drover"', "{out}"] },
      {},
      "left no file",
      "",
    ],
    ["has a patch that does not apply", {}, { patch: PATCH.replaceAll("good", "bad") }, "does not apply", ""],
    ["changes a file outside", {}, { changes: [{ path: "../x", content: "" }] }, "no path below", ""],
  ])("that %s fails with its reason and its last lines", async (_name, settings, body, reason, output) => {
    const { build, view, watchdog } = world(settings);

    const row = await build(body);

    expect(row).toMatchObject({ result: "failed" });
    expect(row.reason).toContain(reason);
    expect(row.output).toContain(output);
    expect((await view()).building).toBeNull();
    expect(watchdog.askedBy).toEqual([]);
  });

  it("refuses a source with a link that leads out of it", async () => {
    const { build, source } = world();
    symlinkSync("/etc/passwd", join(source, "stolen"));
    git(source, "add", "stolen");
    git(source, "commit", "--quiet", "-m", "link");

    const row = await build();

    expect(row).toMatchObject({ result: "failed" });
    expect(row.reason).toContain("stolen is a link that leads out of it");
  });

  it("sees neither the key nor the state of its node, has no network, and changes nothing elsewhere", async () => {
    const probe = [
      'for file in "$STATE/local-release.key" "$STATE/token"; do cat "$file" && echo leak; done',
      'touch "$SOURCE/program" "$SOURCE/node_modules/x" && echo leak',
      "bash -c 'echo > /dev/tcp/127.0.0.1/1' 2>&1 | grep -q refused && echo leak",
      "echo probed; exit 9",
    ].join("\n");
    const { build, source, stateDir } = world({ "update.source_build": ["sh", "probe"] });
    const hooks = folder();
    writeFileSync(join(hooks, "post-checkout"), `#!/bin/sh\ntouch ${hooks}/ran\n`, { mode: 0o755 });
    git(source, "config", "core.hooksPath", hooks);
    writeFileSync(join(stateDir, "token"), "secret\n");
    const content = probe.replaceAll("$STATE", stateDir).replaceAll("$SOURCE", source);

    const row = await build({ changes: [{ path: "probe", content }] });

    expect(row.output).toContain("probed");
    expect(row.output).not.toMatch(/leak|secret/);
    expect(existsSync(join(hooks, "ran"))).toBe(false);
  });
});

describe("a build", () => {
  it.each<[string, Settings, string]>([
    ["has no key", { "update.local_key_file": "" }, "drover release-key"],
    ["trusts no root of its key", { "update.public_keys": [] }, "update.public_keys lacks"],
    ["is pinned to a version", { "update.pin": "1.0.0" }, "pinned to 1.0.0"],
  ])("is refused by a node that %s", async (_name, settings, message) => {
    const { ask, view } = world(settings);

    const answer = await ask({});

    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(JSON.stringify(answer.body)).toContain(message);
    expect((await view()).builds).toEqual([]);
  });

  it("is refused when others may read the key", async () => {
    const { ask, stateDir } = world();
    chmodSync(join(stateDir, "local-release.key"), 0o644);

    expect(JSON.stringify((await ask({})).body)).toContain("chmod 600");
  });

  it("is refused while the disk is low", async () => {
    const { ask, disk } = world();
    disk.freeBytes = 1;

    expect(await ask({})).toMatchObject({ status: 507, body: { code: "disk_full" } });
  });

  it("is not begun after three failures within an hour, until a person says so", async () => {
    const { ask, build, harness } = world({ "update.source_build": ["false"] });
    for (let count = 0; count < 3; count += 1) await build();

    const held = await ask({});
    const listed = await bodyOf(await harness.send("GET", "/api/breakers"));
    await harness.send("POST", "/api/breakers/builds/reset");
    const after = await build();

    expect(held).toMatchObject({ status: 429, body: { code: "limit" } });
    expect(listed["breakers"]).toContainEqual(expect.objectContaining({ name: "builds", state: "open", value: 3 }));
    expect(after.result).toBe("failed");
  });

  it("whose release was rolled back counts as one that failed", async () => {
    const { build, view, builds, watchdog } = world();
    const row = await build();

    const before = builds.recentFailures(Date.now());
    watchdog.history.push({ version: row.version ?? "", result: "rolledBack" });
    const [settled] = (await view()).builds;

    expect([before, builds.recentFailures(Date.now())]).toEqual([0, 1]);
    expect(settled?.swap).toBe("rolledBack");
  });

  it("runs alone, and ends with its node and all that it started", async () => {
    const { ask, builds, view, stateDir } = world({
      "update.source_build": ["sh", "-c", "setsid sleep 61.5 & sleep 61.5"],
    });
    await ask({});
    await seen(async () => ((await view()).building?.step === "built" ? true : undefined));

    const second = await ask({});
    await builds.stop();

    expect(second).toMatchObject({ status: 409, body: { code: "in_use" } });
    expect((await view()).builds).toMatchObject([{ result: "interrupted", reason: "the node was stopped" }]);
    expect(readdirSync(join(stateDir, "source-builds"))).toEqual(["history.ndjson"]);
  });

  it("that a killed node left is ended, recorded and removed by the next one", async () => {
    const { builds, view, stateDir } = world();
    const marker = "0123456789abcdef0123456789abcdef";
    const left = join(stateDir, "source-builds", "b-left-1");
    mkdirSync(join(left, "work"), { recursive: true });
    const draft = {
      id: "b-left-1",
      source: "/s",
      changesSha256: null,
      askedBy: "x",
      checkOnly: false,
      sandbox: "kernel",
    };
    writeFileSync(join(left, "build.json"), JSON.stringify({ ...draft, startedAtMs: 1, marker }));
    const child = spawn("sleep", ["62.5"], { env: { [MARKER_NAME]: marker }, detached: true, stdio: "ignore" });
    const ended = once(child, "exit");

    await builds.start();
    await ended;

    expect((await view()).builds).toMatchObject([{ id: "b-left-1", result: "interrupted" }]);
    expect(existsSync(left)).toBe(false);
  });
});
