import { describe, expect, it } from "vitest";
import { stretchOf } from "../../support/patience.ts";

describe("a limit for what other processes do", () => {
  it("is stretched by what the machine has to do too much, and at most tenfold", () => {
    expect([stretchOf(0, 2), stretchOf(2, 2), stretchOf(5, 2), stretchOf(43, 2)]).toEqual([1, 1, 2.5, 10]);
  });
});
