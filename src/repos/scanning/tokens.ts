/** Cuts a source text into words, strings and comments, well enough for every language whose marks are known. */
import type { Language } from "./languages.ts";

export type TokenKind = "word" | "number" | "string" | "pattern" | "mark" | "comment";
export type Token = { readonly kind: TokenKind; readonly text: string; readonly line: number };

const SPACE = /\s+/y;
const WORD = /[A-Za-z_$\u0080-\uffff][\w$\u0080-\uffff]*/y;
const NUMBER = /\d[\w.]*/y;
const REGEXP = /\/(?![/*])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
/** After these words a slash begins a pattern and divides nothing. */
const BEFORE_PATTERN = new Set([
  "return",
  "typeof",
  "case",
  "in",
  "of",
  "delete",
  "void",
  "throw",
  "new",
  "else",
  "do",
]);

/** Reads to the end whatever the text is; a string that never closes is taken for a mark. */
export function tokensOf(text: string, language: Language): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let line = 1;
  let last: Token | undefined; // that is no comment
  while (at < text.length) {
    const space = matchAt(SPACE, text, at);
    if (space !== undefined) {
      at += space.length;
      line += newlines(space);
      continue;
    }
    const token = nextToken(text, at, line, language, last);
    tokens.push(token);
    if (token.kind !== "comment") last = token;
    at += token.text.length;
    line += newlines(token.text);
  }
  return tokens;
}

function nextToken(text: string, at: number, line: number, language: Language, last: Token | undefined): Token {
  const comment = commentAt(text, at, language);
  if (comment !== undefined) return { kind: "comment", text: comment, line };
  const string = stringAt(text, at, language);
  if (string !== undefined) return { kind: "string", text: string, line };
  const word = matchAt(WORD, text, at);
  if (word !== undefined) return { kind: "word", text: word, line };
  const number = matchAt(NUMBER, text, at);
  if (number !== undefined) return { kind: "number", text: number, line };
  if (language.modules === "script" && text[at] === "/" && mayBePattern(last)) {
    const pattern = matchAt(REGEXP, text, at);
    if (pattern !== undefined) return { kind: "pattern", text: pattern, line };
  }
  const width = (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  return { kind: "mark", text: text.slice(at, at + width), line };
}

function mayBePattern(last: Token | undefined): boolean {
  if (last === undefined) return true;
  if (last.kind === "word") return BEFORE_PATTERN.has(last.text);
  return last.kind === "mark" && !")]}".includes(last.text);
}

function commentAt(text: string, at: number, { lineComments, blockComment }: Language): string | undefined {
  for (const start of lineComments) {
    if (!text.startsWith(start, at)) continue;
    // `$#` and `color: #fff` are none.
    if (start === "#" && at > 0 && !/\s|[;(]/.test(text[at - 1] ?? "")) continue;
    const end = text.indexOf("\n", at);
    return text.slice(at, end === -1 ? text.length : end);
  }
  if (blockComment === null || !text.startsWith(blockComment[0], at)) return undefined;
  const end = text.indexOf(blockComment[1], at + blockComment[0].length);
  return text.slice(at, end === -1 ? text.length : end + blockComment[1].length);
}

function stringAt(text: string, at: number, language: Language): string | undefined {
  const quote = text[at] ?? "";
  if (quote === "" || !language.quotes.includes(quote)) return undefined;
  if (quote === "`") return text.slice(at, templateEnd(text, at));
  const triple = quote.repeat(3);
  if (language.modules === "python" && text.startsWith(triple, at)) {
    const end = text.indexOf(triple, at + 3);
    return text.slice(at, end === -1 ? text.length : end + 3);
  }
  for (let index = at + 1; index < text.length && text[index] !== "\n"; index += 1) {
    if (text[index] === "\\") index += 1;
    else if (text[index] === quote) return text.slice(at, index + 1);
  }
  return undefined;
}

/** Templates hold expressions, which hold templates: past this depth the text was not written by hand. */
const MAX_TEMPLATE_DEPTH = 20;

function templateEnd(text: string, at: number, depth = 0): number {
  let index = at + 1;
  while (index < text.length) {
    const char = text[index];
    if (char === "\\") index += 2;
    else if (char === "`") return index + 1;
    else if (char === "$" && text[index + 1] === "{") index = expressionEnd(text, index + 2, depth);
    else index += 1;
  }
  return text.length;
}

function expressionEnd(text: string, at: number, depth: number): number {
  let index = at;
  let open = 1;
  while (index < text.length && open > 0) {
    const char = text[index];
    if (char === "`" && depth < MAX_TEMPLATE_DEPTH) {
      index = templateEnd(text, index, depth + 1);
      continue;
    }
    if (char === "{") open += 1;
    if (char === "}") open -= 1;
    index += 1;
  }
  return index;
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function newlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}
