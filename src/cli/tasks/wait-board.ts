/** What `task wait` shows. Pure. */
import type { TaskView } from "#api";
import { progressBar } from "../output/progress-bar.ts";
import { durationText, plural } from "../output/quantities.ts";
import { paint, type Terminal } from "../output/terminal.ts";
import { oneLine, padEnd, truncate } from "../output/text.ts";
import { hasEnded, noteOf, stateTone } from "./task-text.ts";

/** Lines of single tasks; the rest is counted. More would push the shell's history off the screen. */
const MAX_TASK_LINES = 12;
const BAR_COLUMNS = 20;
const TITLE_COLUMNS = 30;

/** @returns one line per task that is of interest, then a line for all. */
export function boardLines(tasks: readonly TaskView[], elapsedMs: number, terminal: Terminal): readonly string[] {
  const shown = mostInteresting(tasks);
  const lines = shown.map((task) => taskLine(task, terminal));
  const ended = tasks.filter(hasEnded).length;
  const running = tasks.filter(({ state }) => state === "running").length;
  const hidden = tasks.length - shown.length;
  const parts = [
    `${ended} of ${plural(tasks.length, "task")} ended`,
    ...(running > 0 ? [`${running} running`] : []),
    ...(hidden > 0 ? [`${hidden} not shown`] : []),
    durationText(elapsedMs),
  ];
  const whole = tasks.reduce((sum, task) => sum + ratioOf(task), 0) / Math.max(1, tasks.length);
  lines.push(`${progressBar(whole, BAR_COLUMNS, terminal.unicode)}  ${parts.join(", ")}`);
  return lines;
}

/** @returns the line that is printed when a task changed, where lines cannot be redrawn. */
export function changeLine(task: TaskView): string {
  const note = noteOf(task);
  return `${task.id} ${task.state}${note === "" ? "" : `: ${oneLine(note)}`} (${oneLine(task.title)})`;
}

/** Whether {@link changeLine} would say something new enough to print. */
export function isNews(before: TaskView | undefined, after: TaskView): boolean {
  return before?.state !== after.state || before.attemptCount !== after.attemptCount;
}

function taskLine(task: TaskView, terminal: Terminal): string {
  const title = padEnd(truncate(oneLine(task.title), TITLE_COLUMNS, terminal.unicode), TITLE_COLUMNS);
  const state = paint(terminal, stateTone(task.state), task.state.padEnd(9));
  const bar = progressBar(ratioOf(task), BAR_COLUMNS, terminal.unicode);
  return `${bar}  ${state}  ${title}  ${oneLine(noteOf(task))}`.trimEnd();
}

function ratioOf(task: TaskView): number {
  if (hasEnded(task)) return 1;
  return task.state === "running" ? (task.progress?.ratio ?? 0) : 0;
}

/** Running ones first, then those that failed, then the rest in the order given. */
function mostInteresting(tasks: readonly TaskView[]): readonly TaskView[] {
  if (tasks.length <= MAX_TASK_LINES) return tasks;
  const rank = ({ state }: TaskView): number =>
    state === "running" ? 0 : state === "dead" ? 1 : state === "done" ? 3 : 2;
  return [...tasks].sort((a, b) => rank(a) - rank(b)).slice(0, MAX_TASK_LINES);
}
