/** In which order findings are worth somebody's time. */
import type { ScanEffort, ScanFinding, ScanKind, ScanSeverity } from "./scan-finding.ts";

/** What leaving it costs, per severity; each step is about three times the one below. */
const HARM: Readonly<Record<ScanSeverity, number>> = { critical: 100, high: 30, medium: 10, low: 3 };
/** What mending it costs. */
const COST: Readonly<Record<ScanEffort, number>> = { small: 1, medium: 2, large: 4 };
/** How often a finding of a kind is one, by `bench:scanners` and, for what tools say, by their reputation. */
const TRUST: Readonly<Record<ScanKind, number>> = {
  secret: 0.9,
  "failing-test": 1,
  "vulnerable-dependency": 0.9,
  "type-error": 1,
  "lint-error": 0.9,
  "missing-test": 0.8,
  "dead-code": 0.9,
  "duplicate-code": 0.8,
  "outdated-dependency": 0.9,
  note: 0.6,
  "large-file": 0.5,
  "missing-document": 1,
  model: 0.4,
};

export type Ranked = {
  readonly finding: ScanFinding;
  readonly score: number;
  /** How the score came about, for people. */
  readonly why: string;
};

/** Harm × trust ÷ cost, the largest first; of equals the one that comes first by name, so that the order never flaps. */
export function rankFindings(findings: readonly ScanFinding[]): readonly Ranked[] {
  return findings
    .map((finding) => ({ finding, score: scoreOf(finding), why: whyOf(finding) }))
    .toSorted((a, b) => b.score - a.score || compare(keyOf(a.finding), keyOf(b.finding)));
}

function scoreOf({ severity, effort, kind }: ScanFinding): number {
  return Math.round(((HARM[severity] * TRUST[kind]) / COST[effort]) * 100) / 100;
}

function whyOf({ severity, effort, kind }: ScanFinding): string {
  return `${severity} (${HARM[severity]}) × trust in ${kind} (${TRUST[kind]}) ÷ ${effort} effort (${COST[effort]})`;
}

function keyOf({ kind, path, line, fingerprint }: ScanFinding): string {
  return `${kind}\0${path}\0${String(line ?? 0).padStart(9, "0")}\0${fingerprint}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
