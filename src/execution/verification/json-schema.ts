import { type Fields, isFields, MAX_DEPTH, MAX_FAULTS, own, resolvePointer } from "./json-schema-keywords.ts";

/** Keyword evaluations per validation: seconds at worst, where `$ref` and `anyOf` could multiply without end. */
const MAX_STEPS = 5_000_000;
/** A backtracking pattern costs at most the square of this; longer strings with a `pattern` are a fault. */
const MAX_PATTERN_INPUT_CHARS = 10_000;

type Run = { readonly root: unknown; steps: number; readonly overTime: () => boolean };

/** A limit of the validator itself was passed: the document is neither valid nor invalid, and the check fails. */
class Exhausted extends Error {}

/**
 * Validates `value` against a schema that {@link schemaFaults} found usable.
 * @param overTime asked now and then; true stops the validation.
 * @returns the faults as `path: reason`, at most 20; empty when the value is valid.
 */
export function validateJson(
  schema: unknown,
  value: unknown,
  overTime: () => boolean = () => false,
): readonly string[] {
  try {
    return check({ root: schema, steps: 0, overTime }, schema, value, "", 0).slice(0, MAX_FAULTS);
  } catch (error) {
    if (error instanceof Exhausted) return [error.message];
    throw error;
  }
}

function check(run: Run, schema: unknown, value: unknown, at: string, depth: number): string[] {
  if (schema === true) return [];
  if (schema === false || !isFields(schema)) return [fault(at, "no value is allowed here")];
  run.steps += 1;
  if (run.steps > MAX_STEPS) throw new Exhausted("the schema takes too many steps on this document");
  if (run.steps % 1_024 === 0 && run.overTime()) throw new Exhausted("the validation took longer than its time limit");
  if (depth > MAX_DEPTH) throw new Exhausted(`${at}: nested too deeply`);
  const visit = (part: unknown, inner: unknown = value, step = ""): string[] =>
    check(run, part, inner, at + step, depth + 1);
  const faults = [...checkValue(schema, value, at), ...checkCombined(run.root, schema, visit, at)];
  if (typeof value === "number") faults.push(...checkNumber(schema, value, at));
  if (typeof value === "string") faults.push(...checkString(schema, value, at));
  if (Array.isArray(value)) faults.push(...checkArray(schema, value, at, visit));
  else if (isFields(value)) faults.push(...checkObject(schema, value, at, visit));
  return faults;
}

type Visit = (schema: unknown, value?: unknown, step?: string) => string[];

function fault(at: string, reason: string): string {
  return `${at === "" ? "/" : at}: ${reason}`;
}

function checkValue(schema: Fields, value: unknown, at: string): string[] {
  const faults: string[] = [];
  const type = own(schema, "type");
  if (type !== undefined) {
    const allowed: readonly unknown[] = Array.isArray(type) ? type : [type];
    if (!allowed.some((name) => hasType(value, name))) faults.push(fault(at, `must be ${allowed.join(" or ")}`));
  }
  const options = own(schema, "enum");
  if (Array.isArray(options) && !options.some((option) => sameJson(option, value))) {
    faults.push(fault(at, `must be one of ${shorten(options)}`));
  }
  if (Object.hasOwn(schema, "const") && !sameJson(schema["const"], value)) {
    faults.push(fault(at, `must be ${shorten(schema["const"])}`));
  }
  return faults;
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= 120 ? text : `${text.slice(0, 119)}…`;
}

function hasType(value: unknown, name: unknown): boolean {
  if (name === "null") return value === null;
  if (name === "array") return Array.isArray(value);
  if (name === "object") return isFields(value);
  if (name === "integer") return Number.isInteger(value);
  return typeof value === name;
}

/** Equality of JSON values: order of object keys does not matter (draft 2020-12, section 4.2.2). */
function sameJson(a: unknown, b: unknown): boolean {
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => sameJson(item, b[index]));
  }
  if (isFields(a)) {
    if (!isFields(b)) return false;
    const names = Object.keys(a);
    return (
      names.length === Object.keys(b).length &&
      names.every((name) => Object.hasOwn(b, name) && sameJson(a[name], b[name]))
    );
  }
  return a === b;
}

function checkCombined(root: unknown, schema: Fields, visit: Visit, at: string): string[] {
  const faults: string[] = [];
  const holds = (part: unknown): boolean => visit(part).length === 0;
  const list = (name: string): readonly unknown[] | undefined => {
    const value = own(schema, name);
    return Array.isArray(value) ? value : undefined;
  };
  const reference = own(schema, "$ref");
  if (typeof reference === "string") faults.push(...visit(resolvePointer(root, reference)));
  for (const part of list("allOf") ?? []) faults.push(...visit(part));
  const anyOf = list("anyOf");
  if (anyOf !== undefined && !anyOf.some(holds)) faults.push(fault(at, "matches none of the allowed forms (anyOf)"));
  const oneOf = list("oneOf");
  if (oneOf !== undefined) {
    const matching = oneOf.filter(holds).length;
    if (matching !== 1) faults.push(fault(at, `must match exactly one form (oneOf), matches ${matching}`));
  }
  const not = own(schema, "not");
  if (not !== undefined && holds(not)) faults.push(fault(at, "matches a form that is excluded (not)"));
  const condition = own(schema, "if");
  if (condition !== undefined) {
    const branch = own(schema, holds(condition) ? "then" : "else");
    if (branch !== undefined) faults.push(...visit(branch));
  }
  return faults;
}

