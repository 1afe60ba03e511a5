/** What a scan keeps of one file: all that is asked of it later, so that an unchanged file is never read again. */
import { windowsOf } from "./duplicates.ts";
import { isForeign, isTest, languageOf } from "./languages.ts";
import { type ModuleExport, type ModuleImport, pythonSyntaxOf, scriptSyntaxOf } from "./module-syntax.ts";
import { type Note, notesOf } from "./notes.ts";
import { type Token, tokensOf } from "./tokens.ts";

/** Raised with every change of what facts hold or how they are found: older ones are made anew. */
export const FACTS_VERSION = 1;

export type FileFacts = {
  readonly lines: number;
  /** Lines with anything but comments. */
  readonly codeLines: number;
  readonly isForeign: boolean;
  readonly notes: readonly Note[];
  readonly imports: readonly ModuleImport[];
  readonly exports: readonly ModuleExport[];
  readonly hasUnknownExports: boolean;
  /** Something starts it: a first line that names an interpreter, a guard for being the main program. */
  readonly isProgram: boolean;
  /** Every word of code, strings and comments aside, with how often. */
  readonly words: Readonly<Record<string, number>>;
  /** Words inside strings and, of a file that is no code, all of them: by these somebody may be meant too. */
  readonly mentions: readonly string[];
  /** Hash, number of the first token, first line, last line; four numbers for each window. */
  readonly windows: readonly number[];
};

/** Different words of one file; a file with more is data, and its words then stand for no use. */
const MAX_WORDS = 20_000;
const MENTION = /[A-Za-z_$][\w$-]*(?:[./][\w$-]+)*/g;
const MAIN_GUARD = /^if[ \t]+__name__[ \t]*==|\bimport\.meta\.main\b|\brequire\.main\b/m;

const EMPTY: FileFacts = {
  lines: 0,
  codeLines: 0,
  isForeign: false,
  notes: [],
  imports: [],
  exports: [],
  hasUnknownExports: false,
  isProgram: false,
  words: {},
  mentions: [],
  windows: [],
};

/** Pure: the same for the same path and text. */
export function factsOf(path: string, text: string): FileFacts {
  const language = languageOf(path);
  const lines = text === "" ? 0 : text.replace(/\n$/, "").split("\n").length;
  const foreign = isForeign(path, text);
  if (language === undefined || foreign) {
    return { ...EMPTY, lines, codeLines: lines, isForeign: foreign, mentions: mentionsOf([text]) };
  }
  const tokens = tokensOf(text, language);
  const code = tokens.filter(({ kind }) => kind !== "comment");
  const strings = code.filter(({ kind }) => kind === "string").map((token) => token.text);
  const syntax =
    language.modules === "python"
      ? pythonSyntaxOf(text)
      : language.modules === "script"
        ? scriptSyntaxOf(tokens)
        : { imports: [], exports: [], hasUnknownExports: false };
  return {
    ...syntax,
    lines,
    codeLines: codeLinesOf(code),
    isForeign: false,
    notes: notesOf(tokens),
    isProgram: text.startsWith("#!") || MAIN_GUARD.test(text),
    words: wordsOf(code),
    mentions: mentionsOf(language.isCode ? strings : [text]),
    windows: language.isCode && !isTest(path) ? windowsOf(code) : [],
  };
}

function codeLinesOf(code: readonly Token[]): number {
  const lines = new Set<number>();
  for (const { line, text } of code) {
    const last = line + (text.match(/\n/g)?.length ?? 0);
    for (let at = line; at <= last; at += 1) lines.add(at);
  }
  return lines.size;
}

function wordsOf(code: readonly Token[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const { kind, text } of code) {
    if (kind === "word" && (counts.size < MAX_WORDS || counts.has(text))) counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return Object.fromEntries(counts);
}

function mentionsOf(texts: readonly string[]): readonly string[] {
  const words = new Set<string>();
  for (const text of texts) {
    for (const [word] of text.matchAll(MENTION)) {
      words.add(word);
      if (words.size >= MAX_WORDS) return [...words];
    }
  }
  return [...words];
}
