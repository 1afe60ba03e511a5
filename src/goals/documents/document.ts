/** Documents of goals and of what belongs to them, as files. */
import type { JsonObject, JsonValue } from "#base";

export const DOCUMENT_KINDS = ["goal", "task", "proposal", "improvement", "state"] as const;
export type DocumentKind = (typeof DOCUMENT_KINDS)[number];
export const DOCUMENT_FORMATS = ["md", "toml", "xml"] as const;
export type DocumentFormat = (typeof DOCUMENT_FORMATS)[number];

/** What a document holds is checked by whoever takes it. */
export type Document = { readonly kind: DocumentKind; readonly body: JsonObject };

/** A goal with everything that belongs to it; what is longer is no document for people. */
export const MAX_DOCUMENT_CHARS = 1024 * 1024;
/** Schemas of checks are the deepest; nobody writes deeper ones. */
export const MAX_DOCUMENT_DEPTH = 32;
/** Elements, or values. */
export const MAX_DOCUMENT_VALUES = 20_000;

export function isKind(name: string): name is DocumentKind {
  return DOCUMENT_KINDS.some((kind) => kind === name);
}

/** @returns whether a value is within the limits of a document; why not, otherwise. */
export function documentFault(value: JsonValue): string | undefined {
  let values = 0;
  const look = (part: JsonValue, depth: number): string | undefined => {
    values += 1;
    if (values > MAX_DOCUMENT_VALUES) return `it holds more than ${MAX_DOCUMENT_VALUES} values`;
    if (depth > MAX_DOCUMENT_DEPTH) return `it is nested deeper than ${MAX_DOCUMENT_DEPTH} levels`;
    if (typeof part !== "object" || part === null) return undefined;
    for (const inner of Object.values(part)) {
      const fault = look(inner, depth + 1);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
  return look(value, 0);
}
