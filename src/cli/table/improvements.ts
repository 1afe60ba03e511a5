import { type Command, command } from "../parsing/command.ts";
import { flag, text, whole } from "../parsing/option.ts";

const by = text("NAME", "Who decides, as it is kept", { shownDefault: "USER" });
const PROPOSAL = { name: "ID", description: "Or the beginning of one" } as const;

export const IMPROVEMENT_COMMANDS: readonly Command[] = [
  command({
    name: "improvement list",
    section: "Repositories",
    summary: "List what could be better in the registered repositories",
    arguments: [
      {
        name: "STATE",
        description: "Only findings in one of these states; default: open",
        optional: true,
        variadic: true,
        choices: ["open", "gone", "dismissed"],
      },
    ],
    options: {
      repository: text("NAME", "Only of this repository"),
      limit: whole("N", "At most this many", { least: 1, most: 1_000 }, { shownDefault: "100" }),
    },
    load: async () => (await import("../commands/improvements.ts")).improvementList,
  }),
  command({
    name: "improvement show",
    section: "Repositories",
    summary: "Show a finding, why it is or is not worked on, and what was tried",
    arguments: [{ name: "FINGERPRINT", description: "Or the beginning of one" }],
    load: async () => (await import("../commands/improvements.ts")).improvementShow,
  }),
  command({
    name: "improvement look",
    section: "Repositories",
    summary: "Have all registered repositories looked at now",
    notes: ["The mind does so by itself when nothing else is to be done."],
    load: async () => (await import("../commands/improvements.ts")).improvementLook,
  }),
  command({
    name: "improvement dismiss",
    section: "Repositories",
    summary: "Leave findings as they are, for good",
    arguments: [{ name: "FINGERPRINT", description: "Or the beginning of one", variadic: true }],
    options: { reason: text("WHY", "For whoever asks later") },
    load: async () => (await import("../commands/improvements.ts")).improvementDismiss,
  }),
  command({
    name: "improvement reopen",
    section: "Repositories",
    summary: "Let dismissed findings count again, and failed ones be tried again",
    arguments: [{ name: "FINGERPRINT", description: "Or the beginning of one", variadic: true }],
    load: async () => (await import("../commands/improvements.ts")).improvementReopen,
  }),
  command({
    name: "improvement scan",
    section: "Repositories",
    summary: "Look through a repository for what could be better, the most worthwhile first",
    notes: [
      "Needs no node and changes nothing: it reads what is committed, without models and without running anything of it.",
    ],
    arguments: [{ name: "DIR", description: "A folder of the repository; default: this one", optional: true }],
    options: {
      revision: text("REV", "Which committed state", { shownDefault: "HEAD" }),
      workingTree: flag("The files as they lie there, changes included; asks no git"),
      expectGone: text("FINGERPRINT", "Say only whether this finding is gone; exit code 1 while it is there"),
      limit: whole("N", "Show so many findings at most", { least: 1, most: 10_000 }, { shownDefault: "50" }),
    },
    examples: [{ line: "drover improvement scan", does: "What this repository could do with" }],
    load: async () => (await import("../commands/local.ts")).improvementScan,
  }),
  command({
    name: "proposal list",
    section: "Repositories",
    summary: "List what drover proposes, from what was measured and read",
    arguments: [
      {
        name: "STATE",
        description: "Only proposals in one of these states; default: open",
        optional: true,
        variadic: true,
        choices: ["open", "approved", "rejected"],
      },
    ],
    options: {
      limit: whole("N", "At most this many", { least: 1, most: 1_000 }, { shownDefault: "100" }),
    },
    load: async () => (await import("../commands/proposals.ts")).proposalList,
  }),
  command({
    name: "proposal show",
    section: "Repositories",
    summary: "Show a proposal: problem, evidence, effort, risk",
    arguments: [PROPOSAL],
    load: async () => (await import("../commands/proposals.ts")).proposalShow,
  }),
  command({
    name: "proposal approve",
    section: "Repositories",
    summary: "Approve proposals: each becomes a goal",
    arguments: [{ ...PROPOSAL, variadic: true }],
    options: { by, reason: text("WHY", "Kept beside the decision") },
    load: async () => (await import("../commands/proposals.ts")).proposalApprove,
  }),
  command({
    name: "proposal reject",
    section: "Repositories",
    summary: "Reject proposals: they are not made again for a while",
    arguments: [{ ...PROPOSAL, variadic: true }],
    options: { by, reason: text("WHY", "For whoever asks later") },
    load: async () => (await import("../commands/proposals.ts")).proposalReject,
  }),
];
