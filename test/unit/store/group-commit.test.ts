import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createIdFactory, err, ok, type Result, refused, SimulatedClock, seededRandom } from "#base";
import type { QueueEvent, QueueTransaction } from "#queue";
import type { Stores } from "#store";
import { failureIn, must, openedStores } from "../../support/opened-stores.ts";
import { newTask } from "../../support/queue-world.ts";
import { readyRow } from "../../support/task-row.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const ids = createIdFactory(new SimulatedClock(), seededRandom(1));
let stores: Stores;

beforeEach(async () => {
  stores = await openedStores(folder());
});
afterEach(() => stores.close());

const note =
  (text: string) =>
  (tx: QueueTransaction): Result<string> => {
    tx.appendEvent({ atMs: 1, kind: "task.progress", taskId: null, data: { text } });
    return ok(text);
  };

const notes = async (): Promise<readonly unknown[]> =>
  must(await stores.queue.events(0, 500)).map((event) => event.data["text"]);

describe("group commit", () => {
  it("makes 32 commands that were called at once durable with one commit", async () => {
    const before = stores.commits();

    const results = await Promise.all(
      Array.from({ length: 32 }, (_, n) => stores.queue.transact("note", note(`${n}`))),
    );

    expect(stores.commits() - before).toBe(1);
    expect(results.map(must)).toEqual(Array.from({ length: 32 }, (_, n) => `${n}`));
    expect(await notes()).toEqual(Array.from({ length: 32 }, (_, n) => `${n}`));
  });

  it("does not make a lone command wait for others", async () => {
    let turns = 0;
    const count = (): void => {
      turns += 1;
      setImmediate(count);
    };
    setImmediate(count);

    await stores.queue.transact("note", note("alone"));

    expect(turns).toBeLessThanOrEqual(2);
  });

  it("answers a group of more commands than fit into one commit in order, with several", async () => {
    const before = stores.commits();

    await Promise.all(Array.from({ length: 600 }, (_, n) => stores.queue.transact("note", note(`${n}`))));

    expect(stores.commits() - before).toBeGreaterThanOrEqual(3);
    expect(await notes()).toEqual(Array.from({ length: 500 }, (_, n) => `${n}`));
  });

  it("rejects only the command of a group that throws, and keeps none of its writes", async () => {
    const calls = [
      stores.queue.transact("first", note("first")),
      stores.queue.transact("bad", (tx) => {
        note("from the bad one")(tx);
        throw new Error("a bug");
      }),
      stores.queue.transact("last", note("last")),
    ];

    const settled = await Promise.allSettled(calls);

    expect(settled.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(await notes()).toEqual(["first", "last"]);
  });

  it("rejects only the command whose writes the schema refuses, although they are written at the end", async () => {
    const bad = { ...readyRow(ids.task()), attempts: 4, attemptLimit: 3 };
    const calls = [
      stores.queue.transact("first", note("first")),
      stores.queue.transact("bad", (tx) => {
        tx.insertTask(bad, newTask(bad.id));
        return ok("never answered");
      }),
      stores.queue.transact("last", note("last")),
    ];

    const settled = await Promise.allSettled(calls);

    expect(settled.map((outcome) => outcome.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(must(await stores.queue.find(bad.id))).toBeUndefined();
    expect(await notes()).toEqual(["first", "last"]);
  });

  it("rejects a command that refuses after it wrote, and undoes what it wrote", async () => {
    const refusal = stores.queue.transact("late refusal", (tx) => {
      note("half done")(tx);
      return err(refused("invalid", "changed its mind"));
    });

    await expect(refusal).rejects.toThrow("refused after it wrote");
    expect(await notes()).toEqual([]);
  });

  it("gives a refusal back as a value, together with the successes of its group", async () => {
    const [refusal, success] = await Promise.all([
      stores.queue.transact("refuse", () => err(refused("conflict", "no"))),
      stores.queue.transact("note", note("yes")),
    ]);

    expect(refusal.ok).toBe(false);
    expect(must(success)).toBe("yes");
  });

  it("refuses as retryable when too many commands wait", async () => {
    const calls = Array.from({ length: 10_001 }, () => stores.queue.transact("read", () => ok(1)));

    const results = await Promise.all(calls);

    expect(results.at(-1)).toMatchObject({ ok: false, error: { kind: "retryable", code: "limit" } });
    expect(results.filter((result) => result.ok)).toHaveLength(10_000);
  });

  it("answers what waits when it is closed, and refuses what comes later", async () => {
    const waiting = stores.queue.transact("note", note("in time"));

    await stores.close();

    expect(must(await waiting)).toBe("in time");
    const late = await stores.queue.transact("note", note("late"));
    expect(failureIn(late).code).toBe("unavailable");
    const read = await stores.queue.lanes();
    expect(failureIn(read).code).toBe("unavailable");
  });
});

describe("events after a commit", () => {
  it("reach a listener once, numbered in the order of the commits and as they are stored", async () => {
    const heard: QueueEvent[] = [];
    stores.queue.subscribe((events) => heard.push(...events));

    await Promise.all(["a", "b", "c"].map((text) => stores.queue.transact("note", note(text))));
    await stores.queue.transact("note", note("d"));

    expect(heard.map((event) => [event.seq, event.data["text"]])).toEqual([
      [1, "a"],
      [2, "b"],
      [3, "c"],
      [4, "d"],
    ]);
    expect(must(await stores.queue.events(0, 10))).toEqual(heard);
  });

  it("are not announced by a command that fails, and leave no gap", async () => {
    const heard: QueueEvent[] = [];
    stores.queue.subscribe((events) => heard.push(...events));
    const bad = stores.queue.transact("bad", (tx) => {
      note("bad")(tx);
      throw new Error("a bug");
    });

    await expect(bad).rejects.toThrow("a bug");
    await stores.queue.transact("note", note("good"));

    expect(heard.map((event) => [event.seq, event.data["text"]])).toEqual([[1, "good"]]);
  });

  it("reach the other listeners and the caller when one listener throws", async () => {
    const heard: QueueEvent[] = [];
    stores.queue.subscribe(() => {
      throw new Error("a listener's bug");
    });
    stores.queue.subscribe((events) => heard.push(...events));

    expect(must(await stores.queue.transact("note", note("x")))).toBe("x");
    expect(heard).toHaveLength(1);
  });
});
