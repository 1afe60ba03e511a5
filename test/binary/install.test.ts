/** install.sh with the real executable: fetched, unpacked, checked, put in the place of an older one, and run from there. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { present } from "#base";
import { sourceVersion } from "../../build/revision.ts";
import { hostTarget } from "../../build/targets.ts";
import { InstallerWorld, repository } from "../install/installer-world.ts";
import { makeKeys, pemOf, writeRelease } from "../install/release-folder.ts";
import { serveReleases } from "../install/release-server.ts";
import { stubDrover } from "../install/stub-drover.ts";
import { BINARY } from "../support/binary-node.ts";

const LIMIT_MS = 120_000;
const OLD = "0.0.1";

let world: InstallerWorld;
afterEach(() => world.remove());

describe("install.sh with the real executable", () => {
  it("puts it in the place of an older one after its selftest, and takes it away again", {
    timeout: LIMIT_MS,
  }, async () => {
    world = new InstallerWorld();
    const keys = makeKeys();
    const releases = join(world.path, "releases");
    const version = sourceVersion(repository);
    const target = present(hostTarget(), "drover is built for this host").name;
    const targets = [target];
    writeRelease(join(releases, OLD), { version: OLD, executable: Buffer.from(stubDrover(OLD)), keys, targets });
    writeRelease(join(releases, "stable"), { version, executable: readFileSync(BINARY), keys, targets });
    const key = join(world.path, "root.pem");
    writeFileSync(key, pemOf(keys.root.publicKey));
    const server = serveReleases(releases);
    const args = ["--user", "--no-service", "--base-url", server.url, "--root-key", key, "--target", target];
    const before = world.tree();

    const old = await world.run([...args, "--version", OLD]);
    const upgraded = await world.run(args);
    await server.stop();
    const works = spawnSync(world.bin, ["--version"], { encoding: "utf8" }).stdout;
    const removed = await world.run([...args, "--uninstall", "--purge"]);

    expect([old.code, upgraded.code, removed.code]).toEqual([0, 0, 0]);
    expect(upgraded.output).toContain(`drover ${version} is installed; it replaces ${OLD}`);
    expect(upgraded.output).toContain("checked: signature, size and hash");
    expect(works.startsWith(`drover ${version} (`)).toBe(true);
    expect(world.tree()).toEqual(before);
  });
});
