import { parseDurationMs } from "../output/quantities.ts";
import { type Command, command } from "../parsing/command.ts";
import { choice, flag, list, pairs, text, value, whole } from "../parsing/option.ts";
import { BUDGET_POLICY_WORDS, DOCUMENT_FORMAT_WORDS, GOAL_STATE_WORDS, LANE_WORDS } from "./words.ts";

const ID = { name: "ID", description: "Id of a goal" };
const IDS = { name: "ID", description: "Ids of goals", variadic: true };
const REASON = { reason: text("TEXT", "Why, for the history") };
const TIMEOUT = { timeout: value("TIME", "Give up waiting after this time, with exit code 5", parseDurationMs) };
const BUDGETS = {
  budgetTokens: whole("N", "Tokens that its models may use", { least: 1, most: 1_000_000_000_000 }),
  budgetUsd: text("AMOUNT", "Money that its models may cost, in dollars, such as 2.50"),
};

export const GOAL_COMMANDS: readonly Command[] = [
  command({
    name: "goal add",
    section: "Goals",
    summary: "Hand in a goal, which is planned, carried out and verified",
    notes: [
      "Prints its id. A model makes the plan; when none of its plans is valid, the goal is carried out as a single task. Checks (--verify-…) decide whether it is reached; without any, a model judges the criteria.",
    ],
    options: {
      title: text("TEXT", "What is to be reached, in one line"),
      description: text("TEXT", "All that there is to know about it"),
      priority: choice(LANE_WORDS, "How urgent it is", { shownDefault: "normal" }),
      criterion: list("TEXT", "What must hold in the end, in words"),
      verifyFile: list("PATH", "Check that a file exists in the end"),
      verifyContains: list("PATH=PATTERN", "Check that a file contains a pattern"),
      verifyCommand: list("LINE", "Check that a shell command line succeeds"),
      verifyTest: list("LINE", "Check that a test, started by a shell command line, passes"),
      repo: text("NAME", "Repository that it is about"),
      workspace: text("DIR", "Folder in which its tasks work; default: one that drover makes, or the repository"),
      ...BUDGETS,
      onBudget: choice(BUDGET_POLICY_WORDS, "What happens when its budget is used up", { shownDefault: "fail" }),
      label: pairs("NAME=VALUE", "Label to find its tasks by"),
      idempotencyKey: text("KEY", "A repetition with the same key is not a second goal"),
      wait: flag("Wait until it has ended, as goal wait does"),
      ...TIMEOUT,
    },
    examples: [
      {
        line: `drover goal add --title "Greet in French" --verify-contains bonjour.txt=Bonjour --wait`,
        does: "Hand it in, and wait for it",
      },
    ],
    load: async () => (await import("../commands/goal-add.ts")).goalAdd,
  }),
  command({
    name: "goal import",
    section: "Goals",
    summary: "Hand in goals from files: Markdown, TOML or XML, by their endings",
    notes: [
      "In Markdown the first heading is the title, a list below “Success criteria” the criteria, and the rest the description; anything exact goes into a front matter between lines of ---.",
    ],
    arguments: [{ name: "FILE", description: "Files with one goal each", variadic: true }],
    options: { idempotencyKey: text("KEY", "A repetition with the same key is not a second goal; for one file") },
    load: async () => (await import("../commands/goal-document.ts")).goalImport,
  }),
  command({
    name: "goal export",
    section: "Goals",
    summary: "Print a goal as a document that can be handed in again",
    arguments: [ID],
    options: {
      format: choice(DOCUMENT_FORMAT_WORDS, "Form of the document", { shownDefault: "md" }),
      whole: flag("Everything that is known of it, tasks and history included"),
    },
    load: async () => (await import("../commands/goal-document.ts")).goalExport,
  }),
  command({
    name: "goal list",
    section: "Goals",
    summary: "List goals, the newest first",
    arguments: [
      {
        name: "STATE",
        description: "Only goals in one of these states",
        optional: true,
        variadic: true,
        choices: GOAL_STATE_WORDS,
      },
    ],
    options: {
      limit: whole("N", "At most this many", { least: 1, most: 10_000 }, { shownDefault: "50" }),
      cursor: text("CURSOR", "Go on where an earlier page ended"),
    },
    load: async () => (await import("../commands/goal-list.ts")).goalList,
  }),
  command({
    name: "goal show",
    section: "Goals",
    summary: "Show a goal with its tasks, what it cost and how it was verified",
    arguments: [ID],
    options: { history: flag("With its history") },
    load: async () => (await import("../commands/goal-show.ts")).goalShow,
  }),
  command({
    name: "goal wait",
    section: "Goals",
    summary: "Wait until goals have ended",
    notes: [
      "Ends with exit code 0 when all are complete, 1 when any failed or was cancelled, 5 when the time is over.",
    ],
    arguments: [IDS],
    options: TIMEOUT,
    load: async () => (await import("../commands/goal-wait.ts")).goalWait,
  }),
  command({
    name: "goal cancel",
    section: "Goals",
    summary: "End goals, and take their tasks out of the queue",
    arguments: [IDS],
    options: REASON,
    load: async () => (await import("../commands/goal-change.ts")).goalCancel,
  }),
  command({
    name: "goal resume",
    section: "Goals",
    summary: "Let a goal go on that its budget holds back",
    arguments: [ID],
    options: BUDGETS,
    load: async () => (await import("../commands/goal-change.ts")).goalResume,
  }),
];
