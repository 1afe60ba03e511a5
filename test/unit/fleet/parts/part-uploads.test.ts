/** What is sent, in which order, and what is kept; on a simulated clock. */
import { beforeEach, describe, expect, it } from "vitest";
import {
  createIdFactory,
  err,
  ok,
  type Result,
  refused,
  retryable,
  SimulatedClock,
  seededRandom,
  silentLogger,
  type TaskId,
} from "#base";
import {
  type BlobState,
  type BlobStore,
  cryptography,
  MemoryAttemptBlobs,
  MemoryBlobStore,
  type OwnParts,
  PartCollection,
  type PartKey,
  PartUploads,
} from "#fleet";
import { must } from "../../../support/opened-stores.ts";

const ids = createIdFactory(new SimulatedClock(), seededRandom(41));
const node = ids.node();
const limits = { maxBlobBytes: 1_000, maxBytes: 10_000, held: () => undefined };

let clock: SimulatedClock;
let store: MemoryBlobStore;
let hub: BlobStore;
let blobs: MemoryAttemptBlobs;
let texts: Map<string, string>;
let sent: string[];
let epoch: number;
let obstacle: (key: PartKey) => Result<BlobState> | undefined;
let uploads: PartUploads;

beforeEach(() => {
  clock = new SimulatedClock();
  store = new MemoryBlobStore(limits, clock, cryptography.sha256);
  hub = new MemoryBlobStore(limits, clock, cryptography.sha256);
  blobs = new MemoryAttemptBlobs();
  texts = new Map();
  sent = [];
  epoch = 1;
  obstacle = () => undefined;
  uploads = makeUploads();
});

function nameOf({ taskId, part }: PartKey): string {
  return `${taskId}.${part}`;
}

async function* once(text: string): AsyncIterable<Uint8Array> {
  yield new TextEncoder().encode(text);
}

const own: OwnParts = {
  read: async () => ok(undefined),
  isRunning: () => false,
  pack: async (key) => {
    const text = texts.get(nameOf(key));
    if (text === undefined) return ok(undefined);
    return ok({ ...must(await store.add(once(text))), rawBytes: text.length, encoding: "none" as const });
  },
};

function makeUploads(): PartUploads {
  return new PartUploads({
    node,
    store,
    blobs,
    own,
    put: async (blob, piece) => {
      const refusal = obstacle(blob);
      if (refusal !== undefined) return refusal;
      if (piece.bytes.byteLength > 0) sent.push(texts.get(nameOf(blob)) ?? "");
      return hub.append(blob.hash, piece);
    },
    epoch: () => epoch,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
  });
}

function part(text: string | undefined, name: PartKey["part"] = "output", taskId: TaskId = ids.task()): PartKey {
  const key = { taskId, attempt: 1, part: name };
  if (text !== undefined) texts.set(nameOf(key), text);
  return key;
}

async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 250) {
    for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
    clock.advance(250);
  }
  for (let turn = 0; turn < 200; turn += 1) await Promise.resolve();
}

function waiting(): number {
  return must(blobs.unsent(epoch, 100)).length;
}

