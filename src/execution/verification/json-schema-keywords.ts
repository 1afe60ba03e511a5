/**
 * Which JSON Schemas (draft 2020-12) the check `json_schema` takes. A check must never pass because a keyword was not
 * understood, so a keyword outside this list is refused at submission: `unevaluated*`, `$dynamicRef`, anchors, references
 * outside the schema, and the draft-4 and draft-7 forms. (zod 4.6.7's `fromJSONSchema` was tried: without `type` it
 * ignores `required`, `minimum` and `contains` silently, and it refuses `if`, `not` and `dependentRequired`.)
 * `format` is an annotation, as the draft says.
 */

/** Faults reported per schema and per validation: enough to act on. */
export const MAX_FAULTS = 20;
/** `$ref` may be recursive; what is nested deeper than this is refused rather than risking the stack. */
export const MAX_DEPTH = 200;

type Shape =
  | "schema"
  | "schemaList"
  | "schemaMap"
  | "regexMap"
  | "number"
  | "positive"
  | "count"
  | "boolean"
  | "regex"
  | "names"
  | "namesMap"
  | "type"
  | "list"
  | "reference"
  | "any";

const KEYWORDS: Readonly<Record<string, Shape>> = {
  type: "type",
  enum: "list",
  const: "any",
  minimum: "number",
  maximum: "number",
  exclusiveMinimum: "number",
  exclusiveMaximum: "number",
  multipleOf: "positive",
  minLength: "count",
  maxLength: "count",
  pattern: "regex",
  items: "schema",
  prefixItems: "schemaList",
  minItems: "count",
  maxItems: "count",
  uniqueItems: "boolean",
  contains: "schema",
  minContains: "count",
  maxContains: "count",
  properties: "schemaMap",
  patternProperties: "regexMap",
  additionalProperties: "schema",
  propertyNames: "schema",
  required: "names",
  minProperties: "count",
  maxProperties: "count",
  dependentRequired: "namesMap",
  dependentSchemas: "schemaMap",
  allOf: "schemaList",
  anyOf: "schemaList",
  oneOf: "schemaList",
  not: "schema",
  if: "schema",
  then: "schema",
  else: "schema",
  $ref: "reference",
  $defs: "schemaMap",
  definitions: "schemaMap",
  $schema: "any",
  $id: "any",
  $comment: "any",
  title: "any",
  description: "any",
  default: "any",
  examples: "any",
  deprecated: "any",
  readOnly: "any",
  writeOnly: "any",
  format: "any",
};

const TYPES: readonly unknown[] = ["null", "boolean", "integer", "number", "string", "array", "object"];

export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

export function own(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** @returns what makes `schema` unusable for a check, one line each; empty when it can be used as it stands. */
export function schemaFaults(schema: unknown): readonly string[] {
  const faults: string[] = [];
  collectFaults(schema, schema, "#", faults, 0);
  return faults.slice(0, MAX_FAULTS);
}

function collectFaults(root: unknown, schema: unknown, at: string, faults: string[], depth: number): void {
  if (typeof schema === "boolean") return;
  if (!isFields(schema)) {
    faults.push(`${at}: a schema is an object or a boolean`);
    return;
  }
  if (depth > MAX_DEPTH) {
    faults.push(`${at}: nested too deeply`);
    return;
  }
  for (const [name, value] of Object.entries(schema)) {
    const where = `${at}/${name}`;
    const shape = Object.hasOwn(KEYWORDS, name) ? KEYWORDS[name] : undefined;
    if (shape === undefined) faults.push(`${where}: this keyword is not supported by the json_schema check`);
    else if (!wellFormed(root, shape, value)) faults.push(`${where}: not a valid value for this keyword`);
    else
      for (const [step, part] of subschemas(shape, value)) collectFaults(root, part, where + step, faults, depth + 1);
  }
}

function subschemas(shape: Shape, value: unknown): readonly (readonly [string, unknown])[] {
  if (shape === "schema") return [["", value]];
  if (shape === "schemaList" && Array.isArray(value)) return value.map((part, index) => [`/${index}`, part]);
  if ((shape === "schemaMap" || shape === "regexMap") && isFields(value)) {
    return Object.entries(value).map(([name, part]) => [`/${name}`, part]);
  }
  return [];
}

function wellFormed(root: unknown, shape: Shape, value: unknown): boolean {
  switch (shape) {
    case "schema":
      return typeof value === "boolean" || isFields(value);
    case "schemaList":
      return Array.isArray(value) && value.length > 0;
    case "schemaMap":
      return isFields(value);
    case "regexMap":
      return isFields(value) && Object.keys(value).every(isRegex);
    case "number":
      return Number.isFinite(value);
    case "positive":
      return typeof value === "number" && value > 0;
    case "count":
      return Number.isInteger(value) && Number(value) >= 0;
    case "boolean":
      return typeof value === "boolean";
    case "regex":
      return isRegex(value);
    case "names":
      return Array.isArray(value) && value.every((name) => typeof name === "string");
    case "namesMap":
      return isFields(value) && Object.values(value).every((names) => wellFormed(root, "names", names));
    case "type":
      return Array.isArray(value) ? value.every((name) => TYPES.includes(name)) : TYPES.includes(value);
    case "list":
      return Array.isArray(value);
    case "reference":
      return typeof value === "string" && resolvePointer(root, value) !== undefined;
    case "any":
      return true;
  }
}

function isRegex(value: unknown): boolean {
  if (typeof value !== "string") return false;
  try {
    new RegExp(value, "u");
    return true;
  } catch {
    return false;
  }
}

/** Follows `#` or `#/a/b` (RFC 6901) inside the schema. */
export function resolvePointer(root: unknown, reference: string): unknown {
  if (reference === "#") return root;
  if (!reference.startsWith("#/")) return undefined;
  let found: unknown = root;
  for (const raw of reference.slice(2).split("/")) {
    const name = raw.replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(found)) found = found[Number(name)];
    else if (isFields(found)) found = own(found, name);
    else return undefined;
  }
  return found;
}
