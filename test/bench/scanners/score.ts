/** How well a scan finds what was put into a repository, and how little else. */
import { createHash } from "node:crypto";
import { ok } from "#base";
import { scanRepository } from "#repos";
import { type Label, labelledRepository } from "./labelled-repository.ts";

export type KindScore = { readonly kind: string; right: number; wrong: number; missed: number };
export type ScannerScore = {
  readonly files: number;
  readonly labels: number;
  readonly precision: number;
  readonly recall: number;
  readonly kinds: readonly KindScore[];
  readonly wrong: readonly string[];
  readonly missed: readonly string[];
};

const textOf = ({ kind, path }: Label): string => `${kind} ${path}`;
const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

export async function scoreScanners(seed: number, size?: number): Promise<ScannerScore> {
  const { files, labels } = labelledRepository(seed, size);
  const tracked = [...files].map(([path, text]) => ({ path, blob: digest(text), bytes: text.length }));
  const scan = await scanRepository(tracked, {
    contents: { text: async ({ path }) => ok(files.get(path)) },
    cache: { get: () => undefined, put: () => undefined },
    allowed: [],
    digest,
    elapsedMs: () => 0,
  });
  if (!scan.ok) throw new Error(scan.error.message);
  const wanted = new Set(labels.map(textOf));
  const found = new Set(scan.value.findings.map(textOf));
  const wrong = [...found].filter((one) => !wanted.has(one));
  const missed = [...wanted].filter((one) => !found.has(one));
  const kinds = [...new Set([...wanted, ...found].map((one) => one.split(" ")[0] ?? ""))].toSorted().map((kind) => {
    const of = (list: Iterable<string>): number => [...list].filter((one) => one.startsWith(`${kind} `)).length;
    return { kind, right: of(found) - of(wrong), wrong: of(wrong), missed: of(missed) };
  });
  const right = found.size - wrong.length;
  return {
    files: files.size,
    labels: wanted.size,
    precision: right / Math.max(1, found.size),
    recall: right / Math.max(1, wanted.size),
    kinds,
    wrong,
    missed,
  };
}
