/** A JSON document in which `{title}` and the like stand for what is told. Pure. */
import type { JsonValue } from "#base";
import type { OutgoingMessage } from "./message.ts";

const WORDS = ["id", "kind", "severity", "title", "text", "subject", "node", "time"] as const;
type Word = (typeof WORDS)[number];

const MAX_DEPTH = 16;

/** Each text of the template with its words replaced. What is told cannot change the document's shape. */
export function fillTemplate(template: JsonValue, message: OutgoingMessage): JsonValue {
  const values: Readonly<Record<Word, string>> = { ...message, time: new Date(message.atMs).toISOString() };
  return filled(template, values, 0);
}

function filled(template: JsonValue, values: Readonly<Record<Word, string>>, depth: number): JsonValue {
  if (typeof template === "string") {
    return template.replace(/\{([a-z]+)\}/g, (whole, name: string) => (isWord(name) ? values[name] : whole));
  }
  if (template === null || typeof template !== "object" || depth >= MAX_DEPTH) return template;
  if (Array.isArray(template)) return template.map((item: JsonValue) => filled(item, values, depth + 1));
  return Object.fromEntries(Object.entries(template).map(([name, item]) => [name, filled(item, values, depth + 1)]));
}

function isWord(name: string): name is Word {
  return WORDS.some((word) => word === name);
}
