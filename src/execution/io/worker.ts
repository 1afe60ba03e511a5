import { type Clock, sleep } from "#base";
import { type Assignment, type AttemptResult, boundResult } from "../attempt.ts";
import { type CrashPoint, noCrash } from "../crash-labels.ts";
import { StopSwitch } from "../stop-switch.ts";
import { AttemptFolder } from "./attempt-folder.ts";
import type { SandboxLauncher } from "./attempt-sandbox.ts";
import { identify } from "./process-identity.ts";
import { WorkerLink } from "./worker-link.ts";

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
  readonly launcher: SandboxLauncher;
};

/**
 * Executes the attempt of an attempt folder: workspace, work, verification, `result.json`; then waits until a
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
    const { clock, launcher } = options;
    // Only a worker needs it: a node, which imports this room too, would load ninety files more at each start.
    const { execute } = await import("./execution.ts");
    const result = await execute({
      assignment: assignment.value,
      folder,
      stop,
      link,
      clock,
      crashPoint,
      launcher,
      say,
    });
    return await deliver(result, folder, link, assignment.value, clock, crashPoint);
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

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Into `worker.log`, whose end a node quotes when this worker is lost. */
function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
