/**
 * A small and strict reader of the XML that documents are written in. No DOCTYPE, no entities but the five that every
 * reader knows and numbers of characters, no processing instructions, no namespaces: nothing that could fetch, unfold or
 * mean something else elsewhere. Everything has a limit.
 */
import { err, type JsonValue, ok, type Result } from "#base";
import { type Document, isKind, MAX_DOCUMENT_CHARS, MAX_DOCUMENT_DEPTH, MAX_DOCUMENT_VALUES } from "./document.ts";
import { ELEMENT_NAME, ENTRY, ITEM } from "./xml-writer.ts";

const KNOWN_ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const ALLOWED = /^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const MAX_ATTRIBUTES = 8;

class XmlFault extends Error {}

type Element = {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly Element[];
  readonly text: string;
};

/** @returns the document; or what is wrong, with the line. */
export function readXml(text: string): Result<Document, string> {
  if (text.length > MAX_DOCUMENT_CHARS) return err(`it is longer than ${MAX_DOCUMENT_CHARS} characters`);
  const reader = new Reader(text.startsWith("\uFEFF") ? text.slice(1) : text);
  try {
    const root = reader.document();
    if (!isKind(root.name)) return err(`<${root.name}> is no kind of document`);
    const version = root.attributes.get("version") ?? "1";
    if (version !== "1") return err(`version ${version.slice(0, 20)} of its form is not known`);
    for (const name of root.attributes.keys())
      if (name !== "version") throw new XmlFault(`<${root.name}> has no attribute ${name}`);
    return ok({ kind: root.name, body: fieldsOf(root) });
  } catch (cause) {
    if (cause instanceof XmlFault) return err(`line ${reader.line}: ${cause.message}`);
    throw cause;
  }
}

class Reader {
  readonly #text: string;
  #at = 0;
  #elements = 0;

  constructor(text: string) {
    this.#text = text.replaceAll("\r\n", "\n").replaceAll("\r", "\n");
  }

  get line(): number {
    return this.#text.slice(0, this.#at).split("\n").length;
  }

