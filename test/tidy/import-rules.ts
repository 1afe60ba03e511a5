/** Rules on who imports whom. Pure functions over lists of files. */
import { edgeRooms, importTable, mainImports } from "./import-table.ts";
import {
  bareCode,
  type Fault,
  importsOf,
  loadsOf,
  resolveImport,
  roomOf,
  type SourceFile,
  urlReferencesOf,
} from "./source-text.ts";

const sources = (files: readonly SourceFile[]): readonly SourceFile[] =>
  files.filter((file) => file.path.startsWith("src/") && file.path.endsWith(".ts"));

/** Every import between rooms is in the table, and goes through the other room's index. */
export function importFaults(files: readonly SourceFile[]): readonly Fault[] {
  return sources(files).flatMap((file) => {
    const room = roomOf(file.path);
    if (room === undefined) return mainFaults(file);
    const allowed = importTable[room];
    if (allowed === undefined) {
      return [
        `${file.path}: there is no room ${room} in the import table; add it to ARCHITECTURE.md and the table first`,
      ];
    }
    return importsOf(file.text).flatMap((name) => referenceFaults(file.path, room, allowed, name));
  });
}

function referenceFaults(path: string, room: string, allowed: readonly string[], name: string): readonly Fault[] {
  const resolved = resolveImport(path, name);
  if (resolved === undefined) return [];
  if (!resolved.startsWith("src/")) {
    return [`${path}: imports ${name}, which is not under src/; what ships must not depend on tests or the build`];
  }
  const other = roomOf(resolved);
  if (other === undefined) return [`${path}: imports ${name}; nothing imports src/main.ts, it only starts the others`];
  if (other === room) return selfFaults(path, name);
  if (!name.startsWith("#"))
    return [`${path}: reaches into ${other} by ${name}; another room is imported as #${other} alone`];
  if (allowed.includes(other)) return [];
  const may = allowed.length === 0 ? "nothing" : allowed.join(", ");
  return [`${path}: imports #${other}; ${room} may import ${may} (the direction of imports keeps rooms separable)`];
}

function selfFaults(path: string, name: string): readonly Fault[] {
  return name.startsWith("#") ? [`${path}: imports its own room as ${name}; within a room use a relative path`] : [];
}

function mainFaults(file: SourceFile): readonly Fault[] {
  return importsOf(file.text)
    .filter((name) => !mainImports.includes(name))
    .map((name) => `${file.path}: imports ${name}; it only chooses a part and may import ${mainImports.join(", ")}`)
    .concat(
      // A static import would load the whole node to print a version.
      [...file.text.matchAll(/^import\b[^;]*?from "(#[^"]+)"/gm)].map(
        (match) =>
          `${file.path}: imports ${match[1] ?? ""} statically; load rooms by await import() so that --version stays quick`,
      ),
    );
}

