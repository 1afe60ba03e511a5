/** Builds of small repositories by commands of the test, through the API. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MARKER_NAME } from "#base";
import { git, type Settings, seen, sourceBuildWorld } from "../../../support/source-build-world.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { bodyOf } from "../../api/api-harness.ts";

const folder = temporaryFolders();
const world = (settings: Settings = {}) => sourceBuildWorld(folder(), settings);
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

  it("writes nothing through a link that its patch makes", async () => {
    const { build } = world();
    const outside = folder();
    const patch = `diff --git a/way b/way
new file mode 120000
--- /dev/null
+++ b/way
@@ -0,0 +1 @@
+${outside}
\\ No newline at end of file
`;

    const row = await build({ patch, changes: [{ path: "way/file", content: "out" }] });

    expect(row.reason).toContain("leads through a link");
    expect(readdirSync(outside)).toEqual([]);
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

  it("is refused of a folder that holds the state, with the key in it", async () => {
    const { ask, path } = world();

    expect(JSON.stringify((await ask({ source: `${path}/` })).body)).toContain("holds this node's state");
  });

  it.each([
    ["a second place", { from: "/x" }, "exclude each other"],
    ["a place that is not absolute", { source: "x" }, "absolute"],
    ["a patch without a source", { source: undefined, patch: "x" }, "goes with"],
  ])("is refused with %s", async (_name, body, message) => {
    const answer = await world().ask(body);

    expect([400, 422]).toContain(answer.status);
    expect(JSON.stringify(answer.body)).toContain(message);
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
