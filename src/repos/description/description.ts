/** What somebody needs to know who is to change a repository, from its file list and a few of its files. Pure. */

export type RepositoryDescription = {
  /** Paths from its root; may be cut off, then `isWhole` is false. */
  readonly files: readonly string[];
  readonly isWhole: boolean;
  readonly conventions: readonly { readonly path: string; readonly text: string }[];
  /** The most used first. */
  readonly languages: readonly string[];
  /** By what they are for: `test`, `build`, `lint`. */
  readonly commands: Readonly<Record<string, string>>;
};

/** Enough to see how a project is laid out; a model's context ends somewhere. */
export const MAX_LISTED_FILES = 2_000;
export const MAX_CONVENTION_CHARS = 6_000;
const MAX_LANGUAGES = 6;

/** Documents for whoever changes something, the most binding first. */
const CONVENTIONS =
  /^(?:(?:AGENTS|CLAUDE|CONTRIBUTING|README)(?:\.(?:md|rst|txt|adoc))?|docs\/(?:STYLE|CONTRIBUTING)\.md)$/i;
export const MAX_CONVENTIONS = 5;
/** Files that say how a project is built and tested. */
export const MANIFESTS = ["package.json", "Makefile", "Cargo.toml", "go.mod", "pyproject.toml", "justfile", "mix.exs"];

const LANGUAGES: Readonly<Record<string, string>> = {
  ts: "TypeScript",
  tsx: "TypeScript",
  mts: "TypeScript",
  js: "JavaScript",
  jsx: "JavaScript",
  mjs: "JavaScript",
  cjs: "JavaScript",
  py: "Python",
  go: "Go",
  rs: "Rust",
  java: "Java",
  kt: "Kotlin",
  rb: "Ruby",
  php: "PHP",
  c: "C",
  h: "C",
  cc: "C++",
  cpp: "C++",
  hpp: "C++",
  cs: "C#",
  swift: "Swift",
  scala: "Scala",
  ex: "Elixir",
  exs: "Elixir",
  erl: "Erlang",
  hs: "Haskell",
  lua: "Lua",
  sh: "Shell",
  bash: "Shell",
  sql: "SQL",
  zig: "Zig",
  dart: "Dart",
  ml: "OCaml",
  clj: "Clojure",
  vue: "Vue",
  svelte: "Svelte",
};

export function conventionPaths(files: readonly string[]): readonly string[] {
  const order = ["agents", "claude", "contributing", "docs/", "readme"];
  const rank = (path: string): number => order.findIndex((start) => path.toLowerCase().startsWith(start));
  return files
    .filter((path) => CONVENTIONS.test(path))
    .toSorted((left, right) => rank(left) - rank(right))
    .slice(0, MAX_CONVENTIONS);
}

/** @returns languages by the number of their files, the most used first. */
export function languagesOf(files: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const path of files) {
    const language = LANGUAGES[/\.([a-z]+)$/i.exec(path)?.[1]?.toLowerCase() ?? ""];
    if (language !== undefined) counts.set(language, (counts.get(language) ?? 0) + 1);
  }
  return [...counts]
    .toSorted(([left, many], [right, few]) => few - many || (left < right ? -1 : 1))
    .slice(0, MAX_LANGUAGES)
    .map(([language]) => language);
}

/**
 * @param manifests what the files of {@link MANIFESTS} hold, by path
 * @returns commands that the project itself names, or that everybody uses for its kind
 */
export function commandsOf(
  manifests: ReadonlyMap<string, string>,
  files: readonly string[],
): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  const offer = (name: string, command: string): void => {
    found[name] ??= command;
  };
  scriptsOf(manifests.get("package.json"), files, offer);
  for (const file of ["Makefile", "justfile"]) {
    const runner = file === "Makefile" ? "make" : "just";
    for (const name of ["test", "build", "lint"]) {
      if (new RegExp(`^${name}\\s*:`, "m").test(manifests.get(file) ?? "")) offer(name, `${runner} ${name}`);
    }
  }
  if (manifests.has("Cargo.toml")) {
    offer("test", "cargo test");
    offer("build", "cargo build");
  }
  if (manifests.has("go.mod")) {
    offer("test", "go test ./...");
    offer("build", "go build ./...");
  }
  if (manifests.has("mix.exs")) offer("test", "mix test");
  const hasPythonTests = files.some((path) => /(?:^|\/)test_[^/]+\.py$/.test(path));
  if (/\bpytest\b/.test(manifests.get("pyproject.toml") ?? "")) offer("test", "pytest");
  else if (hasPythonTests) offer("test", "python3 -m unittest");
  return found;
}

function scriptsOf(
  text: string | undefined,
  files: readonly string[],
  offer: (name: string, command: string) => void,
): void {
  if (text === undefined) return;
  let scripts: unknown;
  try {
    scripts = (JSON.parse(text) as { readonly scripts?: unknown }).scripts; // `as`: looked at below
  } catch {
    return; // a package.json that cannot be read names nothing
  }
  if (typeof scripts !== "object" || scripts === null) return;
  const runner = files.some((path) => /^bun\.lockb?$/.test(path)) ? "bun run" : "npm run";
  for (const name of ["test", "build", "lint"]) if (name in scripts) offer(name, `${runner} ${name}`);
}
