import { decodeBase64 } from "./base64.ts";

/**
 * Reads the fields of a JSON object that somebody else wrote. The first thing that is wrong is remembered for all
 * readers of the same text, and the values handed out after that are meaningless: look at {@link FieldReader.fault}
 * before using any. Unknown fields are ignored, since a newer signer may add some. Written by hand because the
 * watchdog loads no schema library.
 */
export class FieldReader {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #at: string;
  readonly #shared: { fault: string | undefined };

  private constructor(value: unknown, at: string, shared: { fault: string | undefined }) {
    this.#at = at;
    this.#shared = shared;
    this.#fields = isObject(value) ? value : {};
    if (!isObject(value)) this.#complain("", "is not an object");
  }

  /** @param text at most what the caller has bounded. */
  static ofJson(text: string): FieldReader {
    const shared = { fault: undefined };
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      value = undefined; // Not JSON: the constructor says that it is no object, which is all a reader can do with it.
    }
    return new FieldReader(value, "", shared);
  }

  /** What is wrong, with the name of the field: `files.0.bytes is not a whole number …`. */
  get fault(): string | undefined {
    return this.#shared.fault;
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined;
  }

  isNull(name: string): boolean {
    return this.#fields[name] === null;
  }

  /** One of some words; the first of them when it is none. */
  choice<const Words extends readonly [string, ...string[]]>(name: string, words: Words): Words[number] {
    const value = this.#fields[name];
    const word = words.find((each) => each === value);
    if (word === undefined) this.#complain(name, `is none of ${words.join(", ")}`);
    return word ?? words[0];
  }

  /** Adds a fault that only the caller can see. */
  complain(name: string, what: string): void {
    this.#complain(name, what);
  }

  text(name: string, pattern: RegExp, maxChars: number): string {
    const value = this.#fields[name];
    if (typeof value === "string" && value.length <= maxChars && pattern.test(value)) return value;
    this.#complain(name, typeof value === "string" ? "has a form that is not allowed" : "is not a text");
    return "";
  }

  base64(name: string, maxBytes: number): Uint8Array {
    const value = this.#fields[name];
    const bytes = typeof value === "string" && value.length <= (maxBytes + 2) * 2 ? decodeBase64(value) : undefined;
    if (bytes !== undefined && bytes.length <= maxBytes) return bytes;
    this.#complain(name, `is not base64 of at most ${maxBytes} bytes`);
    return new Uint8Array();
  }

  integer(name: string, min: number, max: number): number {
    const value = this.#fields[name];
    if (isWhole(value) && value >= min && value <= max) return value;
    this.#complain(name, `is not a whole number from ${min} to ${max}`);
    return min;
  }

  flag(name: string): boolean {
    const value = this.#fields[name];
    if (typeof value !== "boolean") this.#complain(name, "is neither true nor false");
    return value === true;
  }

  /** The objects of a list, at most `max` of them. */
  objects(name: string, max: number): readonly FieldReader[] {
    return this.#list(name, max).map(
      (item, index) => new FieldReader(item, `${this.#at}${name}.${index}.`, this.#shared),
    );
  }

  texts(name: string, pattern: RegExp, maxChars: number, max: number): readonly string[] {
    const list = this.#list(name, max);
    const texts = list.filter(
      (item): item is string => typeof item === "string" && item.length <= maxChars && pattern.test(item),
    );
    if (texts.length !== list.length) this.#complain(name, "holds something that is not allowed");
    return texts;
  }

  /** A pair `[lowest, highest]`; `[0, 0]` when it is none. */
  range(name: string, max: number): readonly [number, number] {
    const [low, high, ...more] = this.#list(name, 2);
    if (isWhole(low) && isWhole(high) && more.length === 0 && 0 <= low && low <= high && high <= max)
      return [low, high];
    this.#complain(name, `is not a pair of whole numbers from 0 to ${max}, the lower one first`);
    return [0, 0];
  }

  object(name: string): FieldReader {
    return new FieldReader(this.#fields[name], `${this.#at}${name}.`, this.#shared);
  }

  #list(name: string, max: number): readonly unknown[] {
    const value = this.#fields[name];
    if (Array.isArray(value) && value.length <= max) return value;
    this.#complain(name, `is not a list of at most ${max}`);
    return [];
  }

  #complain(name: string, what: string): void {
    const field = `${this.#at}${name}`.replace(/\.$/, "");
    this.#shared.fault ??= `${field === "" ? "the text" : field} ${what}`;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value);
}
