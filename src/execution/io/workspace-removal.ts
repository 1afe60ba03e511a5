import type { Clock, Failure, Result } from "#base";
import { commandEnvironment } from "../environment.ts";
import { StopSwitch } from "../stop-switch.ts";
import type { WorkspacePlan } from "../workspace.ts";
import { runCommand } from "./command.ts";
import { startProcess } from "./start-process.ts";
import { disposeWorkspace, GIT_SAFETY, GIT_TIMEOUT_MS } from "./workspace-folder.ts";

/** It is no attempt. */
const NO_FENCE = { epoch: 0, n: 0 };

/**
 * Removes the workspace of a task that has ended for good, with its entry in the repository's list of worktrees. A
 * folder that the user gave is left alone; removing twice is no fault. Not while an attempt of the task runs.
 */
export function removeWorkspace(plan: WorkspacePlan, clock: Clock): Promise<Result<void, Failure>> {
  const marker = `remove-${process.pid}-${plan.path}`;
  const env = commandEnvironment({
    inherited: process.env,
    extra: {},
    taskId: "",
    attempt: 0,
    fence: NO_FENCE,
    marker,
  });
  const context = { clock, start: startProcess, stop: new StopSwitch(), marker, adoptsOrphans: false };
  return disposeWorkspace(plan, (args, cwd) =>
    runCommand(
      { command: ["git", ...GIT_SAFETY, ...args], cwd, env, wallMs: GIT_TIMEOUT_MS, outputBytes: 64 * 1024 },
      context,
    ),
  );
}