/** Words that reach the outside world, with the argument that replaces each. */
const AMBIENT: readonly (readonly [pattern: RegExp, word: string, instead: string])[] = [
  [/\bDate\.now\b/, "Date.now", "take nowMs or a Clock"],
  [/\bnew Date\(\s*\)/, "new Date()", "take nowMs or a Clock"],
  [/\bperformance\.now\b/, "performance.now", "take a Clock"],
  [/\bMath\.random\b/, "Math.random", "take a Random"],
  [/(?<![.\w])crypto\./, "crypto", "take a Random or an IdFactory"],
  [/(?<![.\w])set(?:Timeout|Interval|Immediate)\(/, "a timer", "take a Clock"],
  [/(?<![.\w])process\./, "process", "take what you need as an argument"],
  [/(?<![.\w])fetch\(/, "fetch", "put the call under io/ behind a port"],
  [/(?<![.\w])Bun\./, "Bun", "put the call under io/ behind a port"],
];

const BUILTIN = /^(?:node:|bun$|bun:)/;

/** The outside world is touched only under a folder named io, or in the edge rooms. */
export function ambientFaults(files: readonly SourceFile[]): readonly Fault[] {
  return sources(files)
    .filter(({ path }) => {
      const room = roomOf(path);
      return room !== undefined && !edgeRooms.includes(room) && !path.split("/").slice(0, -1).includes("io");
    })
    .flatMap(({ path, text }) => {
      const code = bareCode(text);
      const reason = "pure code is what tables and simulations can test";
      return [
        ...importsOf(text)
          .filter((name) => BUILTIN.test(name))
          .map((name) => `${path}: imports ${name}; put it under io/ behind a port (${reason})`),
        ...AMBIENT.filter(([pattern]) => pattern.test(code)).map(
          ([, word, instead]) => `${path}: uses ${word}; ${instead} (${reason})`,
        ),
      ];
    });
}

/** What a process may consist of when it begins. */
export type LightProcess = {
  readonly name: string;
  readonly entry: string;
  readonly mayLoad: (path: string) => boolean;
  readonly packages: readonly string[];
};

const WATCHDOG_ROOMS: readonly (string | undefined)[] = ["base", "watchdog", "cli", "runtime"];

/** It survives what fells a node, and stays small: no database, model or server. Packages: those that read the configuration. */
export const WATCHDOG_PROCESS: LightProcess = {
  name: "the watchdog",
  entry: "src/runtime/commands/up.ts",
  mayLoad: (path) => WATCHDOG_ROOMS.includes(roomOf(path)),
  packages: ["zod"],
};

/** It starts before every command of a task: no room, not even its own as a whole. */
export const LAUNCHER_PROCESS: LightProcess = {
  name: "the launcher of the sandbox",
  entry: "src/execution/sandbox/io/launcher.ts",
  mayLoad: (path) => path.startsWith("src/execution/sandbox/"),
  packages: [],
};

export function weightFaults(files: readonly SourceFile[], process: LightProcess): readonly Fault[] {
  const { name: whose, entry, mayLoad, packages } = process;
  const byPath = new Map(files.map((file) => [file.path, file]));
  const via = new Map<string, string>([[entry, "the command line"]]);
  const faults: Fault[] = [];
  for (const [path, from] of via) {
    const file = byPath.get(path);
    if (file === undefined) faults.push(`${path}: loaded by ${from}, but there is no such file`);
    else if (!mayLoad(path)) {
      faults.push(`${path}: loaded by ${from} in the process of ${whose}, which is to stay small; see ${entry}`);
    } else {
      for (const name of loadsOf(file.text)) {
        const next = resolveImport(path, name);
        if (next !== undefined && !via.has(next)) via.set(next, path);
        if (next === undefined && !BUILTIN.test(name) && !packages.includes(name)) {
          faults.push(`${path}: loads the package ${name} in the process of ${whose}, which is to stay small`);
        }
      }
    }
  }
  return faults;
}

/** Every file under src/ is reached from main or from a declared worker, and every worker started is declared. */
export function deadFileFaults(files: readonly SourceFile[], entries: readonly string[]): readonly Fault[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const lacking = entries
    .filter((entry) => !byPath.has(entry))
    .map((entry) => `${entry}: declared an entry, but there is no such file`);
  const reached = new Set<string>();
  const waiting = [...entries];
  const undeclared: Fault[] = [];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const file = byPath.get(path);
    if (file === undefined || reached.has(path)) continue;
    reached.add(path);
    for (const name of importsOf(file.text)) {
      const next = resolveImport(path, name);
      if (next !== undefined) waiting.push(next);
    }
    for (const name of urlReferencesOf(file.text)) {
      const worker = resolveImport(path, name) ?? "";
      if (!entries.includes(worker)) {
        undeclared.push(
          `${path}: starts ${worker}, which build/entrypoints.ts does not list; the executable would lack it`,
        );
      }
    }
  }
  const dead = files
    .filter(({ path }) => path.startsWith("src/") && !path.endsWith(".md") && !reached.has(path))
    .map(({ path }) => `${path}: nothing reaches it from ${entries.join(" or ")}; wire it or delete it`);
  return [...lacking, ...undeclared, ...dead];
}
