/** The short form of `bun run crash:swap`: three swaps, one of them a rollback, and all ten kinds of bad release. */
import { beforeAll, describe, expect, it } from "vitest";
import { BAD_KINDS, type BadReport } from "./bad-releases.ts";
import { restartControl, reusePortControl } from "./controls.ts";
import { runAll } from "./run.ts";
import type { SwapReport } from "./swapping.ts";

const GOAL = { swaps: 3, requests: 10_000 };
const LIMIT_MS = 300_000;
const CONTROL_SWAPS = 3;

let swap: SwapReport;
let bad: readonly BadReport[];

beforeAll(async () => {
  const done = await runAll(GOAL, {
    progress: console.log,
    bad: ({ kind, reason }) => console.log(`${kind}: ${reason}`),
  });
  swap = done.swap;
  bad = done.bad;
}, LIMIT_MS);

describe("releases that are swapped under load", () => {
  it("fail no request, cut no stream and leave no process", () => {
    expect(swap.load.failures).toEqual({});
    expect(swap.load.answered).toBeGreaterThanOrEqual(GOAL.requests);
    expect(swap.load.streamsCut).toBe(0);
    expect(swap.load.streamsEnded).toBeGreaterThanOrEqual(GOAL.swaps);
    expect(swap.swaps).toBe(GOAL.swaps);
    expect(swap.leftovers).toEqual([]);
  });

  it("are swapped one after another: who asks meanwhile is refused and disturbs nothing", () => {
    expect(swap.second).toEqual({ status: 409, code: "in_use" });
  });

  it("are not swapped by luck: two usual ways fail requests of the same load", async () => {
    const controls = [await reusePortControl(CONTROL_SWAPS), await restartControl(CONTROL_SWAPS)];

    for (const { load } of controls) expect(load.failed).toBeGreaterThan(0);
  });
});

describe("a bad release", () => {
  it.each(BAD_KINDS.map(({ name }) => name))("that is %s is not kept, and the one before goes on", (name) => {
    const report = bad.find(({ kind }) => kind === name);

    expect(report?.faults).toEqual([]);
  });
});
