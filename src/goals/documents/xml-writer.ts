import type { JsonValue } from "#base";
import type { Document } from "./document.ts";

/** What an element may be called; every other name stands in an attribute. */
export const ELEMENT_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;
/** Elements with a meaning of their own. */
export const ITEM = "item";
export const ENTRY = "entry";
/** What XML 1.0 has no way to write, and halves of characters. */
const UNSPEAKABLE = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;

/**
 * Writes a document as XML: an element for each field, `type` for what is no text. What is read back is equal. A text
 * that XML cannot hold is written as JSON.
 */
export function writeXml({ kind, body }: Document): string {
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>', `<${kind} version="1">`];
  for (const [name, value] of Object.entries(body)) writeField(name, value, 1, lines);
  lines.push(`</${kind}>`, "");
  return lines.join("\n");
}

function writeField(name: string, value: JsonValue, depth: number, lines: string[]): void {
  const isPlain = ELEMENT_NAME.test(name) && name !== ITEM && name !== ENTRY;
  if (isPlain) writeElement(name, "", value, depth, lines);
  else writeElement(ENTRY, ` name="${attribute(JSON.stringify(name))}"`, value, depth, lines);
}

function writeElement(tag: string, attributes: string, value: JsonValue, depth: number, lines: string[]): void {
  const indent = "  ".repeat(depth);
  const open = (type: string): string => `${indent}<${tag}${attributes}${type === "" ? "" : ` type="${type}"`}>`;
  if (value === null) {
    lines.push(`${indent}<${tag}${attributes} type="null"/>`);
  } else if (typeof value === "string") {
    const isSpeakable = !UNSPEAKABLE.test(value);
    const text = isSpeakable ? escaped(value) : escaped(asciiJson(value));
    lines.push(`${open(isSpeakable ? "" : "json")}${text}</${tag}>`);
  } else if (typeof value === "object") {
    const isList = Array.isArray(value);
    lines.push(open(isList ? "list" : "object"));
    if (isList) for (const item of value as readonly JsonValue[]) writeElement(ITEM, "", item, depth + 1, lines);
    // `as`, here and above: a list or an object of JSON
    else
      for (const [name, inner] of Object.entries(value as object))
        writeField(name, inner as JsonValue, depth + 1, lines);
    lines.push(`${indent}</${tag}>`);
  } else {
    lines.push(`${open(typeof value)}${JSON.stringify(value)}</${tag}>`);
  }
}

function escaped(text: string): string {
  return (
    text
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      // A reader turns a bare one into a line feed.
      .replaceAll("\r", "&#13;")
  );
}

function attribute(text: string): string {
  return asciiText(escaped(text).replaceAll('"', "&quot;").replaceAll("\n", "&#10;").replaceAll("\t", "&#9;"));
}

function asciiJson(text: string): string {
  return asciiText(JSON.stringify(text));
}

/** Half a character or a control character is an escape of JSON; DEL and the like may stay, XML knows them. */
function asciiText(json: string): string {
  return json.replaceAll(/[\uFFFE\uFFFF]/g, (one) => `\\u${one.charCodeAt(0).toString(16)}`);
}
