import { type Command, command } from "../parsing/command.ts";
import { text, whole } from "../parsing/option.ts";

export const IMPROVEMENT_COMMANDS: readonly Command[] = [
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
      limit: whole("N", "Show so many findings at most", { least: 1, most: 10_000 }, { shownDefault: "50" }),
    },
    examples: [{ line: "drover improvement scan", does: "What this repository could do with" }],
    load: async () => (await import("../commands/local.ts")).improvementScan,
  }),
];
