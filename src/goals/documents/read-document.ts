import { err, type JsonObject, ok, type Result } from "#base";
import { type Document, type DocumentFormat, documentFault, isKind, MAX_DOCUMENT_CHARS } from "./document.ts";
import { writeToml } from "./toml-writer.ts";
import { readXml } from "./xml-reader.ts";
import { writeXml } from "./xml-writer.ts";

/** With the library for YAML, which a start goes without. */
const markdown = () => import("./markdown.ts");

/** @returns the values of a text in TOML; throws what is wrong with it. */
export type ParseToml = (text: string) => unknown;

export async function writeDocument(document: Document, format: DocumentFormat): Promise<Result<string, string>> {
  switch (format) {
    case "md":
      return ok((await markdown()).writeMarkdown(document));
    case "toml":
      return writeToml(document);
    case "xml":
      return ok(writeXml(document));
  }
}

/** @returns the document; or in words what is wrong. What it holds is not checked here. */
export async function readDocument(
  text: string,
  format: DocumentFormat,
  parseToml: ParseToml,
): Promise<Result<Document, string>> {
  switch (format) {
    case "md":
      return (await markdown()).readMarkdown(text);
    case "toml":
      return readToml(text, parseToml);
    case "xml":
      return readXml(text);
  }
}

function readToml(text: string, parseToml: ParseToml): Result<Document, string> {
  if (text.length > MAX_DOCUMENT_CHARS) return err(`it is longer than ${MAX_DOCUMENT_CHARS} characters`);
  let value: unknown;
  try {
    value = parseToml(text);
  } catch (cause) {
    return err(`it is not valid TOML: ${String(cause instanceof Error ? cause.message : cause).slice(0, 200)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return err("it is no table of TOML");
  // `as`: a table; dates are refused by whoever checks the fields
  const { kind = "goal", ...body } = value as JsonObject;
  if (typeof kind !== "string" || !isKind(kind)) return err(`kind ${JSON.stringify(kind)} is no kind of document`);
  const fault = documentFault(body);
  return fault === undefined ? ok({ kind, body }) : err(fault);
}
