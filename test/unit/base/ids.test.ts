import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createIdFactory, parseNodeId, parseScheduleId, parseTaskId, SimulatedClock, seededRandom } from "#base";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

function decode(id: string): bigint {
  return id
    .slice(id.indexOf("_") + 1)
    .split("")
    .reduce((value, digit) => value * 32n + BigInt(ALPHABET.indexOf(digit)), 0n);
}

describe("ids", () => {
  it("rise strictly and stay unique however the wall clock jumps", () => {
    const moves = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: -10_000, max: 10_000 })), {
      minLength: 1,
      maxLength: 200,
    });
    fc.assert(
      fc.property(moves, fc.integer(), (jumps, seed) => {
        const clock = new SimulatedClock();
        const ids = createIdFactory(clock, seededRandom(seed));

        const made = jumps.map((jumpMs) => {
          clock.jumpWall(jumpMs);
          return ids.task();
        });

        expect(made).toEqual([...new Set(made)].sort());
      }),
    );
  });

  it("go on rising when a hundred thousand are made in one millisecond from the highest draws", () => {
    const highest = { next: () => 1 - 2 ** -33, bytes: () => new Uint8Array() };
    const ids = createIdFactory(new SimulatedClock(), highest);

    let last = "";
    const falls: string[] = [];
    for (let count = 0; count < 100_000; count += 1) {
      const id = ids.task();
      if (id <= last) falls.push(`${id} follows ${last}`);
      last = id;
    }

    expect(falls).toEqual([]);
    expect(parseTaskId(last)).toBe(last);
  });

  it("are UUIDv7: 48 bits of time, version 7, variant 2", () => {
    const startMs = 0x1234_5678_9abc;
    const ids = createIdFactory(new SimulatedClock(startMs), seededRandom(7));

    const value = decode(ids.task());

    expect(value >> 80n).toBe(BigInt(startMs));
    expect((value >> 76n) & 0xfn).toBe(7n);
    expect((value >> 62n) & 3n).toBe(2n);
  });

  it("are read back only by the parser of their own kind", () => {
    const ids = createIdFactory(new SimulatedClock(), seededRandom(1));
    const [task, node, schedule] = [ids.task(), ids.node(), ids.schedule()];

    expect([parseTaskId(task), parseNodeId(node), parseScheduleId(schedule)]).toEqual([task, node, schedule]);
    expect([parseTaskId(node), parseNodeId(schedule), parseScheduleId(task)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it.each([
    ["nothing", ""],
    ["no prefix", "06aaaaaaaaaaaaaaaaaaaaaaaa"],
    ["a digit too few", "t_06aaaaaaaaaaaaaaaaaaaaaaa"],
    ["a digit too many", "t_06aaaaaaaaaaaaaaaaaaaaaaaaa"],
    ["a letter that is no digit", "t_06aaaaaaaaaaaaaaaaaaaaaaal"],
    ["more than 128 bits", "t_86aaaaaaaaaaaaaaaaaaaaaaaa"],
    ["upper case", "t_06AAAAAAAAAAAAAAAAAAAAAAAA"],
    ["a newline at the end", "t_06aaaaaaaaaaaaaaaaaaaaaaaa\n"],
  ])("refuse %s", (_why, text) => {
    expect(parseTaskId(text)).toBeUndefined();
  });
});
