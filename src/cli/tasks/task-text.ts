/** Tasks as a person reads them. Pure. */
import type { TaskView } from "#api";
import { ageText, durationText, instantText, moneyText, plural } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { paint, type Terminal, type Tone } from "../output/terminal.ts";
import { manyLines, oneLine } from "../output/text.ts";

type AttemptView = TaskView["attempts"][number];

const STATE_TONES: Readonly<Record<TaskView["state"], Tone | undefined>> = {
  waiting: "faint",
  ready: undefined,
  running: "busy",
  done: "good",
  dead: "bad",
  cancelled: "warn",
};

const OUTCOME_TONES: Readonly<Record<AttemptView["outcome"], Tone>> = {
  passed: "good",
  partial_pass: "warn",
  failed: "bad",
  timed_out: "bad",
  cancelled: "warn",
  lost: "warn",
};

export function stateTone(state: TaskView["state"]): Tone | undefined {
  return STATE_TONES[state];
}

export function outcomeTone(outcome: AttemptView["outcome"]): Tone {
  return OUTCOME_TONES[outcome];
}

export function hasEnded(task: Pick<TaskView, "state">): boolean {
  return task.state === "done" || task.state === "dead" || task.state === "cancelled";
}

export function taskColumns(nowMs: number): readonly Column<TaskView>[] {
  return [
    { title: "ID", value: ({ id }) => id },
    { title: "STATE", value: ({ state }) => state, tone: ({ state }) => stateTone(state) },
    { title: "LANE", value: ({ lane }) => lane, optional: true },
    {
      title: "TRIES",
      value: ({ attemptCount, attemptLimit }) => `${attemptCount}/${attemptLimit}`,
      align: "right",
      optional: true,
    },
    { title: "AGE", value: ({ createdAtMs }) => ageText(createdAtMs, nowMs), align: "right", optional: true },
    { title: "TITLE", value: ({ title }) => title, shrinks: true },
    { title: "NOTE", value: noteOf, shrinks: true, optional: true },
  ];
}

/** What a person should know beside the state: progress, what it waits for, why it died. */
export function noteOf(task: TaskView): string {
  if (task.state === "running") {
    const asked = task.cancelRequested ? "asked to stop; " : "";
    if (task.progress === null) return `${asked}attempt ${task.attemptCount + 1}`;
    const { ratio, message } = task.progress;
    return `${asked}${Math.floor(ratio * 100)} %${message === "" ? "" : ` ${message}`}`;
  }
  if (task.state === "dead" || task.state === "cancelled") return task.reason?.text ?? "";
  return task.waitingFor?.text ?? "";
}

/** @returns the lines of `task show`. */
export function taskLines(task: TaskView, nowMs: number, terminal: Terminal): readonly string[] {
  const lines = [paint(terminal, "strong", oneLine(task.title)), ...facts(factsOf(task, nowMs), terminal)];
  if (task.reason !== null) lines.push("", `${paint(terminal, "bad", "Why:")} ${manyLines(task.reason.text)}`);
  if (task.attempts.length > 0) lines.push("", paint(terminal, "strong", "Attempts"));
  for (const attempt of task.attempts) lines.push(...attemptLines(attempt, terminal));
  if (task.result !== null) {
    const text = manyLines(JSON.stringify(task.result, null, 2));
    lines.push("", paint(terminal, "strong", "Result"), ...text.split("\n").map((line) => `  ${line}`));
  }
  return lines;
}

/** `name  value` with the names padded to one width. */
export function facts(pairs: readonly (readonly [string, string])[], terminal: Terminal): readonly string[] {
  const width = Math.max(0, ...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `  ${paint(terminal, "faint", name.padEnd(width))}  ${oneLine(value)}`);
}

function factsOf(task: TaskView, nowMs: number): readonly (readonly [string, string])[] {
  const pairs: [string, string][] = [
    ["id", task.id],
    ["state", task.reason === null && noteOf(task) !== "" ? `${task.state}: ${noteOf(task)}` : task.state],
    ["lane", task.lane],
    ["attempts", `${task.attemptCount} of ${task.attemptLimit}`],
    ["created", when(task.createdAtMs, nowMs)],
  ];
  const add = (name: string, value: string | null | undefined): void => {
    if (value !== null && value !== undefined && value !== "") pairs.push([name, value]);
  };
  add("started", task.startedAtMs === null ? null : when(task.startedAtMs, nowMs));
  add("ended", task.endedAtMs === null ? null : when(task.endedAtMs, nowMs));
  add("command", task.command === undefined ? null : commandText(task.command));
  add("prompt", task.prompt);
  add("workspace", task.workspace);
  add("key", task.key);
  add("goal", task.goal);
  add("node", task.node);
  add("depends on", task.dependsOn.join(", "));
  add(
    "labels",
    Object.entries(task.labels)
      .map(([name, value]) => `${name}=${value}`)
      .join(", "),
  );
  add("checks", task.verify.length === 0 ? null : task.verify.map(checkText).join("; "));
  return pairs;
}

function when(atMs: number, nowMs: number): string {
  return `${instantText(atMs)} (${ageText(atMs, nowMs)} ago)`;
}

/** The argument list as one could type it: arguments with other than plain characters stand in quotes. */
export function commandText(command: readonly string[]): string {
  return command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(" ");
}

function checkText(check: Readonly<Record<string, unknown>>): string {
  const subject = check["path"] ?? check["command"];
  const text = Array.isArray(subject) ? commandText(subject.map(String)) : typeof subject === "string" ? subject : "";
  return [String(check["kind"]), text].filter((part) => part !== "").join(" ");
}

function attemptLines(attempt: AttemptView, terminal: Terminal): readonly string[] {
  const about = [
    `ran ${durationText(attempt.durationMs)}`,
    `waited ${durationText(attempt.waitMs)}`,
    ...(attempt.model === null ? [attempt.executor] : [`${attempt.executor} ${attempt.model}`]),
    ...(attempt.tokens > 0 ? [`${plural(attempt.tokens, "token")}, ${moneyText(attempt.costMicrodollars)}`] : []),
  ];
  const outcome = paint(terminal, outcomeTone(attempt.outcome), attempt.outcome);
  const lines = [`  ${attempt.n}  ${outcome}  ${oneLine(about.join(", "))}`];
  if (attempt.error !== null)
    lines.push(
      ...manyLines(attempt.error)
        .split("\n")
        .map((line) => `       ${line}`),
    );
  return [...lines, ...reportLines(attempt.report, terminal)];
}

/** Reads what it knows of a verification report; a newer node may send more. */
function reportLines(report: AttemptView["report"], terminal: Terminal): readonly string[] {
  const checks = report?.["checks"];
  if (!Array.isArray(checks)) return [];
  return checks.flatMap((check: unknown) => {
    if (typeof check !== "object" || check === null) return [];
    const { passed, summary, kind } = check as Record<string, unknown>; // `as`: any object may be read by name
    const good = passed === true;
    const mark = terminal.unicode ? (good ? "✓" : "✗") : good ? "ok" : "FAILED";
    const text = typeof summary === "string" ? summary : typeof kind === "string" ? kind : "check";
    return [`       ${paint(terminal, good ? "good" : "bad", mark)} ${oneLine(text)}`];
  });
}
