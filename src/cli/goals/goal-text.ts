/** Goals as text. Pure. */
import type { GoalView, WholeGoalView } from "#api";
import { err, isUntrusted, ok, type Result } from "#base";
import { ageText, durationText, instantText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import type { Tone } from "../output/terminal.ts";
import { oneLine } from "../output/text.ts";

const MICRODOLLARS = 1_000_000;
const MAX_USD = 1_000_000_000;

export function hasGoalEnded({ state }: Pick<GoalView, "state">): boolean {
  return state === "complete" || state === "failed" || state === "cancelled";
}

export function goalTone(state: GoalView["state"]): Tone | undefined {
  if (state === "complete") return "good";
  if (state === "failed") return "bad";
  if (state === "cancelled") return "warn";
  return state === "submitted" ? undefined : "busy";
}

function stateText({ state, paused }: Pick<GoalView, "state" | "paused">): string {
  return paused === null ? state : `${state}, held`;
}

export function goalColumns(nowMs: number): readonly Column<GoalView>[] {
  return [
    { title: "ID", value: ({ id }) => id },
    { title: "STATE", value: stateText, tone: ({ state }) => goalTone(state) },
    { title: "PRIORITY", value: ({ priority }) => priority, optional: true },
    { title: "ROUND", value: ({ round }) => String(round), align: "right", optional: true },
    { title: "TOKENS", value: ({ spent }) => String(spent.tokens), align: "right", optional: true },
    { title: "COST", value: ({ spent }) => dollarsText(spent.costMicrodollars), align: "right", optional: true },
    { title: "AGE", value: ({ createdAtMs }) => ageText(createdAtMs, nowMs), align: "right" },
    { title: "TITLE", value: ({ title }) => title, shrinks: true },
  ];
}

export function dollarsText(microdollars: number): string {
  return `$${(microdollars / MICRODOLLARS).toFixed(2)}`;
}

/** @returns a budget in millionths of a dollar, from dollars as people write them. */
export function parseDollars(text: string): Result<number, string> {
  const amount = Number(text.replace(/^\$/, ""));
  const isAmount = /^\$?\d+(\.\d{1,6})?$/.test(text) && amount > 0 && amount <= MAX_USD;
  return isAmount ? ok(Math.round(amount * MICRODOLLARS)) : err(`must be an amount such as 2.50, not "${text}"`);
}

/** @returns name and value of what is worth knowing of a goal. */
export function goalFacts(goal: WholeGoalView, nowMs: number): readonly [string, string][] {
  const { budget, spent, progress, verdict, delivery } = goal;
  const tokens = budget.tokens === null ? `${spent.tokens}` : `${spent.tokens} of ${budget.tokens}`;
  const cost =
    budget.costMicrodollars === null
      ? dollarsText(spent.costMicrodollars)
      : `${dollarsText(spent.costMicrodollars)} of ${dollarsText(budget.costMicrodollars)}`;
  const endMs = goal.endedAtMs ?? nowMs;
  return [
    ["state", stateText(goal)],
    ...(goal.paused === null ? [] : [["held", oneLine(goal.paused)] as [string, string]]),
    ...(goal.reason === null ? [] : [["reason", oneLine(goal.reason.text)] as [string, string]]),
    ...heldFacts(goal.held),
    ["priority", goal.priority],
    ["progress", `${progress.done} of ${progress.tasks} tasks, ${Math.round(progress.ratio * 100)} %`],
    ["plan", planText(goal)],
    ["tokens", tokens],
    ["cost", cost],
    ["submitted", `${instantText(goal.createdAtMs)}, by ${goal.channel}`],
    ...(isUntrusted(goal.labels) ? [["trust", FROM_OUTSIDE] as [string, string]] : []),
    ...(goal.startedAtMs === null
      ? []
      : [["took", durationText(Math.max(0, endMs - goal.startedAtMs))] as [string, string]]),
    ...(goal.repository === null ? [] : [["repository", goal.repository] as [string, string]]),
    ...(goal.workspace === null ? [] : [["workspace", goal.workspace] as [string, string]]),
    ...(goal.home === null
      ? []
      : [["only on", `${goal.home.node}, which alone has ${goal.home.folder}`] as [string, string]]),
    ...(verdict === null ? [] : [["verified", VERIFIED[verdict.by]] as [string, string]]),
    ...(delivery === null ? [] : [["delivered", deliveryText(delivery)] as [string, string]]),
  ];
}

const FROM_OUTSIDE = "from outside: no network, no variables of the node, nothing merged without a person";

const VERIFIED = {
  checks: "by its checks",
  model: "by the judgement of a model, since it has no checks",
  tasks: "by its tasks alone, since it has neither checks nor criteria",
} as const;

function heldFacts(held: WholeGoalView["held"]): readonly [string, string][] {
  if (held === null) return [];
  const { task, text, remedy } = held;
  return [
    ["waits", oneLine(`task ${task}: ${text}`)],
    ...(remedy === null ? [] : [["remedy", oneLine(remedy)] as [string, string]]),
  ];
}

function planText({ planBy, round }: WholeGoalView): string {
  if (round === 0) return "none yet";
  const by = planBy === null ? "being made" : planBy === "model" ? "by a model" : "the goal as one task";
  return round === 1 ? by : `${by}, number ${round}`;
}

function deliveryText({ outcome, detail, link }: NonNullable<WholeGoalView["delivery"]>): string {
  return oneLine([outcome, detail, link ?? ""].filter((part) => part !== "").join(": "));
}

export function goalTaskColumns(): readonly Column<WholeGoalView["tasks"][number]>[] {
  return [
    { title: "N", value: ({ n }) => String(n), align: "right" },
    { title: "KIND", value: ({ kind }) => kind },
    { title: "STATE", value: ({ state }) => state, tone: ({ state }) => TASK_TONES[state] },
    { title: "ROUND", value: ({ round }) => String(round), align: "right", optional: true },
    { title: "AFTER", value: ({ dependsOn }) => dependsOn.join(","), optional: true },
    { title: "TASK", value: ({ task }) => task ?? "-" },
    { title: "TITLE", value: ({ title }) => title, shrinks: true },
  ];
}

const TASK_TONES: Readonly<Record<WholeGoalView["tasks"][number]["state"], Tone | undefined>> = {
  planned: undefined,
  open: "busy",
  done: "good",
  failed: "bad",
  dropped: "faint",
};
