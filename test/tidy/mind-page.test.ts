import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MIND_PAGE, PART_NAMES, partsOf, withParts } from "./mind-page.ts";
import { root } from "./tree.ts";

const page = readFileSync(join(root, MIND_PAGE), "utf8");

describe("the page about the mind", () => {
  it("has every generated part once", () => {
    expect([...partsOf(page)].toSorted()).toEqual([...PART_NAMES].toSorted());
  });

  it("says what the source says; make it anew with: bun test/tidy/mind-page-main.ts", () => {
    expect(page).toBe(withParts(page));
  });
});
