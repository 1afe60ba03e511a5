import { type Command, command } from "../parsing/command.ts";
import { flag, list, text } from "../parsing/option.ts";

export const REPOSITORY_COMMANDS: readonly Command[] = [
  command({
    name: "repo scan",
    section: "Repositories",
    summary: "Say what should not leave a repository: secrets, internal addresses, names",
    notes: [
      "Needs no node: for hooks and CI. Ends with exit code 1 while something blocks.",
      "What a person has looked at is let through by .drover-publish.toml at the top of the repository:",
      "[[allow]] with rule, path (a file or folder) or fingerprint, and always a reason.",
    ],
    arguments: [{ name: "DIR", description: "A folder of the repository; default: this one", optional: true }],
    options: {
      staged: flag("Only what the next commit changes"),
      base: text("REV", "Only what was committed since this revision, with the messages"),
      head: text("REV", "Up to this revision", { shownDefault: "HEAD" }),
      watch: list("WORD", "A word that must not get out, besides publication.watched_words"),
      replace: flag("Put addresses reserved for documents in the place of internal ones, in the files themselves"),
    },
    examples: [
      { line: "drover repo scan", does: "Every file that git knows or would add" },
      { line: "drover repo scan --staged", does: "In a pre-commit hook" },
      { line: "drover repo scan --base origin/main", does: "Before a push" },
    ],
    load: async () => (await import("../commands/local.ts")).repoScan,
  }),
];
