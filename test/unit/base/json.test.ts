import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, type JsonValue } from "#base";

/** The same value with the fields of every object in reverse order. */
function reversed(value: JsonValue): JsonValue {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item: JsonValue) => reversed(item));
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, field]) => [name, reversed(field)]),
  );
}

describe("canonical JSON", () => {
  it("is valid JSON of an equal value, the same in whatever order fields were set", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const json = value as JsonValue; // `as`: fast-check makes JSON values only
        const text = canonicalJson(json);

        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(json)));
        expect(canonicalJson(reversed(json))).toBe(text);
      }),
    );
  });

  it("tells values apart that differ", () => {
    const values: readonly JsonValue[] = [
      null,
      0,
      "0",
      "",
      [],
      {},
      [[]],
      { a: null },
      { a: [] },
      false,
      [null],
      { b: null },
    ];

    expect(new Set(values.map(canonicalJson)).size).toBe(values.length);
  });
});
