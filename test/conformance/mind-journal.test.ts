import { afterEach, describe, expect, it } from "vitest";
import { MemoryMindJournal, type MindJournal } from "#activities";
import { type Entry, newMind, replay } from "#fsm";
import type { Stores } from "#store";
import { must, openedStores } from "../support/opened-stores.ts";
import { temporaryFolders } from "../support/temporary-folder.ts";

const folder = temporaryFolders();
const open: Stores[] = [];

afterEach(async () => {
  for (const stores of open.splice(0)) await stores.close();
});

async function durable(dir = folder()): Promise<MindJournal> {
  const stores = await openedStores(dir);
  open.push(stores);
  return stores.mind;
}

const FIRST = newMind(1_000);

function entry(seq: number): Entry {
  return { seq, atMs: 1_000 + seq, by: "mind", kind: "stoodStill", missedMs: seq };
}

const some = (from: number, to: number): readonly Entry[] =>
  Array.from({ length: to - from + 1 }, (_one, index) => entry(from + index));

describe.each([
  ["in memory", async (): Promise<MindJournal> => new MemoryMindJournal()],
  ["in node.db", durable],
] as const)("the journal of a mind, %s", (_name, make) => {
  it("has nothing at first", async () => {
    const journal = await make();

    expect(must(journal.read())).toBeNull();
    expect(must(journal.page(null, 10))).toEqual([]);
    expect(must(journal.livedAtMs())).toBeNull();
    expect(must(journal.cares())).toEqual([]);
  });

  it("MJ1: gives back a snapshot and every entry after it", async () => {
    const journal = await make();
    must(journal.settle(FIRST, 100));
    must(journal.append(some(1, 2)));
    must(journal.append(some(3, 3)));

    expect(must(journal.read())).toEqual({ snapshot: FIRST, entries: some(1, 3) });
  });

  it("MJ2: takes no entry but the next", async () => {
    const journal = await make();
    must(journal.settle(FIRST, 100));
    must(journal.append(some(1, 2)));

    expect(() => journal.append([entry(2)])).toThrow("MJ2");
    expect(() => journal.append([entry(3), entry(5)])).toThrow("MJ2");
    expect(
      must(journal.read())
        ?.entries.map(({ seq }) => seq)
        .slice(0, 2),
    ).toEqual([1, 2]);
  });

  it("MJ3: reads only what lies behind a snapshot, and keeps as many before it as asked for", async () => {
    const journal = await make();
    must(journal.settle(FIRST, 100));
    must(journal.append(some(1, 8)));
    const mind = replay(FIRST, some(1, 6));

    must(journal.settle(mind, 2));

    expect(must(journal.read())).toEqual({ snapshot: mind, entries: some(7, 8) });
    expect(must(journal.page(null, 3)).map(({ seq }) => seq)).toEqual([8, 7, 6]);
    expect(must(journal.page(6, 10)).map(({ seq }) => seq)).toEqual([5]);
  });

  it("notes when the mind lived, and what healing undoes", async () => {
    const journal = await make();
    const key = { kind: "pausedKey", target: "deploy", untilMs: 9_000 } as const;
    const way = { kind: "claude", target: "*", untilMs: 8_000 } as const;

    must(journal.lived(5_000));
    must(journal.lived(6_000));
    must(journal.putCare(way));
    must(journal.putCare({ ...key, untilMs: 7_000 }));
    must(journal.putCare(key));
    must(journal.dropCare(way));
    must(journal.dropCare({ kind: "fallback", target: "*" }));

    expect(must(journal.livedAtMs())).toBe(6_000);
    expect(must(journal.cares())).toEqual([key]);
  });

  it("begins anew once it was set aside", async () => {
    const journal = await make();
    must(journal.settle(FIRST, 100));
    must(journal.append(some(1, 2)));

    must(journal.setAside());
    must(journal.settle(FIRST, 100));
    must(journal.append([entry(1)]));

    expect(must(journal.read())).toEqual({ snapshot: FIRST, entries: [entry(1)] });
  });
});

describe("the journal of a mind in node.db", () => {
  it("is there after the next start, and says what it cannot read", async () => {
    const dir = folder();
    const journal = await durable(dir);
    must(journal.settle(FIRST, 100));
    must(journal.append(some(1, 2)));
    await open.pop()?.close();

    const again = await durable(dir);

    expect(must(again.read())?.entries).toEqual(some(1, 2));
  });
});