describe("uploads", () => {
  it("PU1, PU3: bring results first, then logs in their order, and keep of logs no second copy", async () => {
    must(uploads.want([part("a log"), part("another"), part("a result", "result")]));
    uploads.start();
    await pass(5_000);

    expect(sent).toEqual(["a result", "a log", "another"]);
    expect(waiting()).toBe(0);
    expect(must(await store.list(""))).toHaveLength(1);
    expect(must(await hub.list(""))).toHaveLength(3);
  });

  it("PU3: whoever waits for a result goes on when the hub has it, or when it does not come", async () => {
    uploads.start();
    const key = part("a result", "result");
    must(uploads.want([key]));
    const there = uploads.sent(key, 10_000);
    await pass(500);
    await there;
    const atMs = clock.monotonicMs();
    obstacle = () => err(retryable("timed_out", "away"));
    const other = part("another", "result");
    must(uploads.want([other]));
    const late = uploads.sent(other, 2_000);
    await pass(2_500);
    await late;

    expect(atMs).toBeLessThan(2_000);
    expect(waiting()).toBe(1);
  });

  it("go on by themselves when the hub is there again, with longer and longer pauses", async () => {
    let tries = 0;
    obstacle = () => {
      tries += 1;
      return err(retryable("unavailable", "away"));
    };
    must(uploads.want([part("a log")]));
    uploads.start();
    await pass(60_000);
    const whileAway = tries;
    obstacle = () => undefined;
    await pass(300_000);

    expect(whileAway).toBeGreaterThan(3);
    expect(whileAway).toBeLessThan(12);
    expect(sent).toEqual(["a log"]);
  });

  it("are not held up by one that the hub cannot take yet", async () => {
    const early = part("its report is to come");
    obstacle = (key) => (key.taskId === early.taskId ? err(retryable("unavailable", "not known")) : undefined);
    must(uploads.want([early, part("a log")]));
    uploads.start();
    await pass(1_000);

    expect(sent).toEqual(["a log"]);
    expect(waiting()).toBe(1);
  });

  it.each([
    ["refuses", refused("too_large", "too long"), 1],
    ["finds altered three times", refused("invalid", "another hash"), 3],
  ])("forget what a hub %s", async (_name, failure, times) => {
    let tries = 0;
    obstacle = () => {
      tries += 1;
      return err(failure);
    };
    must(uploads.want([part("a log")]));
    uploads.start();
    await pass(60_000);

    expect([tries, waiting()]).toEqual([times, 0]);
  });

  it("forget a log that is not there any more", async () => {
    must(uploads.want([part(undefined)]));
    uploads.start();
    await pass(500);

    expect([sent, waiting()]).toEqual([[], 0]);
  });

  it("PU1: send to the next hub what the one before had", async () => {
    must(uploads.want([part("a log"), part("a result", "result")]));
    uploads.start();
    await pass(2_000);
    epoch = 2;
    hub = new MemoryBlobStore(limits, clock, cryptography.sha256);
    await pass(62_000);

    expect(sent).toEqual(["a result", "a log", "a result", "a log"]);
  });

  it("PU2: send no byte of what the hub has already", async () => {
    must(uploads.want([part("the same"), part("the same")]));
    uploads.start();
    await pass(2_000);

    expect(sent).toEqual(["the same"]);
    expect(waiting()).toBe(0);
  });
});

describe("the collection of blobs", () => {
  const day = 24 * 3_600_000;
  let gone: Set<TaskId>;
  let collection: PartCollection;

  beforeEach(() => {
    gone = new Set();
    const known = async (tasks: readonly TaskId[]) => ok(new Set(tasks.filter((id) => !gone.has(id))));
    collection = new PartCollection({ store, blobs, known, maxBytes: 100, clock, logger: silentLogger });
  });

  async function keep(key: PartKey, text: string): Promise<void> {
    const { hash, bytes } = must(await store.add(once(text)));
    must(blobs.put({ ...key, node, hash, bytes, rawBytes: bytes, encoding: "none" }));
  }

  /** A round for each first digit of a hash. */
  async function collectAll(): Promise<void> {
    for (let digit = 0; digit < 16; digit += 1) await collection.collect(false);
  }

  async function kept(): Promise<number> {
    return must(await store.list("")).length;
  }

  it("removes what no task has any more, an hour after it came", async () => {
    const [first, second] = [part(""), part("")];
    await keep(first, "one");
    await keep(second, "two");
    gone.add(first.taskId);
    await collectAll();
    const atOnce = await kept();
    clock.advance(3_600_001);
    await collectAll();

    expect([atOnce, await kept()]).toEqual([2, 1]);
    expect(must(blobs.find(second))).toBeDefined();
  });

  it("keeps a blob that two attempts share until both are gone", async () => {
    const [first, second] = [part(""), part("")];
    for (const key of [first, second]) await keep(key, "the same");
    gone.add(first.taskId);
    clock.advance(day);
    await collectAll();
    const shared = await kept();
    gone.add(second.taskId);
    await collectAll();

    expect([shared, await kept()]).toEqual([1, 0]);
  });

  it("removes what has only begun a day after its last piece", async () => {
    const hash = must(await hub.add(once("whole elsewhere"))).hash;
    must(await store.append(hash, { offset: 0, totalBytes: 15, bytes: new TextEncoder().encode("whole") }));
    clock.advance(day);
    await collectAll();
    const within = await kept();
    clock.advance(1);
    await collectAll();

    expect([within, await kept()]).toEqual([1, 0]);
  });

  it("removes the oldest logs of too many, and more of them on a low disk; a result never", async () => {
    const result = part("", "result");
    await keep(result, "r".repeat(20));
    const logs = Array.from({ length: 5 }, () => part(""));
    for (const [index, key] of logs.entries()) await keep(key, String(index).repeat(18));
    await collection.collect(false);
    const usual = logs.map((key) => must(blobs.find(key)) !== undefined);
    await collection.collect(true);
    const low = logs.map((key) => must(blobs.find(key)) !== undefined);

    expect(usual).toEqual([false, false, true, true, true]);
    expect(low).toEqual([false, false, false, false, false]);
    expect(must(blobs.find(result))).toBeDefined();
  });
});
