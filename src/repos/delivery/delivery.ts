/** The delivery of a goal's branch: what is asked, what comes back, and in which words a forge is told. */
import { z } from "zod";
import type { JsonObject, Result } from "#base";
import type { Change } from "../autonomy/change.ts";
import type { Decision, Tier } from "../autonomy/decision.ts";
import type { Risk } from "../autonomy/risk.ts";
import type { Finding } from "../publication/finding.ts";
import type { CheckName, Repository } from "../registry/repository.ts";
import type { DeliveryOutcome, DeliveryRecord } from "../registry/repository-store.ts";

export type DeliveryOrder = {
  readonly goalId: string;
  readonly title: string;
  readonly description: string;
  readonly repository: string;
  readonly branch: string;
  /** That had a part in it. */
  readonly models: readonly string[];
  /** The work that must be in it; absent: what is on the branch is all. */
  readonly tasks?: readonly string[];
  /** What a person has said yes to, after it was asked for: goes as far whatever the risk. Nothing lifts A1 and A3. */
  readonly approved?: "pullRequest" | "merge";
};

export type DeliveryReceipt = {
  readonly outcome: DeliveryOutcome;
  readonly detail: string;
  readonly link: string | null;
};

/** What became of a delivery that had to wait. */
export type DeliveryNews = DeliveryReceipt & { readonly goal: string };

const waitingSchema = z.object({
  /** Since when, by the clock of the node. */
  sinceMs: z.number(),
  title: z.string(),
  description: z.string(),
  models: z.array(z.string()),
  approved: z.enum(["pullRequest", "merge"]).exactOptional(),
});
/** What is kept of an order whose pull request waits for the checks of its forge. */
export type Waiting = z.infer<typeof waitingSchema>;

/** @returns undefined for a delivery that waits for nothing */
export function waitingOf({ outcome, report }: Pick<DeliveryRecord, "outcome" | "report">): Waiting | undefined {
  if (outcome !== "pullRequest") return undefined;
  return waitingSchema.safeParse(report["waits"]).data;
}

/** What the commands of a repository said about one commit. */
export type CheckReport = {
  readonly ran: readonly CheckName[];
  readonly failing: readonly { readonly name: CheckName; readonly detail: string }[];
};

/** Runs what a repository is checked with, confined as a task's commands are. */
export interface CheckRunner {
  /** A failure says that they could not be run, which is neither red nor green. */
  run(repository: Repository, gitDir: string, commit: string): Promise<Result<CheckReport>>;
}

/** Everything that was found out about a branch before it was decided what happens to it. */
export type Assessment = {
  readonly main: string;
  readonly head: string;
  readonly changes: readonly Change[];
  readonly findings: readonly Finding[];
  readonly allowed: readonly { readonly finding: Finding; readonly reason: string }[];
  readonly conflicts: readonly string[];
  readonly risk: Risk;
  readonly checks: CheckReport | null;
  readonly decision: Decision;
  /** The commit that a merge would make; null in a conflict. */
  readonly merge: string | null;
};

/** @returns whether there is a command by which it is checked. */
export function hasChecks({ checks: { test, build, lint } }: Repository): boolean {
  return (test ?? build ?? lint) !== undefined;
}

/** @returns whether the tests ran, and everything that ran passed; null when no test ran. */
export function testsPassed(checks: CheckReport | null): boolean | null {
  if (checks === null || !checks.ran.includes("test")) return null;
  return checks.failing.length === 0;
}

const MAX_SHOWN = 50;

/** What is kept of an assessment, and shown to people. */
export function reportOf(assessment: Assessment): JsonObject {
  const { risk, decision, changes, findings, allowed, conflicts, checks } = assessment;
  return {
    risk: { points: risk.points, terms: risk.terms.map((term) => ({ ...term })) },
    tier: decision.tier,
    rules: decision.rules.map((rule) => ({ ...rule })),
    files: changes.length,
    lines: changes.reduce((sum, { added, removed }) => sum + added + removed, 0),
    findings: findings.slice(0, MAX_SHOWN).map((finding) => ({ ...finding })),
    allowed: allowed.slice(0, MAX_SHOWN).map(({ finding, reason }) => ({ ...finding, reason })),
    conflicts: conflicts.slice(0, MAX_SHOWN),
    checks: checks === null ? null : { ran: [...checks.ran], failing: checks.failing.map((each) => ({ ...each })) },
  };
}

/** The text of a pull request: what it is for, and by which rules it got here. */
export function pullRequestText(order: DeliveryOrder, { risk, decision }: Assessment): string {
  const terms = risk.terms.map(({ name, points, because }) => `| ${name} | ${points} | ${cell(because)} |`);
  const limits = decision.rules.filter(({ atMost }) => atMost !== "merge");
  return [
    order.description.trim(),
    `### Risk ${risk.points}`,
    ["| term | points | because |", "| --- | --- | --- |", ...terms].join("\n"),
    ...(limits.length === 0 ? [] : [limits.map(({ because }) => `- ${cell(because)}`).join("\n")]),
    `Goal ${order.goalId}, by drover${order.models.length === 0 ? "" : ` with ${order.models.join(", ")}`}`,
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function cell(text: string): string {
  return text.replaceAll(/[|\r\n]+/g, " ");
}

/** @returns in one sentence which rules decided. */
export function reasonOf({ tier, rules }: Decision): string {
  return rules
    .filter(({ atMost }) => atMost === tier)
    .map(({ because }) => because)
    .join("; ");
}

/** How far it goes: as decided, or as a person said. */
export function goesTo(decision: Decision, approved: DeliveryOrder["approved"]): Tier {
  const { tier, rules } = decision;
  if (tier === "blocked" || approved === undefined) return tier;
  if (approved === "pullRequest") return tier === "merge" ? "merge" : "pullRequest";
  // A3 is not a person's to lift.
  const areTestsGood = rules.some(({ name, atMost }) => name === "tests" && atMost === "merge");
  return areTestsGood ? "merge" : "pullRequest";
}
