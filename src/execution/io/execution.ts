/**
 * One attempt from its workspace to its report: what is prepared outside the sandbox, what runs inside it, and how the
 * outcome is judged. The executors differ in the middle alone.
 */
import { retryable } from "#base";
import type { AttemptResult } from "../attempt.ts";
import { commandEnvironment } from "../environment.ts";
import { type CommandEnd, judge, skipChecks } from "../outcome.ts";
import { skippedReport, type VerificationReport } from "../verification/report.ts";
import { refusedHere } from "../wanted-commands.ts";
import { markerOf } from "./attempt-folder.ts";
import { AttemptLog } from "./attempt-log.ts";
import { openAttemptSandbox } from "./attempt-sandbox.ts";
import { runChecks } from "./check-runner.ts";
import { runClaudeCommand } from "./claude-command.ts";
import { type CommandContext, runCommand } from "./command.ts";
import { libc } from "./libc.ts";
import { runModel } from "./model-attempt.ts";
import { identify } from "./process-identity.ts";
import { startProcess } from "./start-process.ts";
import { type ExecutionParts, notDone, type Work, type Workshop } from "./workshop.ts";
import { GIT_SAFETY, GIT_TIMEOUT_MS, prepareWorkspace } from "./workspace-folder.ts";

/** Never throws: a bug becomes a failed attempt, so that the node hears of it. */
export async function execute(parts: ExecutionParts): Promise<AttemptResult> {
  const { clock, assignment } = parts;
  const startedAtMs = clock.nowMs();
  const startMs = clock.monotonicMs();
  let work: Work;
  try {
    work = await attempt(parts);
  } catch (error) {
    parts.say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    const message = `execute attempt: ${error instanceof Error ? error.message : String(error)}`;
    work = notDone(retryable("internal", message));
  }
  const { run, verdict, report, model } = work;
  return {
    ...verdict,
    exitCode: run?.exitCode ?? null,
    signal: run?.signal ?? null,
    output: { ...(run?.output ?? NO_OUTPUT), logPath: assignment.logPath },
    report,
    // Without either nothing was ever confined.
    ...(run === undefined && model === undefined ? {} : { sandbox: assignment.sandbox.mode }),
    ...(model === undefined ? {} : { model }),
    startedAtMs,
    endedAtMs: clock.nowMs(),
    durationMs: Math.round(clock.monotonicMs() - startMs),
  };
}

const NO_OUTPUT = { head: "", tail: "", totalBytes: 0, truncated: false };

async function attempt(parts: ExecutionParts): Promise<Work> {
  const { assignment, clock, stop, crashPoint } = parts;
  const { spec, limits, logPath } = assignment;
  const refused = refusedHere(assignment);
  if (refused !== undefined) return notDone(refused);
  const marker = markerOf(assignment.token);
  // All children of a worker belong to its attempt, so it may end every one of them.
  const adoptsOrphans = libc?.becomeSubreaper() ?? false;
  const open: CommandContext = { clock, start: startProcess, stop, marker, adoptsOrphans };
  const { taskId, attempt: number, fence } = assignment;
  const own = { inherited: process.env, taskId, attempt: number, fence, marker };
  // By this a command finds the executable that runs it, also where no PATH leads to it.
  const program = parts.launcher.command.slice(0, -1).join(" ");
  const env = { ...commandEnvironment({ ...own, extra: spec.env ?? {} }), DROVER_PROGRAM: program };
  // Without what the task sets: a PATH or GIT_EXEC_PATH of its own would choose the program that runs outside.
  const gitEnv = { ...commandEnvironment({ ...own, extra: {} }), GIT_TERMINAL_PROMPT: "0" };
  // Before anything of the task has run, and with the repository's own programs switched off: outside the sandbox.
  const workspace = await prepareWorkspace(assignment.workspace, (args, cwd) => {
    const command = ["git", ...GIT_SAFETY, ...args];
    return runCommand({ command, cwd, env: gitEnv, wallMs: GIT_TIMEOUT_MS, outputBytes: 1024 * 1024 }, open);
  });
  if (!workspace.ok) return notDone(workspace.error);
  crashPoint("worker:after-workspace");
  const opened = AttemptLog.open(logPath, spec.outputLimitBytes ?? limits.outputBytes);
  if (!opened.ok) return notDone(opened.error);
  const log = opened.value;
  const note = (line: string): void => log.note(line);
  const sandbox = openAttemptSandbox(assignment, workspace.value, parts.launcher, clock, startProcess, note);
  if (!sandbox.ok) {
    log.close();
    return notDone(sandbox.error);
  }
  const confined: CommandContext = { ...open, start: sandbox.value.start };
  const command: Workshop["command"] = ({ extraEnv, ...request }, ownStop) =>
    runCommand(
      { ...request, env: { ...env, ...extraEnv } },
      ownStop === undefined ? confined : { ...confined, stop: ownStop },
    );
  const verify = (): Promise<VerificationReport> => {
    parts.link.phase = "verifying";
    return runChecks(spec.verify, {
      workspace: workspace.value,
      clock,
      runtime: process.execPath,
      ownFolder: sandbox.value.emptyFolder,
      stopped: () => stop.current !== undefined,
      run: (request) => command({ ...request, outputBytes: limits.outputBytes, log: log.output }),
    });
  };
  try {
    parts.link.phase = "running";
    return await carryOut({ ...parts, workspace: workspace.value, log, command, verify });
  } finally {
    const left = sandbox.value.close();
    if (left !== undefined) parts.say(left.message);
    log.close();
  }
}

function carryOut(shop: Workshop): Promise<Work> {
  const { executor, model } = shop.assignment;
  switch (executor) {
    case "shell":
      return runShell(shop);
    case "ollama":
    case "claude": {
      if (model === null) return Promise.resolve(notDone(retryable("internal", "the attempt has no plan for a model")));
      return model.claudeCommand === null ? runModel(shop, model) : runClaudeCommand(shop, model, model.claudeCommand);
    }
  }
}

async function runShell(shop: Workshop): Promise<Work> {
  const { assignment, log, link, stop, crashPoint } = shop;
  const { spec, limits } = assignment;
  const run = await shop.command({
    command: spec.command ?? [],
    cwd: shop.workspace,
    wallMs: spec.deadlineMs ?? limits.wallMs,
    outputBytes: spec.outputLimitBytes ?? limits.outputBytes,
    headBytes: limits.headBytes,
    tailBytes: limits.tailBytes,
    log: log.output,
    onStart: (pid) => commandStarted(shop, pid),
    onProgress: (progress) => link.progress(progress),
  });
  crashPoint("worker:after-command");
  const skipped = skipChecks(run.end);
  const report = skipped === undefined ? await shop.verify() : skippedReport(skipped);
  if (skipped === undefined) crashPoint("worker:after-verify");
  const request = stop.current;
  const end: CommandEnd = request === undefined || skipped !== undefined ? run.end : { kind: "stopped", request };
  return { verdict: judge(end, report, run.output.tail === "" ? run.output.head : run.output.tail), report, run };
}

function commandStarted({ folder, crashPoint, say }: Workshop, pid: number): void {
  const identity = identify(pid);
  crashPoint("worker:after-command-start");
  if (identity === undefined) return; // It has already ended, and left nothing to be found by its pid.
  // Only of use when this worker is killed; the marker finds the command too.
  void folder
    .writeCommand(identity)
    .catch((error: unknown) => say(error instanceof Error ? error.message : String(error)));
}
