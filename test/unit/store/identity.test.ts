import { cpSync, existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Fingerprint, type IdentityChange, judgeIdentity } from "../../../src/store/identity.ts";
import { openedStores } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();

const here: Fingerprint = { path: "/state/fleet.db", inode: "1", machine: "a" };

describe("what happened to a database since it was last open", () => {
  const cases: readonly (readonly [string, Fingerprint | null, boolean, IdentityChange])[] = [
    ["nothing was noted", null, false, "created"],
    ["nothing differs", here, true, "same"],
    ["another file lies at its path", { ...here, inode: "2" }, true, "restored"],
    ["the same path is on another machine", { ...here, machine: "b" }, true, "copied"],
    ["the same file has another path", { ...here, path: "/old/fleet.db" }, false, "moved"],
    ["another file, and nothing at the old path", { ...here, path: "/old/fleet.db", inode: "2" }, false, "moved"],
    ["another file, and one at the old path", { ...here, path: "/old/fleet.db", inode: "2" }, true, "copied"],
    ["another machine, nothing at the old path here", { ...here, path: "/o", machine: "b" }, false, "copied"],
  ];
  it.each(cases)("is judged when %s", (_name, noted, oldPathExists, expected) => {
    expect(judgeIdentity(noted, here, oldPathExists)).toBe(expected);
  });
});

describe("a state directory", () => {
  it("keeps its uuid and epoch from start to start", async () => {
    const dir = folder();
    const first = await openedStores(dir);
    await first.close();

    const second = await openedStores(dir);
    await second.close();

    expect(first.identity.change).toBe("created");
    expect(second.identity).toMatchObject({ uuid: first.identity.uuid, epoch: 1, change: "same" });
    expect(second.nodeId).toBe(first.nodeId);
  });

  it("that was renamed is the same database with the same epoch", async () => {
    const dir = folder();
    const from = join(dir, "before");
    const first = await openedStores(from);
    await first.close();
    renameSync(from, join(dir, "after"));

    const second = await openedStores(join(dir, "after"));
    await second.close();

    expect(second.identity).toMatchObject({ uuid: first.identity.uuid, epoch: 1, change: "moved" });
  });

  it("that was copied gives fences of a higher epoch, and the original keeps its own", async () => {
    const dir = folder();
    const original = await openedStores(join(dir, "original"));
    await original.close();
    cpSync(join(dir, "original"), join(dir, "copy"), { recursive: true });

    const copy = await openedStores(join(dir, "copy"));
    const again = await openedStores(join(dir, "original"));
    await copy.close();
    await again.close();

    expect(copy.identity).toMatchObject({ uuid: original.identity.uuid, epoch: 2, change: "copied" });
    expect(again.identity).toMatchObject({ epoch: 1, change: "same" });
    expect(again.nodeId).toBe(original.nodeId);
    expect(copy.nodeId).not.toBe(original.nodeId);
  });

  it("whose database was replaced by a copy of itself gives fences of a higher epoch, once", async () => {
    const dir = folder();
    const first = await openedStores(dir);
    await first.close();
    cpSync(join(dir, "fleet.db"), join(dir, "saved.db"));
    renameSync(join(dir, "saved.db"), join(dir, "fleet.db"));

    const second = await openedStores(dir);
    await second.close();
    const third = await openedStores(dir);
    await third.close();

    expect(second.identity).toMatchObject({ uuid: first.identity.uuid, epoch: 2, change: "restored" });
    expect(third.identity).toMatchObject({ epoch: 2, change: "same" });
    expect(existsSync(join(dir, "fleet.db"))).toBe(true);
  });
});
