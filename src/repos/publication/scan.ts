/**
 * What stands in the way of publishing some files.
 *
 * - N1: a finding never says a secret, only its beginning, its length and its fingerprint.
 * - N2: one place is one finding, that of the most serious rule.
 * - N3: what is not looked at (too large) is a finding itself.
 */
import { seeAddresses } from "./addresses.ts";
import { seeAssignedSecrets, seeRandomTexts } from "./assigned-secrets.ts";
import { type Finding, type Sighting, shownAs } from "./finding.ts";
import { seeKnownSecrets } from "./known-secrets.ts";
import { seePersons } from "./persons.ts";
import { seeTokens } from "./token-shapes.ts";
import { seeFile } from "./workspace-files.ts";

/** A file to be published. */
export type PublishedFile = {
  /** Relative to the repository, with "/". */
  readonly path: string;
  /** Undefined for what is no text. */
  readonly text: string | undefined;
  readonly bytes: number;
  /** The lines (from 1) that are new; undefined when all are. */
  readonly newLines?: ReadonlySet<number>;
};

export type ScanParts = {
  /** Words of the operator's own that must not get out. */
  readonly watched: readonly string[];
  /** SHA-256 in hex. */
  readonly digest: (text: string) => string;
};

/** Patterns over more than this take seconds, and nobody wrote it by hand. */
export const MAX_SCANNED_BYTES = 1024 * 1024;
/** Findings of one file: past it the file is wrong as a whole. */
const MAX_FINDINGS = 200;
const FINGERPRINT_CHARS = 16;

/** @returns what stands in the way of publishing `file`, in the order of its lines. */
export async function scanFile(file: PublishedFile, parts: ScanParts): Promise<readonly Finding[]> {
  const named = seeFile(file.path);
  const findings: Finding[] = named === undefined ? [] : [whole(file, named, parts)];
  if (file.text === undefined) return findings;
  if (file.bytes > MAX_SCANNED_BYTES) {
    return [...findings, whole(file, { rule: "too-large-to-scan", severity: "advise" }, parts)];
  }
  const places = new Places(file.text);
  for (const sighting of mostSerious(await sightings(file.path, file.text, parts.watched))) {
    const { line, column } = places.of(sighting.start);
    if (file.newLines !== undefined && !touches(file.newLines, line, places.of(sighting.end).line)) continue;
    const found = file.text.slice(sighting.start, sighting.end);
    const { kind, rule, severity } = sighting;
    findings.push({
      kind,
      rule,
      severity,
      path: file.path,
      line,
      column,
      shown: shownAs(kind, found),
      fingerprint: fingerprint(found, parts),
    });
    if (findings.length >= MAX_FINDINGS) break;
  }
  return findings;
}

async function sightings(path: string, text: string, watched: readonly string[]): Promise<readonly Sighting[]> {
  return [
    ...(await seeKnownSecrets(text, path)),
    ...seeTokens(text),
    ...seeAssignedSecrets(text, path),
    ...seeRandomTexts(text, path),
    ...seePersons(text, watched),
    ...seeAddresses(text),
  ];
}

function whole(
  { path }: PublishedFile,
  { rule, severity }: Pick<Finding, "rule" | "severity">,
  parts: ScanParts,
): Finding {
  return {
    kind: "file",
    rule,
    severity,
    path,
    line: null,
    column: null,
    shown: path,
    fingerprint: fingerprint(path, parts),
  };
}

function fingerprint(text: string, { digest }: ScanParts): string {
  return digest(text).slice(0, FINGERPRINT_CHARS);
}

const RANKS = { secret: 0, person: 1, address: 2, file: 3 } as const;

/** Of sightings that overlap the most serious one stays, and of equals the longest (N2). */
export function mostSerious(seen: readonly Sighting[]): readonly Sighting[] {
  const ranked = seen.toSorted(
    (left, right) =>
      Number(left.severity === "advise") - Number(right.severity === "advise") ||
      RANKS[left.kind] - RANKS[right.kind] ||
      right.end - right.start - (left.end - left.start),
  );
  const kept: Sighting[] = [];
  for (const sighting of ranked) {
    if (!kept.some(({ start, end }) => sighting.start < end && start < sighting.end)) kept.push(sighting);
  }
  return kept.toSorted((left, right) => left.start - right.start);
}

function touches(lines: ReadonlySet<number>, first: number, last: number): boolean {
  for (let line = first; line <= last; line += 1) if (lines.has(line)) return true;
  return false;
}

/** Where an offset of a text lies. */
class Places {
  readonly #starts: readonly number[];

  constructor(text: string) {
    const starts = [0];
    for (let index = text.indexOf("\n"); index !== -1; index = text.indexOf("\n", index + 1)) starts.push(index + 1);
    this.#starts = starts;
  }

  of(offset: number): { readonly line: number; readonly column: number } {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.#starts[low] ?? 0) + 1 };
  }
}
