/** Reads values that another release may have written: each reader says what it wants and where it did not find it. */
import { err, ok, type Result } from "#base";

/** @returns the value, or what is wrong with it, beginning with the place: `treatments.0.id is no whole number`. */
export type Reader<T> = (value: unknown, at: string) => Result<T, string>;

/** The largest instant that a Date can show, in epoch milliseconds. */
const MAX_WHOLE = 8_640_000_000_000_000;

function wrong(at: string, what: string): Result<never, string> {
  return err(`${at === "" ? "it" : at} ${what}`);
}

export const whole: Reader<number> = (value, at) =>
  typeof value === "number" && Number.isInteger(value) && Math.abs(value) <= MAX_WHOLE
    ? ok(value)
    : wrong(at, "is no whole number");

export const flag: Reader<boolean> = (value, at) =>
  typeof value === "boolean" ? ok(value) : wrong(at, "is neither true nor false");

export function text(maxChars: number): Reader<string> {
  return (value, at) =>
    typeof value === "string" && value.length <= maxChars
      ? ok(value)
      : wrong(at, `is no text of at most ${maxChars} characters`);
}

export function choice<const Words extends readonly string[]>(words: Words): Reader<Words[number]> {
  return (value, at) => {
    const word = words.find((each) => each === value);
    return word === undefined ? wrong(at, `is none of ${words.join(", ")}`) : ok(word);
  };
}

export function nullable<T>(reader: Reader<T>): Reader<T | null> {
  return (value, at) => (value === null ? ok(null) : reader(value, at));
}

export function list<T>(reader: Reader<T>, max: number): Reader<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value) || value.length > max) return wrong(at, `is no list of at most ${max}`);
    const items: T[] = [];
    for (const [index, item] of value.entries()) {
      const read = reader(item, `${at}.${index}`);
      if (!read.ok) return read;
      items.push(read.value);
    }
    return ok(items);
  };
}

/** Fields that are not asked for are ignored: a newer release may have added some. */
export function record<Fields extends Readonly<Record<string, Reader<unknown>>>>(
  fields: Fields,
): Reader<{ readonly [Name in keyof Fields]: Fields[Name] extends Reader<infer T> ? T : never }> {
  return (value, at) => {
    if (typeof value !== "object" || value === null) return wrong(at, "is no object");
    const found: Record<string, unknown> = {};
    for (const [name, reader] of Object.entries(fields)) {
      const own: unknown = Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
      const read = reader(own, at === "" ? name : `${at}.${name}`);
      if (!read.ok) return read;
      found[name] = read.value;
    }
    // `as`: each field was read by its own reader.
    return ok(found as { readonly [Name in keyof Fields]: Fields[Name] extends Reader<infer T> ? T : never });
  };
}
