import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runParts } from "./cut.ts";
import { repository } from "./installer-world.ts";

const script = readFileSync(join(repository, "install.sh"));
/** Bytes before the end that are all tried: the line that starts everything, and what stands before it. */
const END_BYTES = 300;
/** Elsewhere, so that the suite stays quick; `bun run crash:install` tries every byte. */
const STRIDE_BYTES = 101;

/** A name that begins a line, such as a function's, can be cut into another name that means something. */
function isInName(length: number): boolean {
  const lineStart = script.lastIndexOf("\n", length - 1) + 1;
  return /^[a-z_]+$/.test(script.subarray(lineStart, length).toString());
}

describe("install.sh that was cut", () => {
  it("does nothing, wherever it ends", async () => {
    const lengths = Array.from({ length: script.length }, (_, length) => length).filter(
      (length) => length > script.length - END_BYTES || length % STRIDE_BYTES === 0 || isInName(length),
    );

    const { faults } = await runParts(script, lengths.slice(0, -1));

    expect(faults).toEqual([]);
  });

  it("is told from the whole: the whole runs programs", async () => {
    const { faults } = await runParts(script, [script.length]);

    expect(faults.join()).toContain("called uname");
  });

  it("would be found out without the braces: a cut before the arguments starts an installation", async () => {
    const unguarded = Buffer.from(script.toString().replace("\n{\n", "\n").replace('main "$@"; }', 'main "$@"'));

    const { faults } = await runParts(unguarded, [unguarded.lastIndexOf(' "$@"')]);

    expect(faults.join()).toContain("called uname");
  });

  it("would be found out without the braces: a function's name that is cut into another's calls that one", async () => {
    const unguarded = Buffer.from(script.toString().replace("\n{\n", "\n").replace('main "$@"; }', 'main "$@"'));

    const { faults } = await runParts(unguarded, [unguarded.indexOf("\nundo_unit() {") + "\nundo".length]);

    expect(faults.join()).toContain("called rm -rf");
  });

  it("ends in the one call that starts it", () => {
    expect(script.toString().endsWith('\n}\n\nmain "$@"; }\n')).toBe(true);
  });
});
