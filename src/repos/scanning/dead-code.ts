/**
 * Files that nothing leads to, and names that stand nowhere but where they are defined. Conservative: a mention in a
 * string, a configuration or another language counts as a use, and so does whatever cannot be read.
 */
import type { FileFacts } from "./file-facts.ts";
import { folderOf, isTest, languageOf, nameOf } from "./languages.ts";
import { type ModuleGraph, reachedFrom, withoutEnding } from "./module-graph.ts";
import type { Sighted } from "./scan-finding.ts";

/** Files that a framework, a tool or a person starts by their place or name. */
const ENTRY_NAME =
  /^(?:index|main|app|server|cli|mod|lib|worker|__main__|__init__|setup|manage|wsgi|asgi|conftest|noxfile|fabfile|tasks|gulpfile|gruntfile|middleware|instrumentation|build|[\w.-]+\.config|[\w.-]+-main|[\w.-]+[.-]worker|\..*)\.[cm]?[jt]sx?$|^(?:__main__|__init__|setup|manage|wsgi|asgi|conftest|noxfile|fabfile|tasks|app|main|models|admin|apps|urls|views|settings)\.py$/i;
const ENTRY_FOLDER =
  /(?:^|\/)(?:pages|app|routes|api|functions|scripts?|bin|tools?|migrations?|versions|plugins?|commands|management|stories|examples?|docs?|public|static|benchmarks?|hooks|seeds?|build|ci)\//i;
/** Names that others call without saying them. */
const IMPLICIT_NAME =
  /^(?:_{1,2}\w*|main|default|handler|setup|teardown|up|down|run|register|activate|deactivate|test\w*|Test\w*|[A-Z]\w*(?:Test|Case|Mixin|Meta|Config|Command|Migration|Admin))$/;
const MAX_REPORTED = 200;

export type DeadCodeParts = {
  readonly files: ReadonlyMap<string, FileFacts>;
  readonly graph: ModuleGraph;
  /** Others may use what a package offers: then an export is no sign of anything. */
  readonly isLibrary: boolean;
};

export function deadCodeIn(parts: DeadCodeParts): readonly Sighted[] {
  const { files, graph } = parts;
  const modules = [...files].filter(([path, facts]) => languageOf(path)?.modules !== null && isModule(path, facts));
  const mentioned = mentionsOf(files);
  const entries = [...files]
    .filter(([path, facts]) => isEntry(path, facts, mentioned, graph.get(path) === undefined))
    .map(([path]) => path);
  const reached = reachedFrom(entries, graph);
  const dead = modules.filter(([path]) => !reached.has(path)).map(([path, facts]) => deadFile(path, facts));
  const uses = usesOf(files);
  const names = modules
    .filter(([path]) => reached.has(path) && !isTest(path))
    .flatMap(([path, facts]) => deadNames(path, facts, parts, uses));
  return [...dead, ...names].slice(0, MAX_REPORTED);
}

function isModule(path: string, { isForeign }: FileFacts): boolean {
  return languageOf(path) !== undefined && !isForeign && !/\.d\.[cm]?ts$/.test(path);
}

function isEntry(path: string, facts: FileFacts, mentioned: ReadonlySet<string>, isUnread: boolean): boolean {
  if (isUnread || facts.isForeign || facts.isProgram || isTest(path)) return true;
  if ((languageOf(path)?.modules ?? null) === null) return true;
  if (ENTRY_NAME.test(nameOf(path)) || ENTRY_FOLDER.test(path)) return true;
  return [path, withoutEnding(path), nameOf(path), tailOf(path)].some((text) => mentioned.has(text));
}

function tailOf(path: string): string {
  return [nameOf(folderOf(path)), withoutEnding(nameOf(path))].filter((part) => part !== "").join("/");
}

/** Documents say the names of files without starting them. */
const DOCUMENT = /\.(?:md|mdx|txt|rst|adoc)$/i;

function mentionsOf(files: ReadonlyMap<string, FileFacts>): ReadonlySet<string> {
  const mentioned = new Set<string>();
  for (const [path, { mentions }] of files) {
    if (DOCUMENT.test(path)) continue;
    for (const mention of mentions) {
      if (!/[./]/.test(mention)) continue;
      mentioned.add(mention);
      // `pkg.mod` is how Python names a file, and `pkg.mod:run` how a configuration does.
      mentioned.add(mention.replaceAll(".", "/"));
    }
  }
  return mentioned;
}

function deadFile(path: string, { codeLines }: FileFacts): Sighted {
  return {
    kind: "dead-code",
    rule: "unreferenced-file",
    path,
    line: null,
    severity: codeLines >= 100 ? "medium" : "low",
    effort: "small",
    title: `Nothing leads to ${path}`,
    evidence: `${codeLines} lines of code; no import, no configuration and no string of the repository means this file`,
    subject: "",
  };
}

/** In how many files each word stands, as code or as a mention. */
function usesOf(files: ReadonlyMap<string, FileFacts>): ReadonlyMap<string, number> {
  const uses = new Map<string, number>();
  for (const [path, { words, mentions }] of files) {
    if (DOCUMENT.test(path)) continue;
    const all = new Set(Object.keys(words));
    for (const mention of mentions) for (const part of mention.split(/[./]/)) all.add(part);
    for (const word of all) uses.set(word, (uses.get(word) ?? 0) + 1);
  }
  return uses;
}

function deadNames(
  path: string,
  facts: FileFacts,
  { isLibrary }: DeadCodeParts,
  uses: ReadonlyMap<string, number>,
): readonly Sighted[] {
  const isPython = languageOf(path)?.modules === "python";
  if (isPython ? ENTRY_FOLDER.test(path) : isLibrary || ENTRY_FOLDER.test(path)) return [];
  return facts.exports
    .filter(({ name }) => {
      if (IMPLICIT_NAME.test(name)) return false;
      return (facts.words[name] ?? 0) === 1 && (uses.get(name) ?? 0) <= 1 && !facts.mentions.includes(name);
    })
    .map(({ name, line }) => ({
      kind: "dead-code",
      rule: "unused-name",
      path,
      line,
      severity: "low",
      effort: "small",
      title: `Nothing uses ${name}`,
      evidence: `${name} stands once in the whole repository: where ${path} defines it`,
      subject: name,
    }));
}
