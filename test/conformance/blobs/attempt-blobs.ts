/** What every record of the blobs of attempts does. */
import { afterEach, describe, expect, test } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom } from "#base";
import { type AttemptBlobs, type BlobHash, type PartBlob, type PartKey, parseBlobHash } from "#fleet";
import { must } from "../../support/opened-stores.ts";

const ids = createIdFactory(new SimulatedClock(), seededRandom(9));
const [early, late] = [ids.task(), ids.task()];
const node = ids.node();

function hash(digit: string): BlobHash {
  return parseBlobHash(digit.repeat(64)) as BlobHash; // `as`: 64 digits
}

function key(taskId = early, part: PartKey["part"] = "output", attempt = 1): PartKey {
  return { taskId, attempt, part };
}

function blob(digit: string, of: PartKey = key()): PartBlob {
  return { ...of, node, hash: hash(digit), bytes: 3, rawBytes: 9, encoding: "zstd" };
}

export function describeAttemptBlobs(
  name: string,
  open: () => Promise<{ readonly blobs: AttemptBlobs; readonly close: () => Promise<void> }>,
): void {
  describe(`the record of the blobs of attempts, ${name}`, () => {
    const opened: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const close of opened.splice(0)) await close();
    });
    const make = async (): Promise<AttemptBlobs> => {
      const { blobs, close } = await open();
      opened.push(close);
      return blobs;
    };

    test("finds the newest blob of a part, and none of another", async () => {
      const blobs = await make();
      must(blobs.put(blob("a"), 1));
      must(blobs.put(blob("b"), 2));

      expect(must(blobs.find(key()))).toEqual(blob("b"));
      expect(must(blobs.find(key(early, "steps")))).toBeUndefined();
      expect(must(blobs.find(key(early, "output", 2)))).toBeUndefined();
      expect(["a", "b"].map((digit) => must(blobs.uses(hash(digit))))).toEqual([false, true]);
    });

    test("gives what it keeps to each hub once that is to be offered, and keeps it", async () => {
      const blobs = await make();
      must(blobs.put(blob("a"), 1));
      const before = must(blobs.unsent(3, 10));
      must(blobs.wantKept());
      const first = must(blobs.unsent(3, 10));
      must(blobs.offered(key(), 3));

      expect([before, must(blobs.unsent(3, 10))]).toEqual([[], []]);
      expect(first).toMatchObject([{ ...key(), node, packed: { hash: hash("a") } }]);
      expect(must(blobs.unsent(4, 10))).toHaveLength(1);
      expect(must(blobs.find(key()))).toEqual(blob("a"));
    });

    test("gives what the hub has yet to get, results first, once per epoch", async () => {
      const blobs = await make();
      for (const of of [key(early, "steps"), key(early), key(late, "result"), key(early)]) {
        must(blobs.want(of, node, 1));
      }
      must(blobs.put(blob("a", key(late, "result")), 1));

      const first = must(blobs.unsent(3, 10));
      must(blobs.sent(key(late, "result"), 3));
      must(blobs.sent(key(early, "steps"), 3));

      expect(first).toMatchObject([key(late, "result"), key(early, "steps"), key(early)]);
      expect(first.map(({ packed }) => packed?.hash)).toEqual([hash("a"), undefined, undefined]);
      expect(must(blobs.unsent(3, 10))).toMatchObject([key(early)]);
      expect(must(blobs.unsent(4, 10))).toHaveLength(3);
      expect(must(blobs.unsent(4, 2))).toHaveLength(2);
    });

    test("forgets the blob of a log that was sent, and keeps that of a result", async () => {
      const blobs = await make();
      for (const [of, digit] of [
        [key(), "a"],
        [key(early, "result"), "b"],
      ] as const) {
        must(blobs.want(of, node, 1));
        must(blobs.put(blob(digit, of), 1));
        must(blobs.sent(of, 1));
      }

      expect(must(blobs.find(key()))).toBeUndefined();
      expect(must(blobs.find(key(early, "result")))?.hash).toBe(hash("b"));
      expect(["a", "b"].map((digit) => must(blobs.uses(hash(digit))))).toEqual([false, true]);
    });

    test("does not send what is only kept for others", async () => {
      const blobs = await make();
      must(blobs.put(blob("a"), 1));

      expect(must(blobs.unsent(9, 10))).toEqual([]);
    });

    test("lists tasks in pages, and forgets them with all their parts", async () => {
      const blobs = await make();
      for (const of of [key(late), key(early), key(early, "steps")]) must(blobs.put(blob("a", of), 1));

      const pages = [must(blobs.tasks(undefined, 1)), must(blobs.tasks(early, 5)), must(blobs.tasks(late, 5))];
      must(blobs.dropTasks([early]));
      must(blobs.drop(key(late, "steps")));

      expect(pages).toEqual([[early], [late], []]);
      expect(must(blobs.tasks(undefined, 5))).toEqual([late]);
      must(blobs.drop(key(late)));
      expect(must(blobs.uses(hash("a")))).toBe(false);
    });

    test("names the oldest logs, never a result", async () => {
      const blobs = await make();
      must(blobs.put(blob("c", key(late)), 1));
      must(blobs.put(blob("a", key(early, "result")), 2));
      must(blobs.put(blob("b", key(early)), 3));

      expect(must(blobs.oldestLogs(5)).map((log) => log.hash)).toEqual([hash("c"), hash("b")]);
      expect(must(blobs.oldestLogs(1)).map((log) => log.hash)).toEqual([hash("c")]);
    });
  });
}
