import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Mutants, ROOT } from "./mutants.ts";
import { MUTATIONS } from "./mutations.ts";

/** The rules prove something only if they break when the code is broken. */
const mutants = new Mutants();
afterAll(() => mutants.end());

const AT_ONCE = 2;

describe("the rules of the simulated fleet", () => {
  it("know each defect's place: what it replaces stands exactly once", () => {
    const misplaced = MUTATIONS.filter(({ file, find, replace }) => {
      return readFileSync(join(ROOT, "src", file), "utf8").split(find).length !== 2 || find === replace;
    });

    expect(misplaced).toEqual([]);
  });

  it("break for every mutant, each by a rule that is meant for it", async () => {
    // Those of elections take longer: bun run sim:fleet --mutants --of election.
    const waiting = MUTATIONS.filter(({ isRare, of }) => isRare !== true && of !== "election").values();
    const wrong: string[] = [];
    const worker = async (): Promise<void> => {
      for (const mutation of waiting) {
        const { caught, output } = await mutants.play(mutation);
        if (mutation.caughtBy.some((rule) => rule === caught?.rule)) continue;
        wrong.push(`${mutation.name}: ${caught?.rule ?? "survived"}: ${output.slice(0, 500)}`);
      }
    };

    await Promise.all(Array.from({ length: AT_ONCE }, worker));

    expect(wrong).toEqual([]);
  }, 180_000);
});
