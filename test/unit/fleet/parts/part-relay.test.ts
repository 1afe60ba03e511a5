/** PR1…PR3 and PP1…PP3, on a simulated clock. */
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import {
  createIdFactory,
  err,
  type NodeId,
  ok,
  refused,
  retryable,
  SimulatedClock,
  seededRandom,
  silentLogger,
} from "#base";
import {
  FetchedParts,
  MemoryAttemptBlobs,
  MemoryBlobStore,
  type OwnParts,
  PartPusher,
  PartReader,
  PartRelay,
} from "#fleet";
import { failureIn, must } from "../../../support/opened-stores.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { Tasks } from "./parts-world.ts";

const folder = temporaryFolders();
const ids = createIdFactory(new SimulatedClock(), seededRandom(31));
const [node, hubNode] = [ids.node(), ids.node()];
const encoder = new TextEncoder();
const ALL = { maxBytes: 1_000, waitMs: 1_000 };

let clock: SimulatedClock;
let fetched: FetchedParts;
let told: NodeId[];
let relay: PartRelay;
let held: ReturnType<typeof retryable> | undefined;

beforeEach(() => {
  clock = new SimulatedClock();
  held = undefined;
  told = [];
  fetched = new FetchedParts({ folder: folder(), maxPartBytes: 500, held: () => held });
  relay = new PartRelay({ fetched, clock, tell: (whom) => told.push(whom), maxPartBytes: 500 });
});

function key() {
  return { taskId: ids.task(), attempt: 1, part: "output" as const, node };
}

function pushed(of: ReturnType<typeof key>, offset: number, text: string, sizeBytes: number | null, isWhole = false) {
  const { taskId, attempt, part } = of;
  return { taskId, attempt, part, offset, bytes: Buffer.from(text).toString("base64"), sizeBytes, isWhole };
}

/** Lets time pass until it is answered. */
async function passing<T>(work: Promise<T>, stepMs = 100): Promise<T> {
  const state = { isOver: false };
  void work.finally(() => {
    state.isOver = true;
  });
  for (let step = 0; step < 2_000; step += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    if (state.isOver) break;
    clock.advance(stepMs);
  }
  return work;
}

describe("the relay of a hub", () => {
  it("PR1: keeps what is sent at its place, once, whatever is repeated, late or ahead", async () => {
    const content = "abcdefghijklmnopqrstuvwxyz";
    const piece = fc.record({ offset: fc.nat(26), length: fc.nat(8) });

    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
        const of = key();
        void relay.read(of, { ...ALL, offset: 0, isEnded: false });
        for (const { offset, length } of pieces) {
          must(await relay.push(node, pushed(of, offset, content.slice(offset, offset + length), 26)));
        }
        const { wanted } = must(await relay.push(node, pushed(of, 99, "", 26)));

        const kept = must(await fetched.readBegun(of, 0, 100))?.bytes ?? new Uint8Array();
        expect(Buffer.from(kept).toString()).toBe(content.slice(0, wanted));
      }),
      { numRuns: 30 },
    );
  });

  it("PR2: wants nothing once nobody has read for ten seconds, and begins where it was when somebody does", async () => {
    const of = key();
    void relay.read(of, { ...ALL, offset: 0, isEnded: false });
    const first = must(await relay.push(node, pushed(of, 0, "one ", 4)));
    clock.advance(10_001);
    const later = must(await relay.push(node, pushed(of, 4, "two", 7)));
    void relay.read(of, { ...ALL, offset: 4, isEnded: false });
    const again = must(await relay.push(node, pushed(of, 0, "", 7)));

    expect([first, later, again]).toEqual([
      { wanted: 4, isFollowed: true },
      { wanted: 0, isFollowed: false },
      { wanted: 4, isFollowed: true },
    ]);
  });

  it("PR3: calls a part whole only when its node has said so and its attempt has ended", async () => {
    const of = key();
    void relay.read(of, { ...ALL, offset: 0, isEnded: false });
    must(await relay.push(node, pushed(of, 0, "one", 3, true)));

    const running = must(await passing(relay.read(of, { ...ALL, offset: 3, isEnded: false })));
    const ended = must(await relay.read(of, { ...ALL, offset: 0, isEnded: true }));

    expect(running).toMatchObject({ isWhole: false, sizeBytes: 3 });
    expect(ended).toEqual({ bytes: encoder.encode("one"), sizeBytes: 3, isWhole: true });
  });

  it("waits a second for more, gives what comes, and tells its node again when nothing does", async () => {
    const of = key();
    const first = relay.read(of, { ...ALL, offset: 0, isEnded: false });
    must(await relay.push(node, pushed(of, 0, "one", 3)));
    const nothing = must(await passing(relay.read(of, { ...ALL, offset: 3, isEnded: false })));
    const more = relay.read(of, { ...ALL, offset: 3, isEnded: false });
    must(await relay.push(node, pushed(of, 3, "two", 6)));

    expect(must(await first)?.bytes).toEqual(encoder.encode("one"));
    expect(nothing?.bytes.byteLength).toBe(0);
    expect(must(await more)?.bytes).toEqual(encoder.encode("two"));
    expect(told).toEqual([node]);
  });

  it("says that a node does not answer after six seconds of silence, having told it more than once", async () => {
    const of = key();

    const away = failureIn(await passing(relay.read(of, { ...ALL, offset: 0, isEnded: true })));

    expect(away).toMatchObject({ kind: "retryable", code: "unavailable" });
    expect(told.length).toBeGreaterThan(1);
  });

  it("does not have what its node does not have", async () => {
    const of = key();
    const read = relay.read(of, { ...ALL, offset: 0, isEnded: true });
    must(await relay.push(node, pushed(of, 0, "", null, true)));

    expect(must(await read)).toBeUndefined();
  });

  it("keeps no part that is too long, and nothing while the disk is low", async () => {
    const of = key();
    void relay.read(of, { ...ALL, offset: 0, isEnded: false });

    const tooLong = failureIn(await relay.push(node, pushed(of, 0, "x".repeat(501), 501)));
    held = retryable("disk_full", "the disk is low");
    const full = failureIn(await relay.push(node, pushed(of, 0, "x", 501)));

    expect([tooLong.code, full.code]).toEqual(["too_large", "disk_full"]);
  });

  it("takes nothing of another node, and drops what lies on one that is removed", async () => {
    const of = key();
    void relay.read(of, { ...ALL, offset: 0, isEnded: false });

    const refusal = failureIn(await relay.push(hubNode, pushed(of, 0, "x", 1)));
    relay.drop(node);
    const after = must(await relay.push(node, pushed(of, 0, "x", 1)));

    expect(refusal.code).toBe("conflict");
    expect(after.isFollowed).toBe(false);
  });
});