  document(): Element {
    if (!ALLOWED.test(this.#text)) throw new XmlFault("it holds characters that XML does not allow");
    const declaration = /^<\?xml version="1\.0"(?: encoding="[Uu][Tt][Ff]-8")?(?: standalone="yes")?\s*\?>/.exec(
      this.#text,
    );
    this.#at = declaration?.[0].length ?? 0;
    this.#between();
    if (!this.#looking("<")) throw new XmlFault("it does not begin with an element");
    const root = this.#element(0);
    this.#between();
    if (this.#at < this.#text.length) throw new XmlFault("something stands behind the end of the document");
    return root;
  }

  /** White space and comments. */
  #between(): void {
    for (;;) {
      while (/[ \t\n]/.test(this.#text[this.#at] ?? "")) this.#at += 1;
      if (!this.#looking("<!--")) return;
      this.#comment();
    }
  }

  #comment(): void {
    const end = this.#text.indexOf("-->", this.#at + 4);
    if (end < 0) throw new XmlFault("a comment has no end");
    this.#at = end + 3;
  }

  #element(depth: number): Element {
    if (depth > MAX_DOCUMENT_DEPTH) throw new XmlFault(`it is nested deeper than ${MAX_DOCUMENT_DEPTH} levels`);
    this.#elements += 1;
    if (this.#elements > MAX_DOCUMENT_VALUES) throw new XmlFault(`it holds more than ${MAX_DOCUMENT_VALUES} elements`);
    this.#refuseSpecial();
    this.#take("<");
    const name = this.#name();
    const attributes = this.#attributes();
    if (this.#looking("/>")) {
      this.#at += 2;
      return { name, attributes, children: [], text: "" };
    }
    this.#take(">");
    const children: Element[] = [];
    let text = "";
    for (;;) {
      if (this.#at >= this.#text.length) throw new XmlFault(`<${name}> has no end`);
      if (this.#looking("</")) break;
      if (this.#looking("<!--")) this.#comment();
      else if (this.#looking("<![CDATA[")) text += this.#characterData();
      else if (this.#looking("<")) children.push(this.#element(depth + 1));
      else text += this.#characters();
    }
    this.#at += 2;
    const closing = this.#name();
    if (closing !== name) throw new XmlFault(`<${name}> is ended by </${closing}>`);
    this.#space();
    this.#take(">");
    return { name, attributes, children, text };
  }

  #refuseSpecial(): void {
    if (this.#looking("<!DOCTYPE") || this.#looking("<!doctype")) throw new XmlFault("a DOCTYPE is not allowed");
    if (this.#looking("<!")) throw new XmlFault("declarations are not allowed");
    if (this.#looking("<?")) throw new XmlFault("processing instructions are not allowed");
  }

  #attributes(): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    for (;;) {
      const isApart = this.#space();
      if (this.#looking(">") || this.#looking("/>")) return found;
      if (!isApart) throw new XmlFault("a space is missing before an attribute");
      const name = this.#name();
      this.#space();
      this.#take("=");
      this.#space();
      const quote = this.#text[this.#at];
      if (quote !== '"' && quote !== "'") throw new XmlFault(`the value of ${name} is not in quotes`);
      const end = this.#text.indexOf(quote, this.#at + 1);
      if (end < 0) throw new XmlFault(`the value of ${name} has no end`);
      const raw = this.#text.slice(this.#at + 1, end);
      if (raw.includes("<")) throw new XmlFault(`the value of ${name} holds a <`);
      if (found.has(name)) throw new XmlFault(`attribute ${name} stands there twice`);
      if (found.size >= MAX_ATTRIBUTES) throw new XmlFault("an element has too many attributes");
      found.set(name, unescaped(raw.replaceAll(/[\t\n]/g, " ")));
      this.#at = end + 1;
    }
  }

  #characterData(): string {
    const end = this.#text.indexOf("]]>", this.#at);
    if (end < 0) throw new XmlFault("a CDATA section has no end");
    const text = this.#text.slice(this.#at + "<![CDATA[".length, end);
    this.#at = end + 3;
    return text;
  }

  #characters(): string {
    const next = this.#text.indexOf("<", this.#at);
    const end = next < 0 ? this.#text.length : next;
    const raw = this.#text.slice(this.#at, end);
    this.#at = end;
    if (raw.includes("]]>")) throw new XmlFault("]]> stands outside of a CDATA section");
    return unescaped(raw);
  }

  #name(): string {
    const match = /^[A-Za-z_][A-Za-z0-9_-]*/.exec(this.#text.slice(this.#at, this.#at + 65));
    const name = match?.[0] ?? "";
    if (!ELEMENT_NAME.test(name)) throw new XmlFault("a name is expected, of letters, digits, _ and -");
    this.#at += name.length;
    return name;
  }

  /** @returns whether there was any. */
  #space(): boolean {
    const from = this.#at;
    while (/[ \t\n]/.test(this.#text[this.#at] ?? "")) this.#at += 1;
    return this.#at > from;
  }

  #take(expected: string): void {
    if (!this.#looking(expected)) throw new XmlFault(`${expected} is expected`);
    this.#at += expected.length;
  }

  #looking(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }
}

function unescaped(text: string): string {
  return text.replaceAll(/&([^;&\s]{0,12})(;?)/g, (_all, name: string, end: string) => {
    if (end === "") throw new XmlFault("a bare & is not allowed; write &amp;");
    const known = KNOWN_ENTITIES[name];
    if (known !== undefined && Object.hasOwn(KNOWN_ENTITIES, name)) return known;
    const code = /^#(?:x([0-9A-Fa-f]{1,6})|(\d{1,7}))$/.exec(name);
    if (code === null) throw new XmlFault(`the entity &${name}; is not allowed`);
    const point = code[1] === undefined ? Number(code[2]) : Number.parseInt(code[1], 16);
    const character = point <= 0x10_ff_ff ? String.fromCodePoint(point) : "\u0000";
    if (!ALLOWED.test(character)) throw new XmlFault(`&${name}; is no character that XML allows`);
    return character;
  });
}

function fieldsOf(element: Element): { readonly [name: string]: JsonValue } {
  noText(element);
  const fields = new Map<string, JsonValue>();
  for (const child of element.children) {
    const name = fieldName(child);
    if (fields.has(name)) throw new XmlFault(`<${element.name}> holds ${name} twice`);
    fields.set(name, valueOf(child));
  }
  return Object.fromEntries(fields);
}

function fieldName({ name, attributes }: Element): string {
  if (name === ITEM) throw new XmlFault("<item> stands outside of a list");
  for (const attribute of attributes.keys()) {
    if (attribute !== "type" && !(attribute === "name" && name === ENTRY))
      throw new XmlFault(`<${name}> has no attribute ${attribute}`);
  }
  if (name !== ENTRY) return name;
  const given = jsonText(attributes.get("name") ?? "");
  if (given === undefined) throw new XmlFault("the name of an <entry> is a JSON text in quotes");
  return given;
}

function valueOf(element: Element): JsonValue {
  const type = element.attributes.get("type") ?? "";
  if (type !== "list" && type !== "object" && element.children.length > 0) {
    throw new XmlFault(`<${element.name}> holds elements; is type="object" or type="list" missing?`);
  }
  switch (type) {
    case "":
    case "string":
      return element.text;
    case "json": {
      const text = jsonText(element.text);
      if (text === undefined) throw new XmlFault(`<${element.name}> is no JSON text`);
      return text;
    }
    case "null":
      if (element.text.trim() !== "") throw new XmlFault(`<${element.name}> is null and holds a text`);
      return null;
    case "boolean":
      if (element.text !== "true" && element.text !== "false")
        throw new XmlFault(`<${element.name}> is neither true nor false`);
      return element.text === "true";
    case "number": {
      const value = Number(element.text);
      if (!NUMBER.test(element.text) || !Number.isFinite(value)) throw new XmlFault(`<${element.name}> is no number`);
      return value;
    }
    case "object":
      return fieldsOf(element);
    case "list":
      noText(element);
      return element.children.map((child) => {
        if (child.name !== ITEM) throw new XmlFault(`a list holds <item>, not <${child.name}>`);
        for (const name of child.attributes.keys())
          if (name !== "type") throw new XmlFault(`<item> has no attribute ${name}`);
        return valueOf(child);
      });
    default:
      throw new XmlFault(`type="${type.slice(0, 20)}" is not known`);
  }
}

function noText({ name, text }: Element): void {
  if (text.trim() !== "") throw new XmlFault(`<${name}> holds a text beside its elements`);
}

function jsonText(json: string): string | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "string" ? value : undefined;
  } catch {
    // Not JSON: no text either.
    return undefined;
  }
}
