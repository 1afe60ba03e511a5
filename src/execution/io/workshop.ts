/** What an executor is given to work with, and what it gives back. */
import { type Clock, type Failure } from "#base";
import type { Assignment, ModelWork } from "../attempt.ts";
import type { CrashPoint } from "../crash-labels.ts";
import { type CommandEnd, judge, type Verdict } from "../outcome.ts";
import type { StopSwitch } from "../stop-switch.ts";
import { skippedReport, type VerificationReport } from "../verification/report.ts";
import type { AttemptFolder } from "./attempt-folder.ts";
import type { AttemptLog } from "./attempt-log.ts";
import type { SandboxLauncher } from "./attempt-sandbox.ts";
import type { CommandRequest, CommandRun } from "./command.ts";
import type { WorkerLink } from "./worker-link.ts";

export type ExecutionParts = {
  readonly assignment: Assignment;
  readonly folder: AttemptFolder;
  readonly stop: StopSwitch;
  readonly link: WorkerLink;
  readonly clock: Clock;
  readonly crashPoint: CrashPoint;
  readonly launcher: SandboxLauncher;
  /** Into the worker's own log. */
  readonly say: (line: string) => void;
};

/** What an executor did. */
export type Work = {
  readonly verdict: Verdict;
  readonly report: VerificationReport;
  /** Of the shell executor. */
  readonly run?: CommandRun;
  readonly model?: ModelWork;
};

/** What executors need of the attempt; commands they start are confined. */
export type Workshop = ExecutionParts & {
  readonly workspace: string;
  readonly log: AttemptLog;
  /** Runs a confined command in the workspace. */
  readonly command: (
    request: Omit<CommandRequest, "env"> & { readonly extraEnv?: Readonly<Record<string, string>> },
    stop?: StopSwitch,
  ) => Promise<CommandRun>;
  readonly verify: () => Promise<VerificationReport>;
};

/** @returns the work of an attempt that came to nothing before it began. */
export function notDone(failure: Failure): Work {
  const end: CommandEnd = { kind: "failed", failure };
  const report = skippedReport(failure.message);
  return { verdict: judge(end, report), report };
}
