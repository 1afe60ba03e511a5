/** What a file takes from others and gives to them, read from its tokens. */
import type { Token } from "./tokens.ts";

export type ModuleImport = {
  readonly specifier: string;
  /** Names as the other file exports them; "*" when all of them may be meant. */
  readonly names: readonly string[] | "*";
};

export type ModuleExport = { readonly name: string; readonly line: number };

export type ModuleSyntax = {
  readonly imports: readonly ModuleImport[];
  readonly exports: readonly ModuleExport[];
  /** Exports that no list can name: `module.exports`, destructured constants. */
  readonly hasUnknownExports: boolean;
};

/** Files with more are data. */
const MAX_ENTRIES = 5_000;
const RELATIVE = /^\.{1,2}\//;

/** JavaScript and TypeScript. Reads any text; what it does not understand counts as a use, never as none. */
export function scriptSyntaxOf(all: readonly Token[]): ModuleSyntax {
  const tokens = all.filter(({ kind }) => kind !== "comment");
  const imports: ModuleImport[] = [];
  const exports: ModuleExport[] = [];
  let hasUnknownExports = false;
  for (let index = 0; index < tokens.length && imports.length + exports.length < MAX_ENTRIES; index += 1) {
    const token = tokens[index];
    const isMember = tokens[index - 1]?.text === ".";
    if (token?.kind === "word" && !isMember && token.text === "import") {
      imports.push(...importAt(tokens, index));
    } else if (token?.kind === "word" && !isMember && token.text === "export") {
      const read = exportAt(tokens, index);
      imports.push(...read.imports);
      exports.push(...read.exports);
      hasUnknownExports ||= read.isUnknown;
    } else if (token?.kind === "word" && token.text === "require" && tokens[index + 1]?.text === "(") {
      imports.push(...wholeModule(tokens[index + 2]));
    } else if (token?.kind === "word" && token.text === "exports") {
      hasUnknownExports = true;
    } else if (token?.kind === "string" && RELATIVE.test(unquoted(token.text))) {
      // A worker that is started by path, a mock, a glob: somebody means the file.
      if (tokens[index - 1]?.text !== "from" && tokens[index - 1]?.text !== "import")
        imports.push(...wholeModule(token));
    }
  }
  return { imports, exports, hasUnknownExports };
}

export function unquoted(text: string): string {
  return text.slice(1, -1);
}

function wholeModule(token: Token | undefined): readonly ModuleImport[] {
  return token?.kind === "string" ? [{ specifier: unquoted(token.text), names: "*" }] : [];
}

/** Tokens of one import; a longer list is no import. */
const MAX_CLAUSE_TOKENS = 2_000;

function importAt(tokens: readonly Token[], start: number): readonly ModuleImport[] {
  const first = tokens[start + 1];
  if (first?.text === "(") return wholeModule(tokens[start + 2]);
  if (first?.kind === "string") return [{ specifier: unquoted(first.text), names: [] }];
  const names: string[] = [];
  let isAll = false;
  let isInside = false;
  for (let index = start + 1; index < Math.min(tokens.length, start + MAX_CLAUSE_TOKENS); index += 1) {
    const { text, kind } = tokens[index] as Token; // `as`: below the length
    const next = tokens[index + 1];
    if (text === "from" && next?.kind === "string" && !isInside) {
      return [{ specifier: unquoted(next.text), names: isAll ? "*" : names }];
    }
    if (text === "{") isInside = true;
    else if (text === "}") isInside = false;
    else if (text === "*") isAll = true;
    else if (text === ";" || text === "=") return [];
    else if (kind === "word" && isInside) {
      // Of `a as b` the first is meant, and of `type a` the second.
      if (text === "as") index += 1;
      else if (text !== "type" || next?.text === "," || next?.text === "}") names.push(text);
    } else if (kind === "word" && (text !== "type" || next?.text === "from")) names.push("default");
  }
  return [];
}

type ReadExport = {
  readonly imports: readonly ModuleImport[];
  readonly exports: readonly ModuleExport[];
  readonly isUnknown: boolean;
};

const NOTHING: ReadExport = { imports: [], exports: [], isUnknown: false };
const UNKNOWN: ReadExport = { ...NOTHING, isUnknown: true };
const PREFIXES = new Set(["declare", "abstract", "async"]);
const DECLARING = new Set(["function", "class", "interface", "type", "enum", "namespace", "const", "let", "var"]);

