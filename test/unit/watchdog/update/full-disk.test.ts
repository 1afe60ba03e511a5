/** A swap on a file system of its own that fills up. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { localSource } from "#watchdog";
import { advanceSwap, beginSwap, type Journal } from "../../../../src/watchdog/update/journal.ts";
import { type MountedFolder, mountedFolder } from "../../../support/mounted-folder.ts";
import { v, writeRelease } from "../../../support/releases.ts";
import { type SwapWorld, swapWorld } from "../../../support/swap-world.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
const [OLD, NEW] = [v("1.0.0"), v("2.0.0")];
const probe = mountedFolder(4096);
probe?.remove();
if (probe === undefined) console.warn("no file system can be mounted here: swaps on a full disk are not tried");
const mounts: MountedFolder[] = [];
afterEach(() => {
  for (const mount of mounts.splice(0)) mount.remove();
});

function mounted(): { readonly world: SwapWorld; readonly mount: MountedFolder } {
  const mount = mountedFolder(512 * 1024);
  if (mount === undefined) throw new Error("a file system could be mounted a moment ago");
  mounts.push(mount);
  return { mount, world: swapWorld(mount.path, OLD, new Map(), { freeBytes: () => Number.MAX_SAFE_INTEGER }) };
}

function fill(path: string): void {
  for (const bytes of [65_536, 4_096, 1]) {
    for (let left = true; left; ) {
      try {
        writeFileSync(join(path, "filler"), new Uint8Array(bytes), { flag: "a" });
      } catch {
        left = false; // Full for pieces of this size.
      }
    }
  }
}

describe.skipIf(probe === undefined)("on a full disk", () => {
  it("a release is refused for want of space, and the old one stays", async () => {
    const { world, mount } = mounted();
    const release = writeRelease(folder(), NEW, world.clock.nowMs(), world.publisher, {
      content: `#!/bin/sh\n${"#".repeat(9_999)}`,
    });
    fill(mount.path);

    const order = { askedBy: "a test", mayBeOlder: false, again: false };
    const done = await world.settle(world.swap.update(localSource(release), order));

    expect(done).toMatchObject({ ok: false, error: { reason: "no_space", code: "disk_full" } });
    expect(world.store.folder.linked("current")).toBe(OLD);
    expect(world.node.calls).toEqual([]);
  });

  it("a start goes on with the release on probation, although it cannot write that down", async () => {
    const { world, mount } = mounted();
    const { store, clock } = world;
    const staged = await store.stage(localSource(writeRelease(folder(), NEW, clock.nowMs(), world.publisher)), {
      id: "try-1",
      mayBeOlder: false,
      again: false,
    });
    expect(staged.ok && store.admit(staged.value).ok && store.switchTo(NEW, OLD).ok).toBe(true);
    store.writeJournal(onProbation());
    fill(mount.path);

    expect(world.swap.recover()).toMatchObject({ ok: true, value: { version: NEW, resume: true } });
  });

  it("a read-only disk does not keep the current release from being started", () => {
    const { world, mount } = mounted();
    mount.makeReadOnly();

    expect(world.swap.recover()).toMatchObject({ ok: true, value: { version: OLD, resume: false } });
    expect(world.store.writeJournal(onProbation())).toMatchObject({ ok: false, error: { reason: "folder_read_only" } });
  });
});

function onProbation(): Journal {
  const order = {
    id: "try-1",
    kind: "update",
    version: NEW,
    from: OLD,
    previousBefore: null,
    askedBy: "a test",
    minimumVersion: null,
  } as const;
  const events = [
    { kind: "verified" },
    { kind: "selftested" },
    { kind: "announced" },
    { kind: "drained", stateCopy: null },
    { kind: "switched" },
    { kind: "ready" },
  ] as const;
  return events.reduce<Journal>((journal, event) => advanceSwap(journal, event, 1), beginSwap(order, 1));
}
