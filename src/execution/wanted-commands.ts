/** What of an attempt needs commands of the task's choice, on a node that starts none. */
import { type Failure, terminal } from "#base";
import type { Assignment } from "./attempt.ts";
import type { CommandsRefused } from "./sandbox/policy.ts";
import type { CheckKind } from "./task-spec.ts";

/** git runs what the workspace's own settings name, so it counts as the task's choice too. */
const CHECKS_BY_COMMAND: ReadonlySet<CheckKind> = new Set(["command_succeeds", "test_passes", "git_clean"]);

/**
 * Decides before anything is done, so that no model works for a check that could never run.
 * @returns why the attempt cannot be carried out here; undefined when it can
 */
export function refusedHere(
  assignment: Pick<Assignment, "executor" | "model" | "spec" | "sandbox">,
): Failure | undefined {
  const { executor, model, spec, sandbox } = assignment;
  const { commandsRefused } = sandbox;
  if (commandsRefused === null) return undefined;
  if (executor === "shell") return noCommand("executor shell", commandsRefused);
  if (model !== null && model.claudeCommand !== null) return noCommand("executor.claude.command", commandsRefused);
  const check = spec.verify.find(({ kind }) => CHECKS_BY_COMMAND.has(kind));
  return check === undefined ? undefined : noCommand(`check ${check.kind}`, commandsRefused);
}

/** Terminal: another attempt on this node ends the same way. */
export function noCommand(what: string, { reason, remedy }: CommandsRefused): Failure {
  return terminal("unsupported", `${what} is not carried out on this node: ${reason}`, remedy);
}
