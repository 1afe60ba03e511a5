import { readdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SimulatedClock } from "#base";
import { type BlobHash, type BlobLimits, DiskBlobStore, parseBlobHash } from "#fleet";
import { must } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { describeBlobStore } from "./conformance.ts";

const folder = temporaryFolders();
const limits: BlobLimits = { maxBlobBytes: 100, maxBytes: 150, held: () => undefined };

function pathOf(at: string, hash: BlobHash): string {
  return join(at, hash.slice(0, 2), hash.slice(2));
}

/** Another byte under the same length and the same time. */
function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes[0] = (bytes[0] ?? 0) ^ 0xff;
  writeFileSync(path, bytes);
}

describeBlobStore("on the disk", async (given, clock) => {
  const at = folder();
  const store = must(await DiskBlobStore.open({ folder: at, limits: given, clock }));
  return { store, damage: (hash) => flip(pathOf(at, hash)) };
});

describe("a store of blobs on the disk", () => {
  const content = new TextEncoder().encode("one two three");
  // `as`: its hash.
  const hash = parseBlobHash(new Bun.CryptoHasher("sha256").update(content).digest("hex")) as BlobHash;
  const open = async (at: string, clock = new SimulatedClock()) =>
    must(await DiskBlobStore.open({ folder: at, limits, clock }));

  test("goes on after a kill with what had arrived, and forgets what was only being made", async () => {
    const at = folder();
    const first = await open(at);
    must(await first.append(hash, { offset: 0, totalBytes: 13, bytes: content.slice(0, 5) }));
    writeFileSync(join(at, "begun", "adding-7"), "half");

    const second = await open(at);

    expect([must(await second.state(hash)), second.bytes()]).toEqual([{ kind: "begun", bytes: 5 }, 5]);
    expect(readdirSync(join(at, "begun"))).toEqual([hash]);
    expect(must(await second.append(hash, { offset: 5, totalBytes: 13, bytes: content.slice(5) })).kind).toBe("whole");
  });

  test("B1: what had arrived and was lost by a power failure costs a new beginning, never a wrong blob", async () => {
    const at = folder();
    const store = await open(at);
    must(await store.append(hash, { offset: 0, totalBytes: 13, bytes: content.slice(0, 5) }));
    truncateSync(join(at, "begun", hash), 0);
    truncateSync(join(at, "begun", hash), 5);

    const refusal = await store.append(hash, { offset: 5, totalBytes: 13, bytes: content.slice(5) });

    expect(refusal).toMatchObject({ ok: false, error: { code: "invalid" } });
    expect(must(await store.state(hash)).kind).toBe("absent");
  });

  test("B1: a byte that changes while nothing else of the file does is noticed within ten minutes", async () => {
    const at = folder();
    const clock = new SimulatedClock();
    const store = await open(at, clock);
    must(await store.append(hash, { offset: 0, totalBytes: 13, bytes: content }));
    const path = pathOf(at, hash);
    utimesSync(path, 1_000, 1_000);
    must(await store.read(hash, 0, 13));
    flip(path);
    utimesSync(path, 1_000, 1_000);

    clock.advance(600_000);

    expect(await store.read(hash, 0, 13)).toMatchObject({ ok: false, error: { code: "corrupt" } });
  });
});
