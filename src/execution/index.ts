/**
 * execution: how an attempt is carried out, and how its outcome is proved. Attempts run in worker processes that
 * outlive the node; node and worker share an attempt folder and talk over a Unix socket.
 */
export {
  type Assignment,
  type AttemptLimits,
  type AttemptOutcome,
  type AttemptRef,
  type AttemptResult,
  attemptResultSchema,
  boundResult,
  DEFAULT_LIMITS,
  type Fence,
  type ModelWork,
} from "./attempt.ts";
export type { AttemptObserver } from "./attempt-observer.ts";
export { MAX_REQUEST_MODELS, type ModelPlan, type SandboxPlan } from "./attempt-plan.ts";
export { CRASH_LABELS, type CrashLabel, type CrashPoint } from "./crash-labels.ts";
export { allowedEnvironment } from "./environment.ts";
export type { Adoption } from "./io/adoption.ts";
export type { SandboxLauncher } from "./io/attempt-sandbox.ts";
export { bootTime } from "./io/boot-time.ts";
export { checkpointPathOf, removeCheckpoint } from "./io/checkpoints.ts";
export { type CommandRun, runCommand } from "./io/command.ts";
export { confinedCommands, endMarked, type RunConfined, removeConfined } from "./io/confined-commands.ts";
export { logPathOf, stepsPathOf } from "./io/log-retention.ts";
export { ModelSocket, modelSocketPath } from "./io/model-socket.ts";
export { type OwnWorkspace, ownWorkspaces } from "./io/own-workspaces.ts";
export { startProcess } from "./io/start-process.ts";
export { runWorker, type WorkerOptions } from "./io/worker.ts";
export { WorkerPool, type WorkerPoolOptions } from "./io/worker-pool.ts";
export { socketPathFor } from "./io/worker-socket.ts";
export { GIT_SAFETY } from "./io/workspace-folder.ts";
export { removeWorkspace } from "./io/workspace-removal.ts";
export type { LaunchRequest } from "./launch-request.ts";
export { type LoopLimits, TIER_LIMITS } from "./loop/loop-limits.ts";
export type { OutputExcerpt } from "./output-window.ts";
export type { Progress } from "./progress-line.ts";
export type { WorkerPhase } from "./protocol.ts";
export { resolveUser } from "./sandbox/io/sandbox-user.ts";
export { sandboxSupport } from "./sandbox/io/support.ts";
export {
  checkNetwork,
  chooseSandbox,
  DEFAULT_SANDBOX_LIMITS,
  type SandboxChoice,
  type SandboxMode,
  type SandboxSupport,
} from "./sandbox/policy.ts";
export { StopSwitch } from "./stop-switch.ts";
export {
  type Check,
  type CheckKind,
  checkSchema,
  EXECUTORS,
  type ExecutorKind,
  resolveExecutor,
  type TaskSpec,
  taskSpecSchema,
  taskSpecShape,
} from "./task-spec.ts";
export { confinementText, WorkspaceFiles } from "./tools/io/workspace-files.ts";
export type { CheckResult, VerificationReport } from "./verification/report.ts";
export { isRegisteredName, planWorkspace, type WorkspacePlan } from "./workspace.ts";
