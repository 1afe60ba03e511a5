import { type Clock, type Failure, retryable, sleep } from "#base";
import { type Assignment, type AttemptResult, boundResult } from "../attempt.ts";
import { type CrashPoint, noCrash } from "../crash-labels.ts";
import { commandEnvironment } from "../environment.ts";
import { type CommandEnd, judge, skipChecks } from "../outcome.ts";
import { StopSwitch } from "../stop-switch.ts";
import { skippedReport, type VerificationReport } from "../verification/report.ts";
import { AttemptFolder, markerOf } from "./attempt-folder.ts";
import { runChecks } from "./check-runner.ts";
import { type CommandContext, type CommandRun, runCommand } from "./command.ts";
import { libc } from "./libc.ts";
import { LogFile } from "./log-file.ts";
import { identify } from "./process-identity.ts";
import { startProcess } from "./start-process.ts";
import { WorkerLink } from "./worker-link.ts";
import { GIT_SAFETY, GIT_TIMEOUT_MS, prepareWorkspace } from "./workspace-folder.ts";

/** Exit codes of a worker; the node looks at the folder, these are for people reading a process list or a log. */
const EXIT_DONE = 0;
const EXIT_NO_RESULT = 1;
const EXIT_BAD_FOLDER = 2;
const EXIT_TAKEN = 3;

/** A full disk may be cleared; until the orphan limit the result is tried again. */
const RESULT_RETRY_MS = 1_000;
const REMOVAL_POLL_MS = 1_000;
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

export type WorkerOptions = {
  readonly clock: Clock;
  readonly crashPoint?: CrashPoint;
};

/**
 * Executes the attempt of an attempt folder: workspace, command, verification, `result.json`; then waits until a
 * node has taken the result. It goes on while no node is there, and gives up waiting `limits.orphanMs` after the end,
 * leaving the result for the next node. A folder that another process claimed is not executed.
 * @returns the exit code of the worker process, which the caller ends with it. Written faults go to standard error.
 */
