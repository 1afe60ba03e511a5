/** Reads what a source file refers to. Pure: text in, names out. */

/** One file of the tree: its path from the root, with forward slashes, and its content. */
export type SourceFile = { readonly path: string; readonly text: string };

/** A fault, in a sentence a person can act on. Starts with the path. */
export type Fault = string;

/** The room of a file under src/, or undefined for src/main.ts and everything outside src/. */
export function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

/** The source without comment lines, so that prose is not taken for code. Line count stays. */
function withoutComments(text: string): string {
  return text
    .replace(/^\s*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, ""))
    .replace(/(^|\s)\/\/.*$/gm, "$1");
}

const REFERENCES: readonly [named: RegExp, bare: RegExp, called: RegExp] = [
  /^\s*(?:import|export)\b[^;"'()]*?\bfrom\s*"([^"]+)"/gm,
  /^\s*import\s*"([^"]+)"/gm,
  /\b(?:import|require)\(\s*"([^"]+)"/g,
];

/** Module names that a file imports in any form, types included (they too are knowledge of another room). */
export function importsOf(text: string): readonly string[] {
  const code = withoutComments(text);
  return [...new Set(REFERENCES.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? "")))];
}

const TYPES_ALONE = /^\s*(?:import|export)\s+type\b[^;"'()]*?\bfrom\s*"[^"]+"/gm;

/** Module names that are loaded together with a file: neither types nor what is imported when it is asked for. */
export function loadsOf(text: string): readonly string[] {
  const code = withoutComments(text).replace(TYPES_ALONE, "");
  const [named, bare] = REFERENCES;
  return [...new Set([named, bare].flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? "")))];
}

/** Files that a file starts by URL: worker threads. */
export function urlReferencesOf(text: string): readonly string[] {
  const pattern = /new URL\(\s*"(\.[^"]+)",\s*import\.meta\.url/g;
  return [...withoutComments(text).matchAll(pattern)].map((match) => match[1] ?? "");
}

/** `name` as seen from `path`: a path from the root, or undefined for a package or a builtin. */
export function resolveImport(path: string, name: string): string | undefined {
  if (name.startsWith("#")) return `src/${name.slice(1)}/index.ts`;
  if (!name.startsWith(".")) return undefined;
  const parts = path.split("/").slice(0, -1);
  for (const step of name.split("/")) {
    if (step === "..") parts.pop();
    else if (step !== ".") parts.push(step);
  }
  return parts.join("/");
}

/** How many lines hold code: neither blank nor comment. */
export function codeLinesOf(text: string): number {
  return withoutComments(text)
    .split("\n")
    .filter((line) => line.trim() !== "").length;
}

/** Code with comments, string contents and types gone, for words that matter only as code. */
export function bareCode(text: string): string {
  return withoutComments(text).replace(/"(?:[^"\\\n]|\\.)*"/g, '""');
}
