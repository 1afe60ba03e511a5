import { describe, expect, it } from "vitest";
import { validateJson } from "../../../src/execution/verification/json-schema.ts";
import { schemaFaults } from "../../../src/execution/verification/json-schema-keywords.ts";

const tree = {
  type: "object",
  properties: { next: { $ref: "#" }, value: { $ref: "#/$defs/small" } },
  $defs: { small: { maximum: 9 } },
};

describe("a JSON document against a schema", () => {
  it.each<[what: string, schema: unknown, valid: readonly unknown[], invalid: readonly unknown[]]>([
    ["true and false", true, [1, null, {}], []],
    ["false", false, [], [1, null]],
    ["type", { type: ["string", "null"] }, ["", null], [1, [], {}]],
    ["integer", { type: "integer" }, [1, 1.0, -3], [1.5, "1"]],
    ["enum and const by value", { enum: [{ a: 1, b: [2] }, "x"] }, [{ b: [2], a: 1 }, "x"], [{ a: 1 }, "y"]],
    ["const", { const: null }, [null], [0, false]],
    ["bounds without a type", { minimum: 3, exclusiveMaximum: 5 }, [3, 4.9, "any"], [2.9, 5]],
    ["multipleOf a fraction", { multipleOf: 0.1 }, [0.3, 1], [0.25]],
    ["lengths in characters", { minLength: 2, maxLength: 2 }, ["ab", "🙂🙂"], ["a", "abc"]],
    ["pattern", { pattern: "^a+$" }, ["aa", 1], ["b"]],
    [
      "items after a prefix",
      { prefixItems: [{ type: "string" }], items: { type: "number" } },
      [["a", 1], [], ["a"]],
      [[1], ["a", "b"]],
    ],
    [
      "unique items by value",
      { uniqueItems: true },
      [
        [1, "1"],
        [{ a: 1 }, { a: 2 }],
      ],
      [
        [
          { a: 1, b: 2 },
          { b: 2, a: 1 },
        ],
      ],
    ],
    ["contains", { contains: { type: "number" }, minContains: 2, maxContains: 2 }, [[1, 2, "a"]], [[1], [1, 2, 3]]],
    ["required without a type", { required: ["a"] }, [{ a: null }, "no object"], [{}]],
    ["a name of the prototype as a field", { required: ["constructor"] }, [{ constructor: 1 }], [{}]],
    [
      "closed objects",
      { properties: { a: {} }, patternProperties: { "^x": { type: "number" } }, additionalProperties: false },
      [{ a: 1, x1: 2 }],
      [{ b: 1 }, { x1: "2" }],
    ],
    ["propertyNames and counts", { propertyNames: { maxLength: 1 }, minProperties: 1 }, [{ a: 1 }], [{}, { ab: 1 }]],
    [
      "dependent fields",
      { dependentRequired: { a: ["b"] }, dependentSchemas: { c: { required: ["d"] } } },
      [{ a: 1, b: 1 }, {}],
      [{ a: 1 }, { c: 1 }],
    ],
    [
      "allOf and anyOf",
      { allOf: [{ minimum: 1 }, { maximum: 2 }], anyOf: [{ const: 1 }, { const: 2 }] },
      [1, 2],
      [0, 1.5],
    ],
    ["oneOf", { oneOf: [{ minimum: 1 }, { maximum: 2 }] }, [0, 3], [1.5]],
    ["not", { not: { type: "string" } }, [1], ["a"]],
    [
      "if, then, else",
      { if: { required: ["a"] }, then: { required: ["b"] }, else: { required: ["c"] } },
      [{ a: 1, b: 1 }, { c: 1 }],
      [{ a: 1 }, {}],
    ],
    [
      "recursive references",
      tree,
      [{ next: { next: { value: 3 } } }],
      [{ next: { next: { value: 10 } } }, { next: 1 }],
    ],
  ])("follows %s", (_what, schema, valid, invalid) => {
    expect(schemaFaults(schema)).toEqual([]);
    for (const value of valid) expect(validateJson(schema, value)).toEqual([]);
    for (const value of invalid) expect(validateJson(schema, value)).not.toEqual([]);
  });

  it("names where the first fault is", () => {
    const schema = { properties: { list: { items: { type: "number" } } } };

    expect(validateJson(schema, { list: [1, "x"] })).toEqual(["/list/1: must be number"]);
  });

  it("is not endless: a reference to itself and too much work are faults", () => {
    expect(validateJson({ $ref: "#" }, 1)).toEqual([": nested too deeply"]);
    const wide = {
      anyOf: Array.from({ length: 100 }, () => ({ $ref: "#/$defs/a" })),
      $defs: { a: { items: { const: 1 } } },
    };
    const late = (): boolean => true;
    expect(
      validateJson(
        wide,
        Array.from({ length: 1_000 }, () => 2),
        late,
      ),
    ).toEqual(["the validation took longer than its time limit"]);
  });

  it("does not run a pattern on a string so long that backtracking would take for ever", () => {
    expect(validateJson({ pattern: "a" }, "a".repeat(10_001))).not.toEqual([]);
  });
});

describe("a schema the check would misunderstand", () => {
  it.each([
    ["an unknown keyword", { unevaluatedProperties: false }],
    ["an unknown keyword deep inside", { properties: { a: { items: { $dynamicRef: "#x" } } } }],
    ["the draft-7 form of items", { items: [{ type: "string" }] }],
    ["the draft-4 form of exclusiveMinimum", { minimum: 1, exclusiveMinimum: true }],
    ["a type that does not exist", { type: "float" }],
    ["a reference out of the schema", { $ref: "https://example.invalid/schema" }],
    ["a reference to nothing", { $ref: "#/$defs/missing" }],
    ["a broken pattern", { pattern: "(" }],
    ["a name of the prototype as keyword", { constructor: 1 }],
    ["something that is no schema", { properties: { a: "string" } }],
  ])("is refused: %s", (_what, schema) => {
    expect(schemaFaults(schema)).not.toEqual([]);
  });
});
