/** What a schema found wrong, as faults with dotted paths and reasons a person can act on. Pure. */

import { z } from "zod";
import { type FieldFault, nearest } from "#base";

type Path = readonly PropertyKey[];

/**
 * @param schema the schema that refused the value, for suggestions; any other schema only loses the suggestions
 * @param at where the value stood in the request
 */
export function faultsOf(error: z.ZodError, schema: z.ZodType, at: Path = []): readonly FieldFault[] {
  return error.issues.flatMap((issue): FieldFault[] => {
    if (issue.code === "unrecognized_keys") {
      const known = knownFields(schema, issue.path);
      return issue.keys.map((key) => ({ path: dotted([...at, ...issue.path, key]), reason: unknownField(key, known) }));
    }
    return [{ path: dotted([...at, ...issue.path]), reason: reasonOf(issue) }];
  });
}

/** What zod says of its own accord names its types; what is written in a schema is left as it is. */
function reasonOf(issue: z.core.$ZodIssue): string {
  // The name of a record's field has its reason one level below.
  if (issue.code === "invalid_key") return issue.issues.map(({ message }) => message).join("; ");
  if (issue.code === "invalid_type" && issue.message.endsWith(", received undefined")) return "is missing";
  const isOption = issue.code === "invalid_value" && issue.message.startsWith("Invalid option");
  if (isOption) return `must be one of ${issue.values.map(String).join(", ")}`;
  if (issue.code === "too_big" && issue.origin === "string" && issue.message.startsWith("Too big")) {
    return `must have at most ${issue.maximum} characters`;
  }
  return issue.message;
}

export function unknownField(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  if (near !== undefined) return `unknown field; did you mean "${near}"?`;
  return known.length === 0 ? "unknown field" : `unknown field; known are ${known.join(", ")}`;
}

function dotted(path: Path): string {
  return path.map(String).join(".");
}

/** @returns the field names an object may have at `path` within values of `schema`. */
function knownFields(schema: z.core.$ZodType, path: Path): readonly string[] {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodUnion) {
    return [...new Set(inner.options.flatMap((option) => knownFields(option, path)))];
  }
  const [step, ...rest] = path;
  if (step === undefined) return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
  if (inner instanceof z.ZodArray) return knownFields(inner.element, rest);
  if (inner instanceof z.ZodObject) {
    // `as`: the shape of an object holds schemas.
    const field = (inner.shape as Record<string, z.core.$ZodType | undefined>)[String(step)];
    return field === undefined ? [] : knownFields(field, rest);
  }
  return [];
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable) {
    return unwrapped(schema.unwrap());
  }
  return schema;
}
