import { type Command, command } from "../parsing/command.ts";
import { choice, flag, list, text, whole } from "../parsing/option.ts";

const NAME = { name: "NAME", description: "As drover repo list shows it" } as const;
const MAX_PRIORITY = 1_000;
const MAX_SHOWN = 500;

export const REPOSITORY_COMMANDS: readonly Command[] = [
  command({
    name: "repo list",
    section: "Repositories",
    summary: "List the repositories that the fleet works on, by priority",
    load: async () => (await import("../commands/repositories.ts")).repoList,
  }),
  command({
    name: "repo show",
    section: "Repositories",
    summary: "Show a repository and what is broken in it",
    arguments: [NAME],
    load: async () => (await import("../commands/repositories.ts")).repoShow,
  }),
  command({
    name: "repo add",
    section: "Repositories",
    summary: "Register a repository; tasks and goals name it with repo",
    notes: [
      "A path is used where it is, never its checked-out files. An address is copied into the state folder.",
      "Tokens stay in their file, which its owner alone may read; it lies on the hub.",
      "With --forge pull requests are opened; without, a delivery is a branch and a patch file.",
    ],
    arguments: [{ name: "NAME", description: "Letters, digits, dot, dash, underscore" }],
    options: {
      path: text("DIR", "A repository on the hub's host"),
      from: text("ADDRESS", "Where git fetches it from: https://, ssh://, file:// or user@host:path"),
      remote: text("REMOTE", "Of a path: which remote it follows", { shownDefault: "origin, if there is one" }),
      branch: text("BRANCH", "The main branch", { shownDefault: "main" }),
      priority: whole("N", "The greatest first", { least: 0, most: MAX_PRIORITY }, { shownDefault: "0" }),
      forge: choice(["github", "gitea", "forgejo", "none"], "Where its pull requests are", { shownDefault: "none" }),
      forgeUrl: text("URL", "Of the forge's API; github.com's unless given"),
      forgeRepo: text("OWNER/NAME", "Its name on the forge"),
      tokenFile: text("FILE", "With a token for git and the forge: its name in secrets/HOST/ of the state folder"),
      atMost: choice(["merge", "pullRequest", "ask"], "The most that happens without a person", {
        shownDefault: "autonomy.at_most",
      }),
      test: text("COMMAND", "Runs its tests; words are separated by spaces"),
      build: text("COMMAND", "Builds it"),
      lint: text("COMMAND", "Lints it"),
    },
    examples: [
      { line: "drover repo add site --path ~/src/site --test 'bun test'", does: "Work on a repository of this host" },
      {
        line: "drover repo add api --from https://git.example.org/ada/api.git --forge forgejo --forge-url https://git.example.org/api/v1 --forge-repo ada/api --token-file api",
        does: "Open pull requests on a forge of your own",
      },
    ],
    load: async () => (await import("../commands/repositories.ts")).repoAdd,
  }),
  command({
    name: "repo pause",
    section: "Repositories",
    summary: "Deliver nothing to repositories, and look for nothing in them",
    arguments: [{ ...NAME, variadic: true }],
    load: async () => (await import("../commands/repositories.ts")).repoPause,
  }),
  command({
    name: "repo resume",
    section: "Repositories",
    summary: "Go on with repositories that were paused",
    arguments: [{ ...NAME, variadic: true }],
    load: async () => (await import("../commands/repositories.ts")).repoResume,
  }),
  command({
    name: "repo remove",
    section: "Repositories",
    summary: "Forget repositories that were added; their branches stay",
    arguments: [{ ...NAME, variadic: true }],
    load: async () => (await import("../commands/repositories.ts")).repoRemove,
  }),
  command({
    name: "repo risk",
    section: "Repositories",
    summary: "Say how risky a branch is, and what a delivery of it would be",
    arguments: [NAME, { name: "BRANCH", description: "A branch of the repository, such as drover/GOAL" }],
    examples: [{ line: "drover repo risk site drover/g_1", does: "See each term of the risk" }],
    load: async () => (await import("../commands/repositories.ts")).repoRisk,
  }),
  command({
    name: "repo check",
    section: "Repositories",
    summary: "Run the checks of the main branch now, in the sandbox",
    notes: ["What is red is a fault that the mind mends. Ends with exit code 1 then."],
    arguments: [NAME],
    load: async () => (await import("../commands/repositories.ts")).repoCheck,
  }),
  command({
    name: "repo deliveries",
    section: "Repositories",
    summary: "List what was delivered to a repository",
    arguments: [NAME],
    options: { limit: whole("N", "How many", { least: 1, most: MAX_SHOWN }, { shownDefault: "50" }) },
    load: async () => (await import("../commands/repositories.ts")).repoDeliveries,
  }),
  command({
    name: "repo deliver",
    section: "Repositories",
    summary: "Deliver the branch of a goal now, or say yes to what asks",
    notes: [
      "Goals deliver by themselves when they are complete. Ends with exit code 1 when it is blocked.",
      "A finding of the scan, and tests that do not pass, hold whatever is approved.",
    ],
    arguments: [NAME, { name: "GOAL", description: "Id of the goal, or of a task without one" }],
    options: {
      title: text("TEXT", "Of the pull request"),
      approve: choice(["pullRequest", "merge"], "How far it may go although its risk says otherwise"),
    },
    examples: [
      { line: "drover repo deliver site g_1 --approve pullRequest", does: "Let it through to a pull request" },
    ],
    load: async () => (await import("../commands/repositories.ts")).repoDeliver,
  }),
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
