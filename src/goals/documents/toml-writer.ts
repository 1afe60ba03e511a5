import { err, type JsonObject, type JsonValue, ok, type Result } from "#base";
import type { Document } from "./document.ts";

const BARE_KEY = /^[A-Za-z0-9_-]{1,64}$/;

/** Writes a document as TOML, its kind first. @returns why not: TOML has no null. */
export function writeToml({ kind, body }: Document): Result<string, string> {
  const nothing = nullIn(body, "");
  if (nothing !== undefined) return err(`TOML has no way to say that ${nothing} is null; use xml`);
  const lines = [`kind = ${basicString(kind)}`];
  for (const [name, value] of Object.entries(body)) lines.push(`${key(name)} = ${inline(value)}`);
  return ok(`${lines.join("\n")}\n`);
}

function nullIn(value: JsonValue, path: string): string | undefined {
  if (value === null) return path;
  if (typeof value !== "object") return undefined;
  for (const [name, inner] of Object.entries(value)) {
    const found = nullIn(inner, path === "" ? name : `${path}.${name}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function inline(value: JsonValue): string {
  if (typeof value === "string") return basicString(value);
  if (typeof value === "number") return numberText(value);
  if (typeof value !== "object" || value === null) return String(value);
  // `as`, twice: a list or an object of JSON
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(inline).join(", ")}]`;
  const fields = Object.entries(value as JsonObject).map(([name, inner]) => `${key(name)} = ${inline(inner)}`);
  return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`;
}

/** A number with an exponent but no point is none of JavaScript's; a large whole one is written out. */
function numberText(value: number): string {
  if (Number.isSafeInteger(value)) return String(Object.is(value, -0) ? 0 : value);
  const text = String(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text.replace(/^(-?\d+)e/, "$1.0e");
}

function key(name: string): string {
  return BARE_KEY.test(name) ? name : basicString(name);
}

function basicString(text: string): string {
  return JSON.stringify(text).replaceAll("\u007F", "\\u007F");
}
