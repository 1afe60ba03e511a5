/** What every store of blobs does; B1…B4 head src/fleet/blobs/blob-store.ts. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type Failure, retryable, SimulatedClock } from "#base";
import { type BlobHash, type BlobLimits, type BlobStore, parseBlobHash, readWholeBlob } from "#fleet";
import { failureIn, must } from "../../support/opened-stores.ts";
import { containing } from "../../unit/api/api-harness.ts";

export type BlobWorld = {
  readonly store: BlobStore;
  /** Changes what is kept behind the store's back. */
  readonly damage: (hash: BlobHash) => void;
};

const encoder = new TextEncoder();

function hashOf(bytes: Uint8Array): BlobHash {
  const hash = parseBlobHash(createHash("sha256").update(bytes).digest("hex"));
  if (hash === undefined) throw new Error("that is no hash");
  return hash;
}

async function* parts(...texts: readonly string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield encoder.encode(text);
}

export function describeBlobStore(
  name: string,
  open: (limits: BlobLimits, clock: SimulatedClock) => Promise<BlobWorld>,
): void {
  describe(`a store of blobs, ${name}`, () => {
    let held: Failure | undefined;
    const make = (limits: Partial<BlobLimits> = {}): Promise<BlobWorld> => {
      held = undefined;
      return open({ maxBlobBytes: 100, maxBytes: 150, held: () => held, ...limits }, new SimulatedClock());
    };
    const content = encoder.encode("one two three");
    const hash = hashOf(content);
    const piece = (from: number, to: number) => ({
      offset: from,
      totalBytes: content.byteLength,
      bytes: content.slice(from, to),
    });

    test("B2: takes a blob in pieces, has it whole with the last one, and gives any part of it", async () => {
      const { store } = await make();

      const before = must(await store.state(hash));
      const begun = must(await store.append(hash, piece(0, 4)));
      const unread = must(await store.read(hash, 0, 10));
      const whole = must(await store.append(hash, piece(4, 13)));

      expect([before, begun, whole]).toEqual([
        { kind: "absent", bytes: 0 },
        { kind: "begun", bytes: 4 },
        { kind: "whole", bytes: 13 },
      ]);
      expect(unread).toBeUndefined();
      expect(must(await store.read(hash, 4, 3))).toEqual({ bytes: encoder.encode("two"), totalBytes: 13 });
      expect(must(await store.read(hash, 13, 3))?.bytes.byteLength).toBe(0);
      expect(must(await readWholeBlob(store, hash))).toEqual(content);
      expect(store.bytes()).toBe(13);
    });

    test("B3: a piece of another place, or one more of a whole blob, changes nothing and is told the place", async () => {
      const { store } = await make();
      must(await store.append(hash, piece(0, 4)));

      const ahead = must(await store.append(hash, piece(8, 13)));
      const again = must(await store.append(hash, piece(0, 4)));
      must(await store.append(hash, piece(4, 13)));
      const late = must(await store.append(hash, piece(0, 13)));

      expect([ahead, again, late]).toEqual([
        { kind: "begun", bytes: 4 },
        { kind: "begun", bytes: 4 },
        { kind: "whole", bytes: 13 },
      ]);
    });

    test("B3: of two that send the same at once neither spoils it", async () => {
      const { store } = await make();

      await Promise.all([0, 0].map(() => store.append(hash, piece(0, 6))));
      await Promise.all([0, 0].map(() => store.append(hash, piece(6, 13))));

      expect(must(await readWholeBlob(store, hash))).toEqual(content);
      expect(store.bytes()).toBe(13);
    });

    test("B1: bytes of another hash are refused and dropped, and the blob can begin anew", async () => {
      const { store } = await make();
      const wrong = encoder.encode("one two four!");

      const refusal = failureIn(await store.append(hash, { offset: 0, totalBytes: 13, bytes: wrong }));
      const after = must(await store.state(hash));

      expect(refusal).toMatchObject({ kind: "refused", code: "invalid", message: containing(hash) });
      expect([after, store.bytes()]).toEqual([{ kind: "absent", bytes: 0 }, 0]);
      expect(must(await store.append(hash, piece(0, 13)))).toEqual({ kind: "whole", bytes: 13 });
    });

    test("B1: what was changed on the disk is never given out: it is removed, and can be sent again", async () => {
      const { store, damage } = await make();
      must(await store.append(hash, piece(0, 13)));
      must(await store.read(hash, 0, 5));

      damage(hash);
      const found = failureIn(await store.read(hash, 0, 5));

      expect(found).toMatchObject({ code: "corrupt" });
      expect(must(await store.read(hash, 0, 5))).toBeUndefined();
      expect(store.bytes()).toBe(0);
      expect(must(await store.append(hash, piece(0, 13)))).toEqual({ kind: "whole", bytes: 13 });
    });

    test("B4: refuses one that is too long for ever, and one that is too many at the moment", async () => {
      const { store } = await make({ maxBytes: 20 });
      const other = encoder.encode("another one");
      must(await store.append(hash, piece(0, 13)));

      const tooLong = failureIn(await store.append(hashOf(other), { offset: 0, totalBytes: 101, bytes: other }));
      const tooMany = failureIn(await store.append(hashOf(other), { offset: 0, totalBytes: 11, bytes: other }));
      must(await store.remove(hash));

      expect([tooLong, tooMany]).toMatchObject([
        { kind: "refused", code: "too_large", message: containing("101 bytes") },
        { kind: "retryable", code: "limit" },
      ]);
      expect(must(await store.append(hashOf(other), { offset: 0, totalBytes: 11, bytes: other })).kind).toBe("whole");
    });

    test("B4: takes nothing while there is no room, and goes on where it was afterwards", async () => {
      const { store } = await make();
      must(await store.append(hash, piece(0, 4)));

      held = retryable("disk_full", "the disk is low");
      const refusal = failureIn(await store.append(hash, piece(4, 13)));
      held = undefined;

      expect(refusal).toMatchObject({ kind: "retryable", code: "disk_full" });
      expect(must(await store.append(hash, piece(4, 13)))).toEqual({ kind: "whole", bytes: 13 });
    });

    test("keeps a content of its own under its hash, within the limits, once", async () => {
      const { store } = await make();

      const [first, again] = [
        must(await store.add(parts("one ", "two three"))),
        must(await store.add(parts("one two three"))),
      ];
      const refusal = failureIn(await store.add(parts("x".repeat(60), "x".repeat(60))));

      expect([first, again]).toEqual([
        { hash, bytes: 13 },
        { hash, bytes: 13 },
      ]);
      expect(refusal).toMatchObject({ code: "too_large" });
      expect(must(await store.list(hash.slice(0, 1)))).toMatchObject([{ hash, bytes: 13, isWhole: true }]);
      expect(must(await store.list(hash.startsWith("0") ? "1" : "0"))).toEqual([]);
      expect(store.bytes()).toBe(13);
    });

    test("keeps the empty content too", async () => {
      const { store } = await make();
      const empty = hashOf(new Uint8Array());

      const state = must(await store.append(empty, { offset: 0, totalBytes: 0, bytes: new Uint8Array() }));

      expect(state).toEqual({ kind: "whole", bytes: 0 });
      expect(must(await readWholeBlob(store, empty))).toEqual(new Uint8Array());
    });

    test("refuses a piece that reaches past the end that it names", async () => {
      const { store } = await make();

      const refusal = failureIn(await store.append(hash, { offset: 0, totalBytes: 5, bytes: content }));

      expect(refusal).toMatchObject({ code: "invalid" });
    });
  });
}
