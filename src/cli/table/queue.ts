import { err, ok } from "#base";
import { parseDurationMs } from "../output/quantities.ts";
import { type Command, command } from "../parsing/command.ts";
import { choice, flag, text, value, whole } from "../parsing/option.ts";
import { TASK_OPTIONS } from "./task-options.ts";
import { OVERLAP_WORDS } from "./words.ts";

const MANY = { least: 1, most: 1_000_000 };

/** A number, or "none" to lift the limit. */
const LIMIT = (text: string) => {
  if (text === "none") return ok(null);
  const number = Number(text);
  return /^\d+(\.\d+)?$/.test(text) && number > 0
    ? ok(number)
    : err(`must be a number above 0 or "none", not "${text}"`);
};

export const QUEUE_COMMANDS: readonly Command[] = [
  command({
    name: "queue show",
    section: "Queue",
    summary: "Show what the queue holds, per lane and state",
    notes: ["`drover queue` means the same."],
    load: async () => (await import("../commands/queue.ts")).queueShow,
  }),
  command({
    name: "queue pause",
    section: "Queue",
    summary: "Start no more tasks; what runs goes on",
    load: async () => (await import("../commands/queue.ts")).queuePause,
  }),
  command({
    name: "queue resume",
    section: "Queue",
    summary: "Start tasks again",
    load: async () => (await import("../commands/queue.ts")).queueResume,
  }),
  command({
    name: "queue drain",
    section: "Queue",
    summary: "Pause, then wait until nothing runs",
    options: { timeout: value("TIME", "Give up waiting after this time, with exit code 5", parseDurationMs) },
    load: async () => (await import("../commands/queue.ts")).queueDrain,
  }),
  command({
    name: "key list",
    section: "Queue",
    summary: "List keys with their limits and use",
    load: async () => (await import("../commands/key.ts")).keyList,
  }),
  command({
    name: "key set",
    section: "Queue",
    summary: "Change the limits of a key; what is not named stays as it is",
    arguments: [{ name: "KEY", description: "The key, as tasks name it" }],
    options: {
      maxConcurrent: value("N", 'Tasks that may run at once, or "none"', LIMIT),
      rate: value("N", 'Starts per second, or "none"', LIMIT),
      burst: whole("N", "Starts that may come at once under a rate", MANY),
      weight: value("N", "Share relative to other keys", (text) => {
        const limit = LIMIT(text);
        return limit.ok && limit.value === null ? err("must be a number above 0") : limit;
      }),
      pause: flag("Start none of its tasks"),
      resume: flag("Start its tasks again"),
    },
    examples: [
      {
        line: "drover key set customer-7 --max-concurrent 2 --rate 0.5",
        does: "Two at once, one start every two seconds",
      },
    ],
    load: async () => (await import("../commands/key.ts")).keySet,
  }),
  command({
    name: "schedule add",
    section: "Queue",
    summary: "Submit a task again and again, by a cron expression",
    arguments: [{ name: "NAME", description: "Name for lists" }],
    rest: { valueName: "COMMAND ARG…", description: "The command to run, as an argument list; no shell reads it" },
    options: {
      cron: text("EXPRESSION", 'When, such as "0 3 * * *" or @hourly'),
      timezone: text("ZONE", "IANA zone of the expression", { shownDefault: "UTC" }),
      overlap: choice(OVERLAP_WORDS, "When the last run has not ended: skip this one, or allow both", {
        shownDefault: "skip",
      }),
      ...TASK_OPTIONS,
    },
    examples: [
      {
        line: `drover schedule add nightly --cron "0 3 * * *" -- make backup`,
        does: "Run a command every night at three",
      },
    ],
    load: async () => (await import("../commands/schedule.ts")).scheduleAdd,
  }),
  command({
    name: "schedule list",
    section: "Queue",
    summary: "List schedules with their next run",
    load: async () => (await import("../commands/schedule.ts")).scheduleList,
  }),
  command({
    name: "schedule remove",
    section: "Queue",
    summary: "Remove schedules; tasks they submitted stay",
    arguments: [{ name: "ID", description: "Ids of schedules", variadic: true }],
    load: async () => (await import("../commands/schedule.ts")).scheduleRemove,
  }),
  command({
    name: "dead list",
    section: "Queue",
    summary: "List dead letters with their reasons",
    options: { limit: whole("N", "At most this many", { least: 1, most: 10_000 }, { shownDefault: "50" }) },
    load: async () => (await import("../commands/dead.ts")).deadList,
  }),
  command({
    name: "dead show",
    section: "Queue",
    summary: "Show a dead letter with its attempts",
    arguments: [{ name: "ID", description: "Id of a task" }],
    load: async () => (await import("../commands/dead.ts")).deadShow,
  }),
  command({
    name: "dead redrive",
    section: "Queue",
    summary: "Run dead letters again, with fresh attempts",
    arguments: [{ name: "ID", description: "Ids of tasks", variadic: true, optional: true }],
    options: { all: flag("All dead letters") },
    load: async () => (await import("../commands/dead.ts")).deadRedrive,
  }),
  command({
    name: "dead drop",
    section: "Queue",
    summary: "Delete dead letters for good",
    arguments: [{ name: "ID", description: "Ids of tasks", variadic: true }],
    load: async () => (await import("../commands/dead.ts")).deadDrop,
  }),
];
