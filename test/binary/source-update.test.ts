/** A node that updates itself from its own source: this repository's, built by the commands that are the default. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { command } from "../support/binary-command.ts";
import { type BinaryNode, BinaryWorld, type Environment, startBinaryNode } from "../support/binary-node.ts";

const ROOT = dirname(dirname(import.meta.dirname));
/** What the build reads. */
const PARTS = ["src", "build", "package.json", "bun.lock", "tsconfig.json"];
const PROBATION_MS = 300;

let world: BinaryWorld;
let watched: BinaryNode | undefined;

beforeEach(() => {
  world = new BinaryWorld();
});
afterEach(async () => {
  await watched?.kill();
  watched = undefined;
  world.remove();
});

/** The source as it stands, committed; whatever this tree has not committed itself would be left out otherwise. */
function makeSource(): string {
  const source = join(world.path, "source");
  mkdirSync(source);
  for (const part of PARTS) cpSync(join(ROOT, part), join(source, part), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(source, "node_modules"));
  writeFileSync(join(source, ".gitignore"), "node_modules\n");
  git(source, "init", "--quiet");
  git(source, "add", ".");
  git(source, "commit", "--quiet", "-m", "source");
  return source;
}

function git(cwd: string, ...args: readonly string[]): string {
  const identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
  const done = spawnSync("git", [...identity, ...args], { cwd, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`git ${args.join(" ")}: ${done.stderr}`);
  return done.stdout;
}

/** A change of the version, as an agent makes it in a tree of its own; the tree itself is as before afterwards. */
function makePatch(source: string): string {
  const path = join(source, "package.json");
  writeFileSync(path, readFileSync(path, "utf8").replace(/"version": "[^"]+"/, '"version": "77.1.0"'));
  const patch = join(world.path, "change.diff");
  writeFileSync(patch, git(source, "diff"));
  git(source, "checkout", "--quiet", ".");
  return patch;
}

async function start(env: Environment): Promise<BinaryNode> {
  watched = await startBinaryNode(world, { watched: true, env: { DROVER_HW_DISCOVER: "false", ...env } });
  return watched;
}

async function allowKey(): Promise<Environment> {
  const made = await command(world, ["release-key", "--json"]);
  // `as`: what the command prints; a missing field fails the start.
  const { file, publicKey } = JSON.parse(made.stdout) as { readonly file: string; readonly publicKey: string };
  return {
    DROVER_UPDATE_LOCAL_KEY_FILE: file,
    DROVER_UPDATE_PUBLIC_KEYS: publicKey,
    DROVER_UPDATE_PROBATION_MS: String(PROBATION_MS),
    // The tests of the repository take minutes; that they decide is what is tried here.
    DROVER_UPDATE_SOURCE_TEST: JSON.stringify(["grep", "-q", '"version": "77', "package.json"]),
  };
}

describe("a node with a key that its operator allowed", () => {
  it("builds, tests and signs its changed source, and becomes it; what does not build or pass is not taken", async () => {
    const source = makeSource();
    const patch = makePatch(source);
    const node = await start(await allowKey());

    const updated = await command(world, ["update", "--from-source", source, "--patch", patch]);
    const { body } = await node.request("GET", "/api/node");
    // A request in the moment in which the watchdog becomes the release, too, is answered with 503.
    const watchdog = async () => JSON.stringify((await node.request("GET", "/api/watchdog")).body);
    await expect.poll(watchdog, { timeout: 20_000, interval: 50 }).toMatch(/"version":"77\.1\.0-source/);
    const unchanged = await command(world, ["update", "--from-source", source]);
    const changes = [{ path: "src/main.ts", content: 'import "./missing.ts";\n' }];
    const broken = { source, changes, requestedBy: "an agent", checkOnly: true };
    for (let count = 0; count < 2; count += 1) {
      expect((await node.request("POST", "/api/update", broken)).status).toBe(202);
      await expect.poll(async () => (await buildsOf(node)).building, { timeout: 20_000, interval: 50 }).toBeNull();
    }
    const held = await command(world, ["update", "--from-source", source, "--patch", patch]);
    const [listed, doctor] = [await command(world, ["releases"]), await command(world, ["doctor"])];

    expect(updated.stderr).toContain("is built and tested, and is being installed");
    expect(updated.stdout).toMatch(/^drover 77\.1\.0-source\.\d+ runs\n$/);
    expect(JSON.stringify(body)).toMatch(/"version":"77\.1\.0-source\.\d+"/);
    expect(unchanged.stdout).toContain("update.source_test exited with code 1");
    expect(held.stderr).toContain("3 builds from source failed");
    expect([updated.code, unchanged.code, held.code]).toEqual([0, 1, 1]);
    expect(listed.stdout).toMatch(/built, committed/);
    expect(listed.stdout).toContain("missing.ts");
    expect(doctor.stdout).toContain("breaker builds: open");
    const { builds } = await buildsOf(node);
    expect(builds.map(({ result }) => result)).toEqual(["built", "failed", "failed", "failed"]);
  });
});

type BuildsView = {
  readonly building: object | null;
  readonly builds: readonly { readonly result: string; readonly reason: string | null }[];
};

async function buildsOf(node: BinaryNode): Promise<BuildsView> {
  const { body } = await node.request("GET", "/api/source-builds");
  return body as BuildsView; // `as`: the schema of the route
}

describe("a node without such a key", () => {
  it("builds nothing, and says what the operator has to do", async () => {
    await start({});

    const refused = await command(world, ["update", "--from-source", ROOT]);

    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("no key is allowed");
    expect(refused.stderr).toContain("drover release-key");
  });
});
