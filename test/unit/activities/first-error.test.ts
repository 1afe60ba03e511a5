import { describe, expect, it } from "vitest";
import { firstErrorOf } from "../../../src/activities/healing/repository-health.ts";

describe("the first error of an output", () => {
  it.each([
    ["src/a.ts:3:5 - error TS1: no", { file: "src/a.ts", line: 3 }],
    ["error[E0308]: mismatched types\n  --> src/lib.rs:7:9", { file: "src/lib.rs", line: 7 }],
    ['  File "app/x.py", line 9\nValueError: error', { file: "app/x.py", line: 9 }],
    ["AssertionError: expected 1\n    at run (/w/test/b.test.ts:20:11)", { file: "/w/test/b.test.ts", line: 20 }],
    ["pkg/a.go:4:2: undefined: x", { file: "pkg/a.go", line: 4 }],
    ["make: error 2", { file: null, line: null }],
  ])("is told of by %j", (output, place) => {
    expect(firstErrorOf(output)).toMatchObject(place);
  });

  it("is none where nothing failed", () => {
    expect(firstErrorOf("all is well\n12 tests passed")).toBeNull();
  });
});
