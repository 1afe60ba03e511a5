/**
 * A look at all files of one state of a repository.
 *
 * S1: the same state gives the same findings, in the same order, whatever was kept of earlier looks.
 * S2: what was not looked at is said: no limit is passed in silence.
 * S3: no finding says a secret.
 */
import { ok, type Result } from "#base";
import type { Allowed } from "../publication/allow-list.ts";
import { judge } from "../publication/allow-list.ts";
import { scanFile } from "../publication/scan.ts";
import { deadCodeIn } from "./dead-code.ts";
import { duplicatesIn } from "./duplicates.ts";
import { FACTS_VERSION, type FileFacts, factsOf } from "./file-facts.ts";
import { isTest } from "./languages.ts";
import { missingTestsIn } from "./missing-tests.ts";
import { moduleGraphOf } from "./module-graph.ts";
import { type Digest, named, type ScanFinding, type Sighted } from "./scan-finding.ts";
import { largeFilesIn, missingDocumentsIn, notesIn } from "./whole-files.ts";

/** A file as one state of a repository has it. */
export type TrackedFile = {
  readonly path: string;
  /** Git's name of the content: equal content has an equal one. */
  readonly blob: string;
  readonly bytes: number;
};

/** Where the contents come from. */
export interface TrackedContents {
  /** @returns undefined for what is no text. */
  text(file: TrackedFile): Promise<Result<string | undefined>>;
}

/** What earlier scans found out of contents that are still the same. Losing it costs time alone. */
export interface FactsCache {
  /** @returns undefined when nothing is known under this name. */
  get(key: string): FileFactsEntry | undefined;
  put(key: string, entry: FileFactsEntry): void;
}
export type FileFactsEntry = { readonly facts: FileFacts | null; readonly secrets: readonly Sighted[] };

export type ScanLimits = {
  readonly files: number;
  readonly fileBytes: number;
  readonly totalBytes: number;
  readonly deadlineMs: number;
};

/** Some 30 MB/s of source are read; a minute of it is more than any repository that people work on. */
export const SCAN_LIMITS: ScanLimits = {
  files: 20_000,
  fileBytes: 1024 * 1024,
  totalBytes: 256 * 1024 * 1024,
  deadlineMs: 120_000,
};

export type ScanParts = {
  readonly contents: TrackedContents;
  readonly cache: FactsCache;
  readonly allowed: readonly Allowed[];
  readonly digest: Digest;
  /** Monotonic. */
  readonly elapsedMs: () => number;
  readonly limits?: ScanLimits;
};

export type RepositoryScan = {
  readonly findings: readonly ScanFinding[];
  readonly files: number;
  /** Of these the content was read; the others were known. */
  readonly read: number;
  readonly bytes: number;
  /** What was not looked at, and why. */
  readonly leftOut: readonly string[];
};

export async function scanRepository(
  tracked: readonly TrackedFile[],
  parts: ScanParts,
): Promise<Result<RepositoryScan>> {
  const { files: maxFiles } = parts.limits ?? SCAN_LIMITS;
  const looked = tracked.toSorted((a, b) => (a.path < b.path ? -1 : 1)).slice(0, maxFiles);
  const leftOut: string[] = [];
  if (looked.length < tracked.length) {
    leftOut.push(`${tracked.length - looked.length} files beyond the first ${maxFiles}`);
  }
  const gathered = await gather(looked, parts, leftOut);
  if (!gathered.ok) return gathered;
  const { files, secrets, read, bytes } = gathered.value;
  const graph = moduleGraphOf(files);
  // A file that was left out may use anything.
  const isWhole = leftOut.length === 0;
  const sighted = [
    ...secrets,
    ...missingTestsIn(files, graph),
    ...(isWhole ? deadCodeIn({ files, graph, isLibrary: isLibrary(files) }) : []),
    ...duplicatesIn(files),
    ...notesIn(files),
    ...largeFilesIn(files, new Map(looked.map(({ path, bytes: size }) => [path, size]))),
    ...missingDocumentsIn(looked.map(({ path }) => path)),
  ];
  if (!isWhole) leftOut.push("dead code, because a file that was left out may use anything");
  return ok({ findings: named(sighted, parts.digest), files: looked.length, read, bytes, leftOut });
}

/** A package that is published offers its exports to people that nobody here knows. */
function isLibrary(files: ReadonlyMap<string, FileFacts>): boolean {
  const manifest = files.get("package.json");
  if (manifest === undefined) return false;
  return (
    !manifest.mentions.includes("private") && manifest.mentions.some((word) => word === "exports" || word === "main")
  );
}

type Gathered = {
  readonly files: ReadonlyMap<string, FileFacts>;
  readonly secrets: readonly Sighted[];
  readonly read: number;
  readonly bytes: number;
};

async function gather(looked: readonly TrackedFile[], parts: ScanParts, leftOut: string[]): Promise<Result<Gathered>> {
  const limits = parts.limits ?? SCAN_LIMITS;
  const startedMs = parts.elapsedMs();
  const files = new Map<string, FileFacts>();
  const secrets: Sighted[] = [];
  let read = 0;
  let bytes = 0;
  for (const [index, file] of looked.entries()) {
    if (file.bytes > limits.fileBytes) continue; // data; its size is judged by itself
    const key = cacheKey(file, parts);
    let entry = parts.cache.get(key);
    if (entry === undefined) {
      const rest = `${looked.length - index} files from ${file.path} on`;
      if (bytes + file.bytes > limits.totalBytes) {
        leftOut.push(`${rest}: more than ${limits.totalBytes} bytes`);
        break;
      }
      if (parts.elapsedMs() - startedMs > limits.deadlineMs) {
        leftOut.push(`${rest}: no time left after ${limits.deadlineMs} ms; the next scan goes on there`);
        break;
      }
      const text = await parts.contents.text(file);
      if (!text.ok) return text;
      read += 1;
      bytes += file.bytes;
      entry = await entryOf(file, text.value, parts);
      parts.cache.put(key, entry);
    }
    if (entry.facts !== null) files.set(file.path, entry.facts);
    secrets.push(...entry.secrets);
  }
  return ok({ files, secrets, read, bytes });
}

/** Facts depend on the name of a file too: on its ending, and on the folder of a test. */
function cacheKey({ path, blob }: TrackedFile, { allowed, digest }: ScanParts): string {
  const list = allowed.length === 0 ? "" : digest(JSON.stringify(allowed)).slice(0, 16);
  return `${FACTS_VERSION}:${blob}:${list}:${path}`;
}

async function entryOf(
  { path, bytes }: TrackedFile,
  text: string | undefined,
  { allowed, digest }: ScanParts,
): Promise<FileFactsEntry> {
  const found = await scanFile({ path, text, bytes }, { watched: [], digest });
  const secrets = judge(found, allowed)
    .findings.filter(({ kind, severity }) => kind === "secret" && severity === "block")
    .map(
      (finding): Sighted => ({
        kind: "secret",
        rule: finding.rule,
        path,
        line: finding.line,
        // In a test it is mostly made up; a person says so in the list of what is allowed.
        severity: isTest(path) ? "medium" : "critical",
        effort: "medium",
        title: `Something that looks like a secret (${finding.rule})`,
        evidence: finding.shown,
        subject: finding.fingerprint,
      }),
    );
  return { facts: text === undefined ? null : factsOf(path, text), secrets };
}
