import { describe, expect, it } from "vitest";
import { type ProjectCommand, readToolRun } from "#repos";
import { pythonSyntaxOf } from "../../../../src/repos/scanning/module-syntax.ts";

const CHARS = 200_000;
/** A hundred times of what it takes; read in the square of its length, such a text takes a minute. */
const PATIENCE_MS = 2_000;

function timed(read: () => unknown): number {
  const beganMs = performance.now();
  read();
  return performance.now() - beganMs;
}

describe("text that is written to hold up its reader", () => {
  // `as`: of a command no more is read here.
  const command = { purpose: "test", command: ["make", "test"], program: "make" } as unknown as ProjectCommand;
  it.each([
    ["spaces", " ".repeat(CHARS)],
    ["a name without an end", `at ${"a.".repeat(CHARS / 2)}`],
    ["many ends of names", `at ${".js".repeat(CHARS / 3)}`],
    ["brackets", `at ${"(a".repeat(CHARS / 2)}`],
    ["a deep path", `${"a/".repeat(CHARS / 2)}x.ts:1:1: wrong`],
  ])("is read soon: output of %s", (_what, output) => {
    expect(timed(() => readToolRun({ command, exitCode: 1, output }, () => false))).toBeLessThan(PATIENCE_MS);
  });

  it("leaves the places of stack traces and compilers readable", () => {
    const output = [
      "Error: broken",
      "    at Object.<anonymous> (/checks/files/src/one.test.ts:3:7)",
      "    at async src/two.test.ts:9:1",
      "error: src/three.rs:4:2: mismatched",
      "  --> src/four.rs:5:6",
    ].join("\n");
    const reading = readToolRun({ command, exitCode: 1, output }, (path) => path.startsWith("src/"));
    const places = reading.kind === "findings" ? reading.findings.map(({ path, line }) => `${path}:${line}`) : [];
    expect(places).toEqual(["src/one.test.ts:3", "src/two.test.ts:9", "src/three.rs:4", "src/four.rs:5"]);
  });

  it.each([
    ["dots", `from ${".".repeat(CHARS)}`],
    ["lists without an end", "from a import (\n".repeat(CHARS / 16)],
  ])("is read soon: Python of %s", (_what, text) => {
    expect(timed(() => pythonSyntaxOf(text))).toBeLessThan(PATIENCE_MS);
  });

  it("leaves Python readable", () => {
    const { imports } = pythonSyntaxOf("from ..a.b import (c,\n  d)\nfrom . import e\nfrom x import *\n");
    expect(imports).toEqual([
      { specifier: "..a.b", names: ["c", "d"] },
      { specifier: ".", names: ["e"] },
      { specifier: "x", names: "*" },
    ]);
  });
});
