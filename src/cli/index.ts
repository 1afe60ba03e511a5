/** cli: commands; a typed client of the API. Loads its parser and command table only; handlers load when they run. */
export { COMMANDS } from "./commands.ts";
export type {
  AuditVerifyOptions,
  CliEnvironment,
  ConfigShowOptions,
  FetchLike,
  Finding,
  GlobalOptions,
  ImprovementScanOptions,
  LocalCommands,
  RepoScanOptions,
  RestoreOptions,
  RunOptions,
  SelftestOptions,
  TextOutput,
  UpOptions,
  WorkerOptions,
} from "./environment.ts";
export { EXIT, type ExitCode } from "./exit-codes.ts";
export { renderCommandReference } from "./help/reference.ts";
export type { Console, Fault } from "./output/console.ts";
export type { Column } from "./output/table.ts";
export { type EnvironmentParts, endSoon, processEnvironment } from "./process-environment.ts";
export { runCli } from "./run-cli.ts";
export { defaultStateDir } from "./state-dir.ts";
export { parseTaskFile, type TaskFile } from "./tasks/task-file.ts";