export async function runWorker(path: string, options: WorkerOptions): Promise<number> {
  const crashPoint = options.crashPoint ?? noCrash;
  const folder = new AttemptFolder(path);
  const assignment = folder.readAssignment();
  const self = identify(process.pid);
  if (!assignment.ok || self === undefined) {
    say(assignment.ok ? "this process cannot be identified: is /proc mounted?" : assignment.error);
    return EXIT_BAD_FOLDER;
  }
  crashPoint("worker:before-claim");
  if (!(await folder.claim(self, assignment.value.token))) {
    say(`${path} is executed by another worker, or was given up`);
    return EXIT_TAKEN;
  }
  crashPoint("worker:after-claim");

  const stop = new StopSwitch();
  const onSignal = (): void => stop.request({ by: "machine", reason: "worker was told to stop" });
  for (const signal of SIGNALS) process.on(signal, onSignal);
  const { taskId, attempt, token, socketPath } = assignment.value;
  const link = new WorkerLink({
    socketPath,
    taskId,
    attempt,
    token,
    clock: options.clock,
    onStop: (by, reason) => stop.request({ by, reason }),
  });
  link.open();
  try {
    const execution = new Execution(assignment.value, folder, stop, link, options.clock, crashPoint);
    return await deliver(await execution.run(), folder, link, assignment.value, options.clock, crashPoint);
  } finally {
    link.close();
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
}

async function deliver(
  result: AttemptResult,
  folder: AttemptFolder,
  link: WorkerLink,
  assignment: Assignment,
  clock: Clock,
  crashPoint: CrashPoint,
): Promise<number> {
  const endMs = clock.monotonicMs() + assignment.limits.orphanMs;
  crashPoint("worker:before-result");
  for (;;) {
    try {
      await folder.writeResult(boundResult(result));
      break;
    } catch (error) {
      say(`write result: ${describe(error)}`);
      if (clock.monotonicMs() >= endMs || !folder.exists()) return EXIT_NO_RESULT;
      await sleep(clock, RESULT_RETRY_MS);
    }
  }
  crashPoint("worker:after-result");
  // The result is safe now: a signal from here on ends the wait.
  const told = Promise.withResolvers<void>();
  const onSignal = (): void => told.resolve();
  for (const signal of SIGNALS) process.once(signal, onSignal);
  const answered = link.finished(Math.max(0, endMs - clock.monotonicMs()));
  await Promise.race([answered, removal(folder, clock), told.promise]);
  for (const signal of SIGNALS) process.off(signal, onSignal);
  crashPoint("worker:after-answer");
  return EXIT_DONE;
}

/** Resolves when a node took the result and removed the folder without this worker having heard of it. */
async function removal(folder: AttemptFolder, clock: Clock): Promise<void> {
  while (folder.exists()) await sleep(clock, REMOVAL_POLL_MS);
}

/** One attempt of the shell executor. */
class Execution {
  readonly #assignment: Assignment;
  readonly #folder: AttemptFolder;
  readonly #stop: StopSwitch;
  readonly #link: WorkerLink;
  readonly #crashPoint: CrashPoint;
  readonly #context: CommandContext;
  readonly #env: Readonly<Record<string, string>>;

  constructor(
    assignment: Assignment,
    folder: AttemptFolder,
    stop: StopSwitch,
    link: WorkerLink,
    clock: Clock,
    crashPoint: CrashPoint,
  ) {
    this.#assignment = assignment;
    this.#folder = folder;
    this.#stop = stop;
    this.#link = link;
    this.#crashPoint = crashPoint;
    const marker = markerOf(assignment.token);
    // All children of a worker belong to its command, so it may end every one of them.
    const adoptsOrphans = libc?.becomeSubreaper() ?? false;
    this.#context = { clock, start: startProcess, stop, marker, adoptsOrphans };
    this.#env = commandEnvironment({
      inherited: process.env,
      extra: assignment.spec.env ?? {},
      taskId: assignment.taskId,
      attempt: assignment.attempt,
      marker,
    });
  }

  /** Never throws: a bug becomes a failed attempt, so that the node hears of it. */
  async run(): Promise<AttemptResult> {
    const { clock } = this.#context;
    const startedAtMs = clock.nowMs();
    const startMs = clock.monotonicMs();
    let run: CommandRun | undefined;
    let end: CommandEnd;
    let report: VerificationReport;
    try {
      ({ run, end, report } = await this.#attempt());
    } catch (error) {
      say(error instanceof Error ? (error.stack ?? error.message) : String(error));
      const message = `execute attempt: ${describe(error)}`;
      end = { kind: "failed", failure: retryable("internal", message) };
      report = skippedReport(message);
    }
    const { logPath } = this.#assignment;
    return {
      ...judge(end, report, run?.output.tail === "" ? run.output.head : run?.output.tail),
      exitCode: run?.exitCode ?? null,
      signal: run?.signal ?? null,
      output: { ...(run?.output ?? { head: "", tail: "", totalBytes: 0, truncated: false }), logPath },
      report,
      startedAtMs,
      endedAtMs: clock.nowMs(),
      durationMs: Math.round(clock.monotonicMs() - startMs),
    };
  }

  async #attempt(): Promise<{ run?: CommandRun; end: CommandEnd; report: VerificationReport }> {
    const { spec, workspace: plan, limits, logPath } = this.#assignment;
    const workspace = await prepareWorkspace(plan, (args, cwd) => this.#git(args, cwd));
    if (!workspace.ok) return notRun(workspace.error);
    this.#crashPoint("worker:after-workspace");
    const outputBytes = spec.outputLimitBytes ?? limits.outputBytes;
    const log = LogFile.open(logPath, outputBytes);
    if (!log.ok) return notRun(log.error);
    try {
      this.#link.phase = "running";
      const run = await runCommand(
        {
          command: spec.command ?? [],
          cwd: workspace.value,
          env: this.#env,
          wallMs: spec.deadlineMs ?? limits.wallMs,
          outputBytes,
          headBytes: limits.headBytes,
          tailBytes: limits.tailBytes,
          log: log.value,
          onStart: (pid) => this.#commandStarted(pid),
          onProgress: (progress) => this.#link.progress(progress),
        },
        this.#context,
      );
      this.#crashPoint("worker:after-command");
      const skipped = skipChecks(run.end);
      if (skipped !== undefined) return { run, end: run.end, report: skippedReport(skipped) };
      this.#link.phase = "verifying";
      const report = await this.#verify(workspace.value, log.value);
      this.#crashPoint("worker:after-verify");
      const request = this.#stop.current;
      return { run, end: request === undefined ? run.end : { kind: "stopped", request }, report };
    } finally {
      log.value.close();
    }
  }

  #commandStarted(pid: number): void {
    const identity = identify(pid);
    this.#crashPoint("worker:after-command-start");
    if (identity === undefined) return; // It has already ended, and left nothing to be found by its pid.
    // Only of use when this worker is killed; the marker finds the command too.
    void this.#folder.writeCommand(identity).catch((error: unknown) => say(describe(error)));
  }

  #verify(workspace: string, log: LogFile): Promise<VerificationReport> {
    const { limits, spec } = this.#assignment;
    return runChecks(spec.verify, {
      workspace,
      clock: this.#context.clock,
      runtime: process.execPath,
      ownFolder: this.#folder.path,
      stopped: () => this.#stop.current !== undefined,
      run: ({ extraEnv, ...request }) => {
        const env = { ...this.#env, ...extraEnv };
        return runCommand({ ...request, env, outputBytes: limits.outputBytes, log }, this.#context);
      },
    });
  }

  #git(args: readonly string[], cwd: string): Promise<CommandRun> {
    const command = ["git", ...GIT_SAFETY, ...args];
    const env = { ...this.#env, GIT_TERMINAL_PROMPT: "0" };
    return runCommand({ command, cwd, env, wallMs: GIT_TIMEOUT_MS, outputBytes: 1024 * 1024 }, this.#context);
  }
}

function notRun(failure: Failure): { end: CommandEnd; report: VerificationReport } {
  return { end: { kind: "failed", failure }, report: skippedReport(failure.message) };
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Into `worker.log`, whose end a node quotes when this worker is lost. */
function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
