import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { mountedFolder } from "../support/mounted-folder.ts";
import { containing } from "./containing.ts";
import { InstallerWorld } from "./installer-world.ts";
import { NEW, OLD, workingVersion } from "./scenario.ts";
import { openSource } from "./source.ts";
import { stubDrover } from "./stub-drover.ts";

const LIMIT_MS = 90_000;
/** More than what install.sh wants to be left over. */
const DISK_BYTES = 16_000_000;
const source = openSource();
afterAll(source.close);

const probe = mountedFolder(DISK_BYTES);
probe?.remove();

describe.skipIf(probe === undefined)("install.sh on a full disk (needs the right to mount)", () => {
  /** The folder of the executable is a file system of its own, with this much room left after the old version. */
  async function withRoom(roomBytes: number, channel: string) {
    const disk = mountedFolder(DISK_BYTES);
    const world = new InstallerWorld();
    if (disk === undefined) throw new Error("the mount that worked a moment ago does not");
    const folder = join(world.root, "home/user/.local/bin");
    mkdirSync(folder, { recursive: true });
    try {
      expect(spawnSync("mount", ["--bind", disk.path, folder]).status).toBe(0);
      const args = ["--user", "--base-url", source.url];
      await world.run([...args, "--version", OLD]);
      const { bavail, bsize } = statfsSync(folder);
      writeFileSync(join(folder, "ballast"), Buffer.alloc(Math.max(0, bavail * bsize - roomBytes)));
      const ended = await world.run([...args, "--channel", channel]);
      return { code: ended.code, output: ended.output, works: workingVersion(world), active: world.active };
    } finally {
      spawnSync("umount", ["-l", folder]);
      disk.remove();
      world.remove();
    }
  }

  it("sees from the manifest that there is no room, and fetches nothing", { timeout: LIMIT_MS }, async () => {
    source.add("known", NEW);

    const ended = await withRoom(400_000, "known");

    expect(ended).toEqual({ code: 7, output: containing("are needed"), works: OLD, active: OLD });
    expect(source.server.asked.filter((path) => path.startsWith("/known/drover"))).toEqual([]);
  });

  it.each([0, 4_096, 40_960, 204_800])(
    "with %i bytes left: ends, says so, and leaves the old version",
    { timeout: LIMIT_MS },
    async (roomBytes) => {
      // Padding that does not pack, so that the fetch itself fills the disk.
      const padding = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))).toString("base64");
      const folder = source.add("large", NEW, {
        executable: Buffer.from(`${stubDrover(NEW)}exit\n${padding.repeat(4)}`),
      });
      // Without a manifest the sizes are unknown, and only the disk itself can say that it is full.
      const sums = readFileSync(join(folder, "SHA256SUMS"), "utf8").split("\n");
      writeFileSync(join(folder, "SHA256SUMS"), sums.filter((line) => !line.endsWith("manifest.json")).join("\n"));

      const ended = await withRoom(roomBytes, "large");

      expect({ code: ended.code, works: ended.works, active: ended.active }).toEqual({
        code: 7,
        works: OLD,
        active: OLD,
      });
    },
  );
});
