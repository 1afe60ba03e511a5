import { type Command, command } from "../parsing/command.ts";
import { flag, text } from "../parsing/option.ts";

export const PROGRAM_COMMANDS: readonly Command[] = [
  command({
    name: "backup",
    section: "State and configuration",
    summary: "Write a verified copy of the database while the node runs",
    arguments: [{ name: "FILE", description: "Where to; default: the node's backup folder", optional: true }],
    load: async () => (await import("../commands/node.ts")).backup,
  }),
  command({
    name: "restore",
    section: "State and configuration",
    summary: "Put a backup in place of the database; the node must be stopped",
    notes: ["The database it replaces is set aside, not deleted."],
    arguments: [{ name: "FILE", description: "A backup made by drover backup" }],
    load: async () => (await import("../commands/local.ts")).restore,
  }),
  command({
    name: "config show",
    section: "State and configuration",
    summary: "Show the configuration in force; secrets are not shown",
    options: { origin: flag("Say where each value came from") },
    load: async () => (await import("../commands/local.ts")).configShow,
  }),
  command({
    name: "config check",
    section: "State and configuration",
    summary: "Check the configuration file and say what is wrong with it",
    load: async () => (await import("../commands/local.ts")).configCheck,
  }),
  command({
    name: "version",
    section: "This program",
    summary: "Show the version, its commit and its platform",
    load: async () => (await import("../commands/this-program.ts")).version,
  }),
  command({
    name: "completion",
    section: "This program",
    summary: "Print the completion script of a shell",
    arguments: [{ name: "SHELL", description: "bash, zsh or fish", choices: ["bash", "zsh", "fish"] }],
    examples: [
      { line: "source <(drover completion bash)", does: "In .bashrc or .zshrc (with zsh)" },
      { line: "drover completion fish > ~/.config/fish/completions/drover.fish", does: "For fish" },
    ],
    load: async () => (await import("../commands/this-program.ts")).completion,
  }),
  command({
    name: "help",
    section: "This program",
    summary: "Show all commands, or one in detail",
    arguments: [{ name: "COMMAND", description: "A command", optional: true, variadic: true }],
    load: async () => (await import("../commands/this-program.ts")).help,
  }),
  command({
    name: "worker",
    section: "This program",
    summary: "Carry out the attempt prepared in a folder; started by the node",
    arguments: [{ name: "DIR", description: "The attempt's folder" }],
    hidden: true,
    load: async () => (await import("../commands/local.ts")).worker,
  }),
  command({
    name: "inventory",
    section: "This program",
    summary: "Print what the system says of processor and graphics cards; started by the node",
    hidden: true,
    load: async () => (await import("../commands/local.ts")).inventory,
  }),
  command({
    name: "selftest",
    section: "This program",
    summary: "Check that this executable works on this machine",
    options: { copy: text("FILE", "Also open this copy of a node's database as it would be opened after an update") },
    hidden: true,
    load: async () => (await import("../commands/local.ts")).selftest,
  }),
  command({
    name: "state-mark",
    section: "This program",
    summary: "Print what the queue of a state folder has come to; used when a release is taken back",
    hidden: true,
    load: async () => (await import("../commands/local.ts")).stateMark,
  }),
];
