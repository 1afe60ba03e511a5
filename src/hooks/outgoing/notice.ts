/** Something that people or other programs are to hear of. */

export const SEVERITIES = ["info", "warning", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What there is to hear of; channels choose among these, `alert.*` for all of a group. */
export const NOTICE_KINDS = [
  /** Also that the mind holds, or needs a person. */
  "alert.raised",
  "alert.resolved",
  "goal.complete",
  "goal.failed",
  /** It waits for a person. */
  "goal.paused",
  "task.dead",
  "node.offline",
  "node.online",
  "update.rolledBack",
  "budget.reached",
  "hub.elected",
  "test",
] as const;
export type NoticeKind = (typeof NOTICE_KINDS)[number];

export type Notice = {
  readonly kind: NoticeKind;
  readonly severity: Severity;
  /** One line. */
  readonly title: string;
  readonly message: string;
  /** What it is about: an id, a name. */
  readonly subject: string;
  readonly atMs: number;
  /** The same notice told again under the same key is told once; null: each is another one. */
  readonly key: string | null;
};

/** Whoever has something to tell. Never fails: what cannot be kept is logged. */
export interface Notices {
  notify(notice: Notice): void;
}

const RANK: Readonly<Record<Severity, number>> = { info: 0, warning: 1, critical: 2 };

export function isAtLeast(severity: Severity, least: Severity): boolean {
  return RANK[severity] >= RANK[least];
}

/** @returns the greatest among them; `info` of none. */
export function greatestSeverity(severities: readonly Severity[]): Severity {
  return severities.reduce<Severity>((greatest, one) => (isAtLeast(one, greatest) ? one : greatest), "info");
}
