import { parseDurationMs } from "../output/quantities.ts";
import { type Command, command } from "../parsing/command.ts";
import { choice, flag, pairs, text, value, whole } from "../parsing/option.ts";
import { SUBMISSION_OPTIONS, TASK_OPTIONS } from "./task-options.ts";
import { LANE_WORDS, STATE_WORDS } from "./words.ts";

const ID = { name: "ID", description: "Id of a task" };
const IDS = { name: "ID", description: "Ids of tasks", variadic: true };
const REASON = { reason: text("TEXT", "Why, for the history") };
const TIMEOUT = { timeout: value("TIME", "Give up waiting after this time, with exit code 5", parseDurationMs) };

export const TASK_COMMANDS: readonly Command[] = [
  command({
    name: "task add",
    section: "Tasks",
    summary: "Submit a task, or several from a file",
    notes: [
      "Prints the id of each task. Of several tasks either all are accepted or none. A task of a file can be given a `ref`, which others of the same file may name in `dependsOn`.",
    ],
    rest: { valueName: "COMMAND ARG…", description: "The command to run, as an argument list; no shell reads it" },
    options: {
      ...TASK_OPTIONS,
      ...SUBMISSION_OPTIONS,
      wait: flag("Wait until it has ended, as task wait does"),
      ...TIMEOUT,
    },
    examples: [
      { line: "drover task add --verify-file report.txt -- make report", does: "Run a command and check its result" },
      {
        line: "drover task add --lane high --wait -- sh -c 'npm ci && npm test'",
        does: "Run it soon, and wait for it",
      },
      { line: "drover task add --file tasks.yaml", does: "Submit the tasks of a file" },
    ],
    load: async () => (await import("../commands/task-add.ts")).taskAdd,
  }),
  command({
    name: "task list",
    section: "Tasks",
    summary: "List tasks, the newest first",
    arguments: [
      {
        name: "STATE",
        description: "Only tasks in one of these states",
        optional: true,
        variadic: true,
        choices: STATE_WORDS,
      },
    ],
    options: {
      lane: choice(LANE_WORDS, "Only this lane"),
      key: text("KEY", "Only this key"),
      label: pairs("NAME=VALUE", "Only tasks with this label (one)"),
      limit: whole("N", "At most this many", { least: 1, most: 10_000 }, { shownDefault: "50" }),
      cursor: text("CURSOR", "Go on where an earlier page ended"),
    },
    examples: [{ line: "drover task list ready running", does: "List what is to be done" }],
    load: async () => (await import("../commands/task-list.ts")).taskList,
  }),
  command({
    name: "task show",
    section: "Tasks",
    summary: "Show a task with its attempts and verification reports",
    arguments: [ID],
    load: async () => (await import("../commands/task-show.ts")).taskShow,
  }),
  command({
    name: "task explain",
    section: "Tasks",
    summary: "Say why a task is where it is, and what it waits for",
    arguments: [ID],
    load: async () => (await import("../commands/task-show.ts")).taskExplain,
  }),
  command({
    name: "task wait",
    section: "Tasks",
    summary: "Wait until tasks have ended, showing their progress",
    notes: [
      "Ends with exit code 0 when all are done, 1 when any is dead or cancelled, 5 when the time is over. A node that is restarted meanwhile is waited for.",
    ],
    arguments: [IDS],
    options: TIMEOUT,
    examples: [{ line: "drover task wait $ID --timeout 10m", does: "Wait ten minutes at most" }],
    load: async () => (await import("../commands/task-wait.ts")).taskWait,
  }),
  command({
    name: "task cancel",
    section: "Tasks",
    summary: "Cancel tasks that wait or run",
    arguments: [IDS],
    options: REASON,
    load: async () => (await import("../commands/task-change.ts")).taskCancel,
  }),
  command({
    name: "task retry",
    section: "Tasks",
    summary: "Run tasks again that failed or were cancelled",
    arguments: [IDS],
    load: async () => (await import("../commands/task-change.ts")).taskRetry,
  }),
  command({
    name: "task logs",
    section: "Tasks",
    summary: "Print the output of a task's command, or what a model did",
    notes: ["With --follow and --json, the steps of a tool loop as objects, one a line, as they happen."],
    arguments: [ID],
    options: {
      follow: flag("Go on until the task has ended", { short: "f" }),
      attempt: whole("N", "This attempt", { least: 1, most: 1_000_000 }, { shownDefault: "the latest" }),
    },
    load: async () => (await import("../commands/task-logs.ts")).taskLogs,
  }),
  command({
    name: "task result",
    section: "Tasks",
    summary: "Print the whole result of a task as JSON, which task show may shorten",
    arguments: [ID],
    options: {
      attempt: whole("N", "Of this attempt", { least: 1, most: 1_000_000 }, { shownDefault: "the one that passed" }),
    },
    load: async () => (await import("../commands/task-result.ts")).taskResult,
  }),
];
