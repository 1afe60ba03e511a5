/** Rules on names, sizes and words of files. Pure functions over lists of files. */
import { codeLinesOf, type Fault, type SourceFile } from "./source-text.ts";

/** STYLE rule 3. */
const MAX_LINES = 400;
const VAGUE_WORDS = ["util", "utils", "helper", "helpers", "common", "misc", "types"];
const KEBAB = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)*$/;

const isCode = ({ path }: SourceFile): boolean => /^(?:src|test|build)\/.*\.(?:ts|tsx|mjs)$/.test(path);

/** Code stays in files that can be read in one sitting. */
export function sizeFaults(files: readonly SourceFile[]): readonly Fault[] {
  return files.filter(isCode).flatMap(({ path, text }) => {
    const lines = text.replace(/\n$/, "").split("\n").length;
    if (lines <= MAX_LINES) return [];
    return [`${path}: ${lines} lines, more than ${MAX_LINES}; it holds more than one concept, so split it by concept`];
  });
}

/**
 * Lines of code of the watchdog without its updates. 1,500 were wanted; a socket that outlives its node, ending a tree of
 * processes without a rest, and safe mode took more, and so did the server of a hub, which must outlive every node and
 * can therefore be kept by nobody else. It runs when all else has failed: it may shrink, and not grow.
 */
const WATCHDOG_CODE_LINES = 4_000;

/** What keeps a node running stays small enough to be read in one go. */
export function watchdogSizeFaults(files: readonly SourceFile[], limit = WATCHDOG_CODE_LINES): readonly Fault[] {
  const lines = files
    .filter(({ path }) => path.startsWith("src/watchdog/") && !path.startsWith("src/watchdog/update/"))
    .reduce((sum, { text }) => sum + codeLinesOf(text), 0);
  const remedy = "leave to the node what only a node does, or simplify: it runs when all else has failed";
  return lines <= limit ? [] : [`src/watchdog: ${lines} lines of code without update/, more than ${limit}; ${remedy}`];
}

/** Names are kebab-case and say what is inside. */
export function nameFaults(files: readonly SourceFile[]): readonly Fault[] {
  return files.filter(isCode).flatMap(({ path }) => {
    const steps = path.split("/");
    const name = steps.at(-1) ?? "";
    const faults: Fault[] = steps
      .filter((step) => !KEBAB.test(step))
      .map((step) => `${path}: ${step} is not kebab-case; one form of name lets a reader guess the file`);
    const vague = name.split(/[-.]/).find((word) => VAGUE_WORDS.includes(word));
    if (vague !== undefined) {
      faults.push(`${path}: "${vague}" says nothing of what is inside; a function lives in the file of its concept`);
    }
    return faults;
  });
}

// Put together from halves, so that this file does not hold what it looks for.
const UNFINISHED = new RegExp(
  [
    ["\\bTO", "DO\\b"],
    ["\\bFIX", "ME\\b"],
    ["\\b[Cc]oming", " soon\\b"],
    ["\\b[Ff]or", " now\\b"],
    ["\\b[Nn]ot", " implemented\\b"],
    ["\\b[Pp]lace", "holder\\b"],
  ]
    .map((halves) => halves.join(""))
    .join("|"),
);

/** Nothing that ships announces that it is unfinished: it is finished, or it is an open issue. */
export function unfinishedFaults(files: readonly SourceFile[]): readonly Fault[] {
  return linesOf(files).flatMap(({ at, line }) => {
    const word = UNFINISHED.exec(line)?.[0];
    return word === undefined ? [] : [`${at}: "${word}" sounds unfinished; finish it or say plainly what the limit is`];
  });
}

/** Folders of people that stand as examples everywhere; so does any single letter. */
const EXAMPLE_PEOPLE = ["you", "user", "someone", "drover"];

/**
 * No file names a folder of the machine it was written on, or a package registry.
 * @param machineFolders absolute folders of this machine, such as the checkout itself.
 */
export function machineFaults(files: readonly SourceFile[], machineFolders: readonly string[]): readonly Fault[] {
  const registries = [["registry", "npmjs", "org"].join("."), ["registry", "yarnpkg", "com"].join(".")];
  return linesOf(files).flatMap(({ at, line }) => {
    const person = /\/(?:home|Users)\/([A-Za-z][\w-]+)/.exec(line);
    const folder = machineFolders.find((path) => line.includes(path));
    const registry = registries.find((host) => line.includes(host));
    const faults: Fault[] = [];
    if (person !== null && !EXAMPLE_PEOPLE.includes(person[1] ?? "")) {
      faults.push(`${at}: names the folder of a person, ${person[0]}; it exists on one machine only`);
    }
    if (folder !== undefined) faults.push(`${at}: names ${folder}, a folder of this machine; it exists nowhere else`);
    if (registry !== undefined)
      faults.push(`${at}: names ${registry}; which registry is used is a matter of each machine`);
    return faults;
  });
}

function linesOf(files: readonly SourceFile[]): readonly { readonly at: string; readonly line: string }[] {
  return files.flatMap(({ path, text }) =>
    text.split("\n").map((line, index) => ({ at: `${path}:${index + 1}`, line })),
  );
}

/** The lockfile says what, never from where: a host in it would bind every clone to one registry. */
export function lockFaults(lockText: string): readonly Fault[] {
  const host = /https?:\/\/[^/"\s]+/.exec(lockText)?.[0];
  return host === undefined
    ? []
    : [`bun.lock: names ${host}; install with a registry in the environment, not in the lockfile`];
}

/** Dependencies are named by exact version: the same source gives the same program. */
export function versionFaults(manifest: Readonly<Record<string, unknown>>): readonly Fault[] {
  return ["dependencies", "devDependencies", "optionalDependencies"].flatMap((section) =>
    Object.entries(manifest[section] ?? {})
      .filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(String(version)))
      .map(([name, version]) => `package.json: ${name} is ${String(version)}, not one exact version`),
  );
}
