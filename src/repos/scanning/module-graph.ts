/** Which file of a repository another one means by a name. What cannot be resolved with certainty counts for every file it might mean. */
import type { FileFacts } from "./file-facts.ts";
import { folderOf, languageOf, nameOf } from "./languages.ts";
import type { ModuleImport } from "./module-syntax.ts";

export type ResolvedImport = { readonly targets: readonly string[]; readonly names: ModuleImport["names"] };
export type ModuleGraph = ReadonlyMap<string, readonly ResolvedImport[]>;

const SCRIPT_ENDINGS = ["", ".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json", ".vue", ".svelte"];
const INDEXES = ["index.ts", "index.tsx", "index.js", "index.jsx", "index.mjs", "index.cjs", "index.mts"];
/** Of a module that a package names, so many last steps have to fit a path. */
const TAIL_STEPS = 2;

export function moduleGraphOf(files: ReadonlyMap<string, FileFacts>): ModuleGraph {
  const resolver = new Resolver([...files.keys()]);
  const graph = new Map<string, readonly ResolvedImport[]>();
  for (const [path, { imports }] of files) {
    const isPython = languageOf(path)?.modules === "python";
    graph.set(
      path,
      imports.map((one) => ({
        targets: (isPython ? resolver.python(path, one) : resolver.script(path, one.specifier)).filter(
          (to) => to !== path,
        ),
        names: one.names,
      })),
    );
  }
  return graph;
}

/** @returns all files that `starts` lead to, themselves included. */
export function reachedFrom(starts: readonly string[], graph: ModuleGraph): ReadonlySet<string> {
  const reached = new Set(starts);
  const waiting = [...starts];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for (const { targets } of graph.get(path) ?? []) {
      for (const target of targets) {
        if (reached.has(target)) continue;
        reached.add(target);
        waiting.push(target);
      }
    }
  }
  return reached;
}

class Resolver {
  readonly #paths: ReadonlySet<string>;
  /** By the last step without its ending: where a name of a package might lie. */
  readonly #byStem = new Map<string, string[]>();

  constructor(paths: readonly string[]) {
    this.#paths = new Set(paths);
    for (const path of paths) {
      const stem = stemOf(path);
      const known = this.#byStem.get(stem);
      if (known === undefined) this.#byStem.set(stem, [path]);
      else known.push(path);
    }
  }

  script(from: string, specifier: string): readonly string[] {
    const bare = specifier.replace(/\?.+$/, "");
    if (/^\.{1,2}(?:\/|$)/.test(bare)) {
      const found = this.#scriptAt(joined(folderOf(from), bare));
      return found === undefined ? [] : [found];
    }
    // Of an alias (`@/x`, `#x`, `~/x`) or a package of the same repository only the end is known.
    const steps = bare
      .replace(/^[@#~]+\/?/, "")
      .split("/")
      .filter((step) => step !== "");
    return this.#withTail(steps, ["", "src/"]);
  }

  python(from: string, { specifier, names }: ModuleImport): readonly string[] {
    const dots = /^\.*/.exec(specifier)?.[0].length ?? 0;
    const steps = specifier
      .slice(dots)
      .split(".")
      .filter((step) => step !== "");
    const bases = dots > 0 ? [climbed(folderOf(from), dots - 1)] : undefined;
    const modules = names === "*" ? [steps] : [steps, ...names.map((name) => [...steps, name])];
    return [...new Set(modules.flatMap((module) => this.#pythonAt(module, bases, from)))];
  }

  #pythonAt(steps: readonly string[], bases: readonly string[] | undefined, from: string): readonly string[] {
    const tail = steps.join("/");
    if (bases !== undefined) {
      return bases.flatMap((base) => {
        const at = [base, tail].filter((part) => part !== "").join("/");
        return [`${at}.py`, `${at}/__init__.py`].filter((path) => this.#paths.has(path));
      });
    }
    if (tail === "") return [];
    const beside = [folderOf(from), tail].filter((part) => part !== "").join("/");
    const last = steps.at(-1) ?? "";
    const named = [...(this.#byStem.get(last) ?? []), ...(this.#byStem.get("__init__") ?? [])];
    return named.filter((path) => {
      const module = path.replace(/(?:\/__init__)?\.py$/, "");
      return path.endsWith(".py") && (module === tail || module.endsWith(`/${tail}`) || module === beside);
    });
  }

  #scriptAt(base: string): string | undefined {
    const endings = SCRIPT_ENDINGS.map((ending) => `${base}${ending}`);
    // TypeScript names the file that its compiler will make.
    const written = /\.[cm]?jsx?$/.test(base)
      ? [base.replace(/\.([cm]?)js(x?)$/, ".$1ts$2"), base.replace(/\.js$/, ".tsx")]
      : [];
    const indexes = INDEXES.map((name) => [base, name].filter((part) => part !== "").join("/"));
    return [...endings, ...written, ...indexes].find((path) => this.#paths.has(path));
  }

  #withTail(steps: readonly string[], roots: readonly string[]): readonly string[] {
    if (steps.length === 0) return [];
    const whole = steps.join("/");
    const direct = roots.map((root) => this.#scriptAt(`${root}${whole}`)).filter((path) => path !== undefined);
    const tail = steps.slice(-TAIL_STEPS).map(withoutEnding).join("/");
    const named = [...(this.#byStem.get(withoutEnding(steps.at(-1) ?? "")) ?? [])];
    const byTail = named.filter((path) => {
      const module = withoutEnding(path);
      return module === tail || module.endsWith(`/${tail}`);
    });
    const folder = steps.slice(-TAIL_STEPS).join("/");
    const indexes = (this.#byStem.get("index") ?? []).filter((path) => {
      const at = folderOf(path).replace(/\/src$/, "");
      return at === folder || at.endsWith(`/${folder}`);
    });
    return [...new Set([...direct, ...byTail, ...indexes])];
  }
}

function stemOf(path: string): string {
  return withoutEnding(nameOf(path));
}

export function withoutEnding(path: string): string {
  return path.replace(/\.[a-z]{1,6}$/i, "");
}

function climbed(folder: string, levels: number): string {
  return folder
    .split("/")
    .slice(0, Math.max(0, folder.split("/").length - levels))
    .join("/");
}

function joined(folder: string, relative: string): string {
  const parts = folder === "" ? [] : folder.split("/");
  for (const step of relative.split("/")) {
    if (step === "..") parts.pop();
    else if (step !== "." && step !== "") parts.push(step);
  }
  return parts.join("/");
}