describe("a reader", () => {
  const tasks = new Tasks();
  const own = { read: async () => ok(undefined), pack: async () => ok(undefined), isRunning: () => false } as OwnParts;

  it("names the node that has a log and does not answer", async () => {
    const limits = { maxBlobBytes: 1, maxBytes: 1, held: () => undefined };
    const reader = new PartReader({
      node: hubNode,
      find: tasks.find,
      own,
      fetched,
      store: new MemoryBlobStore(limits, clock, () => ""),
      blobs: new MemoryAttemptBlobs(),
      logger: silentLogger,
      nameOf: () => "gpu1",
      elsewhere: () => ({ kind: "relay", relay }),
    });
    const id = tasks.ended(tasks.running(node), node);

    const away = failureIn(await passing(reader.read({ taskId: id, attempt: 1, part: "output" }, 0, 10)));

    expect(away.message).toBe(`the output of attempt 1 of task ${id} lies on the node gpu1: its node does not answer`);
  });
});

describe("a node that is read", () => {
  type Push = Parameters<ConstructorParameters<typeof PartPusher>[0]["push"]>[0];
  let pushes: Push[];
  let file: string | undefined;
  let isRunning: boolean;
  let answer: (push: Push) => ReturnType<ConstructorParameters<typeof PartPusher>[0]["push"]>;
  let pusher: PartPusher;
  const of = key();

  beforeEach(() => {
    pushes = [];
    file = undefined;
    isRunning = true;
    answer = async ({ offset, bytes }) =>
      ok({ wanted: offset + Buffer.from(bytes, "base64").byteLength, isFollowed: true });
    const bytesAt = (offset: number): Uint8Array => Buffer.from(file ?? "").subarray(offset);
    pusher = new PartPusher({
      own: {
        read: async (_key, offset) =>
          ok(file === undefined ? undefined : { bytes: bytesAt(offset), sizeBytes: file.length }),
        pack: async () => ok(undefined),
        isRunning: () => isRunning,
      },
      push: (call) => {
        pushes.push(call);
        return answer(call);
      },
      clock,
      logger: silentLogger,
    });
  });

  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      clock.advance(100);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  it("sends what comes as it comes, and is heard of every two seconds besides", async () => {
    pusher.follow(of);
    await pass(300);
    file = "one";
    await pass(300);
    file = "one two";
    isRunning = false;
    await pass(2_500);
    pusher.stop();

    const said = pushes.map(({ offset, bytes, sizeBytes, isWhole }) => [
      offset,
      Buffer.from(bytes, "base64").toString(),
      sizeBytes,
      isWhole,
    ]);
    expect(said).toEqual([
      [0, "", null, false],
      [0, "one", 3, false],
      [3, " two", 7, true],
      [7, "", 7, true],
    ]);
  });

  it("PP1: begins where the hub wants it", async () => {
    file = "one two";
    answer = async ({ offset }) => ok({ wanted: offset === 0 ? 4 : 7, isFollowed: true });
    pusher.follow(of);
    await pass(500);
    pusher.stop();

    expect(pushes.map(({ offset }) => offset)).toEqual([0, 4]);
  });

  it("PP2: stops when nobody reads it any more, and can be told again", async () => {
    answer = async () => ok({ wanted: 0, isFollowed: false });
    pusher.follow(of);
    pusher.follow(of);
    await pass(5_000);
    const count = pushes.length;
    pusher.follow(of);
    await pass(200);

    expect([count, pushes.length, pusher.size]).toEqual([1, 2, 0]);
  });

  it.each([
    ["that does not answer, after half a minute", retryable("unavailable", "away"), 29_000, 33_000],
    ["that refuses it, at once", refused("too_large", "too long"), 0, 200],
  ])("PP2: gives a hub up %s", async (_name, failure, sendsMs, goneMs) => {
    answer = async () => err(failure);
    pusher.follow(of);
    if (sendsMs > 0) await pass(sendsMs);
    const before = pusher.size;
    await pass(goneMs - sendsMs);

    expect([before, pusher.size]).toEqual([1, 0]);
  });

  it("sends sixteen parts at once, no more", () => {
    for (let count = 0; count < 20; count += 1) pusher.follow(key());

    expect(pusher.size).toBe(16);
    pusher.stop();
  });
});
