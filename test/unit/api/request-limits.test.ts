import { describe, expect, it } from "vitest";
import { SimulatedClock } from "#base";
import { parseBoundedJson } from "../../../src/api/json-shape.ts";
import { isAllowedOrigin } from "../../../src/api/origin.ts";
import { ClientTable, fullBucket, MAX_BACK_OFF_MS, QUIET_MS, takeToken } from "../../../src/api/rate-limit.ts";
import { readBody, readBytes } from "../../../src/api/request-body.ts";
import { nearest } from "../../../src/base/nearest.ts";
import { valueOf } from "./api-harness.ts";

const LIMIT = { perSecond: 1, burst: 2 };

/** Asks at each instant. @returns what was answered: 0 when allowed, else how long to wait. */
function waits(instantsMs: readonly number[]): readonly number[] {
  let bucket = fullBucket(LIMIT, 0);
  return instantsMs.map((nowMs) => {
    const decision = takeToken(bucket, LIMIT, nowMs);
    bucket = decision.bucket;
    return decision.allowed ? 0 : decision.retryAfterMs;
  });
}

describe("a token bucket", () => {
  it("allows a burst, then the rate", () => {
    expect(waits([0, 0, 1_000, 2_000, 2_500])).toEqual([0, 0, 0, 0, 1_000]);
  });

  it("asks one who goes on for twice as long each time, up to a bound", () => {
    const answers = waits([0, 0, 0, 1_000, 1_001, 2_001, 3_001, 4_001, 5_001, 6_001]);

    expect(answers).toEqual([0, 0, 1_000, 0, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
    expect(Math.max(...answers)).toBe(MAX_BACK_OFF_MS);
  });

  it("counts what arrives together as one refusal", () => {
    expect(waits([0, 0, 10, 20, 30])).toEqual([0, 0, 1_000, 990, 980]);
  });

  it("forgets refusals after a quiet time", () => {
    const quiet = 10 + 1_000 + QUIET_MS;

    expect(waits([0, 0, 10, quiet, quiet, quiet])).toEqual([0, 0, 1_000, 0, 0, 1_000]);
  });

  it("adds nothing when the clock stands or goes back", () => {
    expect(waits([5_000, 5_000, 5_000, 0])).toEqual([0, 0, 1_000, 6_000]);
  });
});

describe("the table of clients", () => {
  it("keeps clients apart and forgets the one not seen for longest when it is full", () => {
    const table = new ClientTable({ of: () => ({ perSecond: 0.001, burst: 1 }) }, 2);
    const ask = (address: string) => table.take("read", address, 0).allowed;

    const first = [ask("a"), ask("a"), ask("b"), ask("a")];
    const afterMore = [ask("c"), ask("a"), ask("b")];

    expect(first).toEqual([true, false, true, false]);
    expect(afterMore).toEqual([true, false, true]);
    expect(table.size).toBe(2);
  });
});

describe("a body that comes slowly", () => {
  it("is given up when its time is over, although each byte of it came in time", async () => {
    const clock = new SimulatedClock();
    let cancelled = false;
    const drip = new ReadableStream<Uint8Array>({
      pull: (out) => {
        clock.advance(1_000);
        out.enqueue(new Uint8Array(1));
      },
      cancel: () => {
        cancelled = true;
      },
    });
    const request = new Request("http://localhost/", {
      method: "POST",
      body: drip,
      headers: { "content-length": "1000000" },
    });

    const read = await readBytes(request, 2_000_000, { clock, limitMs: 10_000 });

    expect(read).toMatchObject({ ok: false, error: { message: expect.stringContaining("10000 ms") as unknown } });
    expect(cancelled).toBe(true);
  });
});

describe("a body", () => {
  const chunked = (chunks: readonly Uint8Array[], onCancel: () => void) =>
    new Request("http://localhost/", {
      method: "POST",
      body: new ReadableStream<Uint8Array>({
        pull: (controller) => {
          const next = chunks[sent];
          sent += 1;
          if (next === undefined) controller.close();
          else controller.enqueue(next);
        },
        cancel: onCancel,
      }),
    });
  let sent = 0;

  it("in chunks without a length is given up at its limit, not read to its end", async () => {
    sent = 0;
    let cancelled = false;
    const chunks = Array.from({ length: 100 }, () => new Uint8Array(10).fill(32));

    const read = await readBody(
      chunked(chunks, () => {
        cancelled = true;
      }),
      25,
    );

    expect(read).toMatchObject({ ok: false, error: { code: "too_large" } });
    expect(cancelled).toBe(true);
    expect(sent).toBeLessThan(6);
  });

  it("at its limit is read whole, also when a character is cut by a chunk", async () => {
    sent = 0;
    const bytes = new TextEncoder().encode("äöü");

    const read = await readBody(
      chunked([bytes.subarray(0, 1), bytes.subarray(1)], () => undefined),
      6,
    );

    expect(valueOf(read)).toBe("äöü");
  });

  it("that is not UTF-8 is refused", async () => {
    const read = await readBody(
      new Request("http://localhost/", { method: "POST", body: new Uint8Array([0xff, 0xfe]) }),
    );

    expect(read).toMatchObject({ ok: false, error: { code: "invalid" } });
  });
});

describe("JSON", () => {
  it("is taken up to its depth and refused one level deeper", () => {
    const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

    expect(parseBoundedJson(nested(40)).ok).toBe(true);
    expect(parseBoundedJson(nested(41)).ok).toBe(false);
  });

  it("cannot reach the prototype of what it is parsed into", () => {
    const parsed = valueOf(parseBoundedJson('{"__proto__":{"isAdmin":true}}'));

    expect((parsed as { isAdmin?: boolean }).isAdmin).toBeUndefined();
    expect(Object.getPrototypeOf({ ...(parsed as object) })).toBe(Object.prototype);
  });
});

describe("a suggestion", () => {
  it.each([
    ["titel", "title"],
    ["max_attempts", "maxAttempts"],
    ["Lane", "lane"],
    ["dependOn", "dependsOn"],
    ["zzz", undefined],
    ["", undefined],
    ["x".repeat(10_000), undefined],
  ])("for %.20s is %s", (given, expected) => {
    expect(nearest(given, ["title", "lane", "dependsOn", "maxAttempts"])).toBe(expected);
  });
});

describe("an origin", () => {
  it.each([
    [undefined, undefined, true],
    ["http://localhost:80", undefined, true],
    ["http://localhost", undefined, false],
    ["http://localhost:80.evil.example", undefined, false],
    ["file://", undefined, false],
    [undefined, "none", true],
    [undefined, "same-site", false],
  ])("%s with fetch site %s may change state: %s", (origin, site, expected) => {
    expect(isAllowedOrigin(origin, site, "localhost:80")).toBe(expected);
  });
});
