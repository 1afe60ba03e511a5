/**
 * The whole way of a release: keys, `build/sign.ts release` of the real executable, a static file server, the stamped
 * install.sh, which fetches, checks and tests it and puts it in the place of an older one, and takes it away again.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { sourceVersion } from "../../build/revision.ts";
import { InstallerWorld, repository } from "../install/installer-world.ts";
import { serveReleases } from "../install/release-server.ts";
import { stubDrover } from "../install/stub-drover.ts";
import { BINARY } from "../support/binary-node.ts";

const LIMIT_MS = 180_000;
const OLD = "0.0.1";

let world: InstallerWorld;
afterEach(() => world.remove());

/** A program of build/, run in the folder of the world. @throws with what it said when it fails. */
function build(program: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(process.execPath, [join(repository, "build", program), ...args], {
    cwd: world.path,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
}

describe("install.sh with the real executable", () => {
  it("puts a signed release in the place of an older version, and takes it away again", {
    timeout: LIMIT_MS,
  }, async () => {
    world = new InstallerWorld();
    const version = sourceVersion(repository);
    build("sign.ts", "keys", "keys");
    mkdirSync(join(world.path, "dist"));
    copyFileSync(BINARY, join(world.path, "dist/drover"));
    mkdirSync(join(world.path, "releases"));
    const signer = ["--key", "keys/signing.key", "--certificate", "keys/signing.cert", "--channel", "stable"];
    build("sign.ts", "release", "dist", "releases/stable", ...signer);
    const server = serveReleases(join(world.path, "releases"));
    build("stamp-installer.ts", "--base-url", server.url, "--root-key", "keys/root.pub", "--out", "install.sh");
    writeFileSync(join(world.path, "old"), stubDrover(OLD));
    const script = join(world.path, "install.sh");
    const run = (...args: readonly string[]) => world.run(["--user", "--no-service", ...args], { script });
    const before = world.tree();

    const old = await run("--offline", join(world.path, "old"));
    const upgraded = await run("--require-signature");
    await server.stop();
    const works = spawnSync(world.bin, ["--version"], { encoding: "utf8" }).stdout;
    const removed = await run("--uninstall", "--purge");

    expect([old.code, upgraded.code, removed.code]).toEqual([0, 0, 0]);
    expect(upgraded.output).toContain(`drover ${version} is installed; it replaces ${OLD}`);
    expect(upgraded.output).toContain("checked: signature, size and hash");
    expect(works.startsWith(`drover ${version} (`)).toBe(true);
    expect(world.tree()).toEqual(before);
  });
});