function limits(
  schema: Fields,
  at: string,
  rules: readonly (readonly [keyword: string, broken: (limit: number) => boolean, reason: string])[],
): string[] {
  return rules.flatMap(([keyword, broken, reason]) => {
    const limit = own(schema, keyword);
    return typeof limit === "number" && broken(limit) ? [fault(at, `${reason} ${limit}`)] : [];
  });
}

function checkNumber(schema: Fields, value: number, at: string): string[] {
  return limits(schema, at, [
    ["minimum", (limit) => value < limit, "must be at least"],
    ["maximum", (limit) => value > limit, "must be at most"],
    ["exclusiveMinimum", (limit) => value <= limit, "must be more than"],
    ["exclusiveMaximum", (limit) => value >= limit, "must be less than"],
    // 0.3 / 0.1 is not whole in binary; a quotient within rounding of a whole number is one.
    ["multipleOf", (step) => Math.abs(value / step - Math.round(value / step)) > 1e-9, "must be a multiple of"],
  ]);
}

function checkString(schema: Fields, value: string, at: string): string[] {
  const length = Array.from(value).length; // Characters, not UTF-16 units (draft 2020-12, section 6.3.1).
  const faults = limits(schema, at, [
    ["minLength", (limit) => length < limit, "must have at least this many characters:"],
    ["maxLength", (limit) => length > limit, "must have at most this many characters:"],
  ]);
  const pattern = own(schema, "pattern");
  if (typeof pattern === "string" && !matches(pattern, value)) faults.push(fault(at, `must match ${shorten(pattern)}`));
  return faults;
}

function matches(pattern: string, value: string): boolean {
  return value.length <= MAX_PATTERN_INPUT_CHARS && new RegExp(pattern, "u").test(value);
}

function checkArray(schema: Fields, value: readonly unknown[], at: string, visit: Visit): string[] {
  const faults = limits(schema, at, [
    ["minItems", (limit) => value.length < limit, "must have at least this many items:"],
    ["maxItems", (limit) => value.length > limit, "must have at most this many items:"],
  ]);
  const prefix = own(schema, "prefixItems");
  const first: readonly unknown[] = Array.isArray(prefix) ? prefix : [];
  const items = own(schema, "items");
  for (const [index, item] of value.entries()) {
    const part = index < first.length ? first[index] : items;
    if (part !== undefined) faults.push(...visit(part, item, `/${index}`));
    if (faults.length >= MAX_FAULTS) return faults;
  }
  if (own(schema, "uniqueItems") === true && !allDifferent(value)) faults.push(fault(at, "must not repeat an item"));
  const contains = own(schema, "contains");
  if (contains !== undefined) {
    const count = value.filter((item, index) => visit(contains, item, `/${index}`).length === 0).length;
    const least = Number(own(schema, "minContains") ?? 1);
    if (count < least) faults.push(fault(at, `must contain ${least} matching items, contains ${count}`));
    faults.push(
      ...limits(schema, at, [["maxContains", (limit) => count > limit, "contains more matching items than"]]),
    );
  }
  return faults;
}

function allDifferent(items: readonly unknown[]): boolean {
  return new Set(items.map(canonical)).size === items.length;
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isFields(value)) return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

function checkObject(schema: Fields, value: Fields, at: string, visit: Visit): string[] {
  const names = Object.keys(value);
  const faults = limits(schema, at, [
    ["minProperties", (limit) => names.length < limit, "must have at least this many fields:"],
    ["maxProperties", (limit) => names.length > limit, "must have at most this many fields:"],
  ]);
  const map = (keyword: string): Fields => {
    const found = own(schema, keyword);
    return isFields(found) ? found : {};
  };
  const require = (required: unknown, reason: string): void => {
    for (const name of Array.isArray(required) ? required : []) {
      if (!Object.hasOwn(value, String(name))) faults.push(fault(at, `${reason} ${JSON.stringify(name)}`));
    }
  };
  require(own(schema, "required"), "must have the field");
  for (const [name, required] of Object.entries(map("dependentRequired"))) {
    if (Object.hasOwn(value, name)) require(required, `with ${JSON.stringify(name)} must have the field`);
  }
  for (const [name, part] of Object.entries(map("dependentSchemas"))) {
    if (Object.hasOwn(value, name)) faults.push(...visit(part));
  }
  const properties = map("properties");
  const byPattern = Object.entries(map("patternProperties"));
  const rest = own(schema, "additionalProperties");
  const nameSchema = own(schema, "propertyNames");
  for (const name of names) {
    const parts = Object.hasOwn(properties, name) ? [properties[name]] : [];
    for (const [pattern, part] of byPattern) if (matches(pattern, name)) parts.push(part);
    if (parts.length === 0 && rest !== undefined) parts.push(rest);
    for (const part of parts) faults.push(...visit(part, value[name], `/${name}`));
    if (nameSchema !== undefined) faults.push(...visit(nameSchema, name, `/${name}`));
    if (faults.length >= MAX_FAULTS) break;
  }
  return faults;
}