function exportAt(tokens: readonly Token[], start: number): ReadExport {
  const first = tokens[start + 1];
  if (first === undefined) return NOTHING;
  if (first.text === "default") return { ...NOTHING, exports: [{ name: "default", line: first.line }] };
  if (first.text === "*") return reexportOfAll(tokens, start + 2);
  if (first.text === "{") return exportList(tokens, start + 2);
  if (first.text === "type" && tokens[start + 2]?.text === "{") return exportList(tokens, start + 3);
  if (first.text === "type" && tokens[start + 2]?.text === "*") return reexportOfAll(tokens, start + 3);
  let index = start + 1;
  while (PREFIXES.has(tokens[index]?.text ?? "")) index += 1;
  if (!DECLARING.has(tokens[index]?.text ?? "")) return UNKNOWN;
  if (tokens[index]?.text === "const" && tokens[index + 1]?.text === "enum") index += 1;
  if (tokens[index + 1]?.text === "*") index += 1;
  const name = tokens[index + 1];
  return name?.kind === "word" ? { ...NOTHING, exports: [{ name: name.text, line: name.line }] } : UNKNOWN;
}

function reexportOfAll(tokens: readonly Token[], start: number): ReadExport {
  for (let index = start; index < start + 4; index += 1) {
    if (tokens[index]?.text === "from") return { ...UNKNOWN, imports: wholeModule(tokens[index + 1]) };
  }
  return UNKNOWN;
}

function exportList(tokens: readonly Token[], start: number): ReadExport {
  const exports: ModuleExport[] = [];
  const names: string[] = [];
  let index = start;
  for (; index < tokens.length && tokens[index]?.text !== "}"; index += 1) {
    const token = tokens[index] as Token; // `as`: below the length
    if (token.kind !== "word") continue;
    const next = tokens[index + 1];
    if (token.text === "type" && next?.kind === "word" && next.text !== "as") continue;
    names.push(token.text);
    const isRenamed = next?.text === "as";
    const shown = isRenamed ? tokens[index + 2] : token;
    if (isRenamed) index += 2;
    if (shown !== undefined) exports.push({ name: shown.text, line: shown.line });
  }
  const source = tokens[index + 1]?.text === "from" ? tokens[index + 2] : undefined;
  if (source?.kind !== "string") return { ...NOTHING, exports };
  return { ...NOTHING, exports, imports: [{ specifier: unquoted(source.text), names }] };
}

// Each part has one way to be read, and a list that never ends is given up: a hostile file is read in the time of others.
const FROM =
  /^[ \t]*from[ \t]+(?<module>\.*(?:\w[\w.]*)?)[ \t]+import[ \t]+(?:\((?<many>[^)]{0,8000})\)|(?<one>[^\n#;]+))/gm;
const IMPORT = /^[ \t]*import[ \t]+(?<modules>[\w., \t]+)/gm;
const DEFINITION = /^(?:async[ \t]+)?(?:def|class)[ \t]+(?<name>\w+)/;

/** Python: imports anywhere, and what is defined at the top without a decorator. */
export function pythonSyntaxOf(text: string): ModuleSyntax {
  const imports: ModuleImport[] = [];
  for (const { groups } of text.matchAll(FROM)) {
    const names = (groups?.["many"] ?? groups?.["one"] ?? "")
      .split(",")
      .map((part) => part.trim().split(/\s+/)[0] ?? "");
    const isAll = names.includes("*");
    imports.push({
      specifier: groups?.["module"] ?? "",
      names: isAll ? "*" : names.filter((name) => /^\w+$/.test(name)),
    });
  }
  for (const { groups } of text.matchAll(IMPORT)) {
    for (const part of (groups?.["modules"] ?? "").split(",")) {
      const specifier = part.trim().split(/\s+/)[0] ?? "";
      if (specifier !== "") imports.push({ specifier, names: "*" });
    }
  }
  return { imports: imports.slice(0, MAX_ENTRIES), exports: definitionsOf(text), hasUnknownExports: false };
}

function definitionsOf(text: string): readonly ModuleExport[] {
  const lines = text.split("\n");
  const exports: ModuleExport[] = [];
  for (const [index, line] of lines.entries()) {
    const name = DEFINITION.exec(line)?.groups?.["name"];
    // A decorator may register it anywhere; the end of a long one is a bracket.
    const isDecorated = /^[@)]/.test(lines[index - 1] ?? "");
    if (name !== undefined && !isDecorated && exports.length < MAX_ENTRIES) exports.push({ name, line: index + 1 });
  }
  return exports;
}
