import { parseDurationMs } from "../output/quantities.ts";
import { choice, flag, list, type Options, pairs, text, value, whole } from "../parsing/option.ts";
import { DEPENDENCY_POLICY_WORDS, LANE_WORDS, TASK_EXECUTOR_WORDS, TIER_WORDS } from "./words.ts";

/** What a task can be given by flags; the names are those of the submission. Shared by `task add` and `schedule add`. */
export const TASK_OPTIONS = {
  file: text(
    "FILE",
    "Read the task, or a list of tasks, from a file (JSON, YAML or TOML by its ending; - reads JSON or YAML)",
  ),
  title: text("TEXT", "Title; default: the command"),
  executor: choice(TASK_EXECUTOR_WORDS, "How it is carried out", { shownDefault: "auto, by what is given" }),
  prompt: text("TEXT", "Prompt, for executors that run a model"),
  tier: choice(TIER_WORDS, "Complexity of the prompt", { shownDefault: "by what it asks" }),
  model: list("MODEL", "Model for the prompt; of several the first that can, once a server has each of them"),
  contextFile: list("PATH", "File in the workspace that the model should look at"),
  notes: text("TEXT", "What the model should know beside the prompt"),
  criterion: list("TEXT", "What must hold when the prompt is carried out"),
  selfCorrections: whole("N", "Times a failed check goes back to the model", { least: 0, most: 10 }),
  lane: choice(LANE_WORDS, "Priority class", { shownDefault: "normal" }),
  key: text("KEY", "Concurrency and fairness key"),
  goal: text("ID", "Goal it belongs to, to which its models' use is accounted"),
  workspace: text("DIR", "Folder it runs in; default: a fresh one"),
  repo: text("DIR|NAME", "Git repository to work on, in a worktree of its own: a folder, or a registered one"),
  deadline: value("TIME", "End an attempt that takes longer, such as 30m", parseDurationMs),
  maxAttempts: whole("N", "Attempts before it becomes a dead letter", { least: 1, most: 100 }),
  verifyFile: list("PATH", "Check that a file exists afterwards"),
  verifyContains: list("PATH=PATTERN", "Check that a file contains a pattern"),
  verifyCommand: list("LINE", "Check that a shell command line succeeds"),
  verifyGitClean: flag("Check that the git repository has no uncommitted changes"),
  label: pairs("NAME=VALUE", "Label to find it by"),
  setEnv: pairs("NAME=VALUE", "Environment variable for its command"),
} as const satisfies Options;

/** What only a task of its own can be given, not one that a schedule submits. */
export const SUBMISSION_OPTIONS = {
  depends: list("ID", "Wait until this task is done"),
  onDependencyFailure: choice(DEPENDENCY_POLICY_WORDS, "What becomes of it when a dependency fails", {
    shownDefault: "fail",
  }),
  runAt: text("TIME", "Do not start before this instant (2027-01-31T08:00:00Z or +10m)"),
  idempotencyKey: text("KEY", "A repetition with the same key is not a second task"),
} as const satisfies Options;
