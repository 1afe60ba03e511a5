/** What a look at a repository finds that could be better. */

export const SCAN_KINDS = [
  "secret",
  "failing-test",
  "vulnerable-dependency",
  "type-error",
  "lint-error",
  "missing-test",
  "dead-code",
  "duplicate-code",
  "outdated-dependency",
  "note",
  "large-file",
  "missing-document",
  "model",
] as const;
export type ScanKind = (typeof SCAN_KINDS)[number];

export const SCAN_SEVERITIES = ["critical", "high", "medium", "low"] as const;
export type ScanSeverity = (typeof SCAN_SEVERITIES)[number];

/** How long a person would sit on it: minutes, an hour or two, a day. */
export const SCAN_EFFORTS = ["small", "medium", "large"] as const;
export type ScanEffort = (typeof SCAN_EFFORTS)[number];

export type ScanFinding = {
  readonly kind: ScanKind;
  /** What exactly, within its kind. */
  readonly rule: string;
  /** Relative to the repository, with "/"; "" when the repository as a whole is meant. */
  readonly path: string;
  /** From 1; null when no line is meant. */
  readonly line: number | null;
  readonly severity: ScanSeverity;
  readonly effort: ScanEffort;
  /** One line, for people and for the title of a goal. */
  readonly title: string;
  /** What was seen, so that nobody has to believe it. Never a secret. */
  readonly evidence: string;
  /** The same for the same finding wherever it moves within its file. */
  readonly fingerprint: string;
};

/** A finding before it has its name. `subject` is what stays when lines move: a symbol, the text of a line. */
export type Sighted = Omit<ScanFinding, "fingerprint" | "evidence"> & {
  readonly evidence: string;
  readonly subject: string;
};

/** SHA-256 in hex. */
export type Digest = (text: string) => string;

const FINGERPRINT_CHARS = 16;
const MAX_TITLE_CHARS = 160;
const MAX_EVIDENCE_CHARS = 600;

/** @returns the findings with their names; equal ones in one file are told apart by their order. */
export function named(sighted: readonly Sighted[], digest: Digest): readonly ScanFinding[] {
  const seen = new Map<string, number>();
  return sighted.map(({ subject, ...finding }) => {
    const key = [finding.kind, finding.rule, finding.path, subject].join("\0");
    const before = seen.get(key) ?? 0;
    seen.set(key, before + 1);
    return {
      ...finding,
      title: oneLine(finding.title, MAX_TITLE_CHARS),
      evidence: finding.evidence.slice(0, MAX_EVIDENCE_CHARS),
      fingerprint: digest(`${key}\0${before}`).slice(0, FINGERPRINT_CHARS),
    };
  });
}

function oneLine(text: string, maxChars: number): string {
  const flat = text.replaceAll(/\s+/g, " ").trim();
  return flat.length > maxChars ? `${flat.slice(0, maxChars - 1)}…` : flat;
}
