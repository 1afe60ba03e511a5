/** What is known of a language by the ending of a file: how its comments and strings look. */

export type Language = {
  readonly name: string;
  /** Which module system is understood; null when none is. */
  readonly modules: "script" | "python" | null;
  readonly lineComments: readonly string[];
  readonly blockComment: readonly [open: string, close: string] | null;
  readonly quotes: string;
  /** Whether people write logic in it: documents and data are neither duplicated nor too long. */
  readonly isCode: boolean;
};

const C_LIKE = { lineComments: ["//"], blockComment: ["/*", "*/"], quotes: "\"'", isCode: true } as const;
const HASH = { lineComments: ["#"], blockComment: null, quotes: "\"'" } as const;

const SCRIPT: Language = { ...C_LIKE, name: "script", modules: "script", quotes: "\"'`" };
const PYTHON: Language = { ...HASH, name: "python", modules: "python", isCode: true };
const c = (name: string): Language => ({ ...C_LIKE, name, modules: null });
const hash = (name: string, isCode: boolean): Language => ({ ...HASH, name, modules: null, isCode });
const SQL: Language = {
  name: "sql",
  modules: null,
  lineComments: ["--"],
  blockComment: ["/*", "*/"],
  quotes: "'",
  isCode: true,
};
const MARKUP: Language = {
  name: "markup",
  modules: null,
  lineComments: [],
  blockComment: ["<!--", "-->"],
  quotes: "",
  isCode: false,
};

const BY_ENDING: Readonly<Record<string, Language>> = {
  ...Object.fromEntries(["ts", "tsx", "mts", "cts", "js", "jsx", "mjs", "cjs"].map((ending) => [ending, SCRIPT])),
  py: PYTHON,
  go: c("go"),
  rs: c("rust"),
  java: c("java"),
  kt: c("kotlin"),
  swift: c("swift"),
  cs: c("csharp"),
  ...Object.fromEntries(["c", "h", "cc", "cpp", "hpp"].map((ending) => [ending, c("c")])),
  php: c("php"),
  scss: { ...c("style"), isCode: false },
  css: { ...c("style"), lineComments: [], isCode: false },
  rb: hash("ruby", true),
  sh: hash("shell", true),
  bash: hash("shell", true),
  yml: hash("yaml", false),
  yaml: hash("yaml", false),
  toml: hash("toml", false),
  sql: SQL,
  lua: { ...SQL, name: "lua", blockComment: null, quotes: "\"'" },
  html: MARKUP,
  xml: MARKUP,
  vue: { ...MARKUP, name: "vue" },
  svelte: { ...MARKUP, name: "svelte" },
};

const BY_NAME: Readonly<Record<string, Language>> = {
  makefile: hash("make", false),
  dockerfile: hash("docker", false),
};

/** @returns undefined for what is neither code nor a text with comments. */
export function languageOf(path: string): Language | undefined {
  const name = nameOf(path).toLowerCase();
  return BY_NAME[name] ?? BY_ENDING[name.slice(name.lastIndexOf(".") + 1)];
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

export function folderOf(path: string): string {
  const end = path.lastIndexOf("/");
  return end === -1 ? "" : path.slice(0, end);
}

const FOREIGN =
  /(?:^|\/)(?:node_modules|bower_components|vendor|vendored|third[_-]?party|external|dist|build-output|out|target|coverage|generated|__generated__|__snapshots__|fixtures?|__fixtures__|testdata|test-data|snapshots|\.[^/]+)\//i;
const GENERATED =
  /(?:\.min\.(?:js|css)|\.(?:generated|gen|pb|g)\.[a-z]+|_pb2(?:_grpc)?\.py|\.d\.ts|\.snap|-lock\.\w+|\.lock)$/i;
const GENERATED_HEAD = /(?:@generated|generated (?:by|from|file|code)|do not edit)/i;
const HEAD_CHARS = 400;

/** Whether the repository's people did not write the file, or wrote it as data of a test. */
export function isForeign(path: string, text: string): boolean {
  return FOREIGN.test(path) || GENERATED.test(path) || GENERATED_HEAD.test(text.slice(0, HEAD_CHARS));
}

const TEST =
  /(?:^|\/)(?:tests?|__tests__|specs?|e2e|testing|test-support|benches|benchmarks?)\/|(?:[._-](?:test|spec|tests|e2e|bench|stories)\.[a-z]+|(?:^|\/)test_[^/]+\.py|_test\.(?:py|go|rb)|(?:^|\/)conftest\.py)$/i;

export function isTest(path: string): boolean {
  return TEST.test(path);
}
