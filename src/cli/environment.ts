import type { Clock, Failure, Result } from "#base";
import type { Console, Fault } from "./output/console.ts";

/** Where text goes. `columns` and `rows` are those of a terminal now, undefined when not known or not a terminal. */
export type TextOutput = {
  readonly isTerminal: boolean;
  readonly columns: number | undefined;
  readonly rows: number | undefined;
  /** Whether whoever read it has left: nothing that is written is seen any more. */
  readonly isClosed: boolean;
  readonly write: (text: string | Uint8Array) => void;
  /** Calls back when the terminal has another size. @returns a function that ends it. */
  readonly onResize: (listener: () => void) => () => void;
};

/** The form of `fetch` that the CLI uses; a test passes `app.request`. */
export type FetchLike = (url: string, init: BunFetchRequestInit) => Promise<Response>;

/** Options that every command takes. Values given by flags only; `undefined` when absent. */
export type GlobalOptions = {
  readonly json: boolean;
  /** `--config FILE` or DROVER_CONFIG. */
  readonly config: string | undefined;
  /** `--state DIR` or DROVER_STATE. */
  readonly state: string | undefined;
  /** `--url URL` or DROVER_URL. */
  readonly url: string | undefined;
  readonly noColor: boolean;
  readonly quiet: boolean;
};

export type UpOptions = GlobalOptions & { readonly detach: boolean };
export type RunOptions = GlobalOptions & {
  readonly files: readonly string[];
  readonly executor: "shell" | "ollama" | "claude" | undefined;
  readonly keep: boolean;
};
export type RestoreOptions = GlobalOptions & { readonly file: string };
export type ConfigShowOptions = GlobalOptions & { readonly origin: boolean };
export type AuditVerifyOptions = GlobalOptions & {
  readonly file: string | undefined;
  /** A place that was noted elsewhere: SEQ:HASH. */
  readonly expect: string | undefined;
};
/** As the API gives it. */
export type AuditVerification = {
  readonly rows: number;
  readonly from: number | null;
  readonly to: { readonly seq: number; readonly hash: string } | null;
  /** The first row that is not as it was written. */
  readonly fault: { readonly seq: number; readonly kind: string; readonly message: string } | null;
  readonly notes: readonly string[];
};
export type SelftestOptions = GlobalOptions & { readonly copy: string | undefined };
export type RepoScanOptions = GlobalOptions & {
  readonly directory: string;
  readonly staged: boolean;
  readonly base: string | undefined;
  readonly head: string | undefined;
  readonly watch: readonly string[];
  readonly replace: boolean;
};
export type ImprovementScanOptions = GlobalOptions & {
  readonly directory: string;
  readonly revision: string | undefined;
  /** The files as they lie there, without git. */
  readonly workingTree: boolean;
  /** Says only whether this finding is gone. */
  readonly expectGone: string | undefined;
  readonly limit: number | undefined;
};
export type WorkerOptions = GlobalOptions & { readonly directory: string };

/** One thing that was looked at: what was found and, when it is not well, what to do. */
export type Finding = {
  readonly name: string;
  readonly level: "ok" | "warn" | "fail";
  readonly detail: string;
  readonly remedy: string | null;
};

/**
 * Commands that need more than the API: they work when no node runs, and are carried out by whoever starts the CLI.
 * Each resolves to the exit code. `console` prints with the colour, width and `--json` rules of the CLI;
 * `console.fail(failure)` prints a failure with its remedy and returns the exit code for it.
 */
export interface LocalCommands {
  up(options: UpOptions, console: Console): Promise<number>;
  node(options: GlobalOptions, console: Console): Promise<number>;
  run(options: RunOptions, console: Console): Promise<number>;
  restore(options: RestoreOptions, console: Console): Promise<number>;
  configShow(options: ConfigShowOptions, console: Console): Promise<number>;
  configCheck(options: GlobalOptions, console: Console): Promise<number>;
  worker(options: WorkerOptions, console: Console): Promise<number>;
  inventory(options: GlobalOptions, console: Console): Promise<number>;
  /** Looks at what needs no node: configuration, state folder, sandbox, programs. Changes nothing. */
  diagnose(options: GlobalOptions): Promise<readonly Finding[]>;
  selftest(options: SelftestOptions, console: Console): Promise<number>;
  releaseKey(options: GlobalOptions, console: Console): Promise<number>;
  /** Says what may not leave a repository; exit code 1 when something blocks. */
  repoScan(options: RepoScanOptions, console: Console): Promise<number>;
  /** Says what could be better in a repository, the most worthwhile first. */
  improvementScan(options: ImprovementScanOptions, console: Console): Promise<number>;
  /** Looks at the audit log of a state folder or a file, with or without a node. Changes nothing. */
  auditVerify(options: AuditVerifyOptions): Promise<Result<AuditVerification, Failure | Fault>>;
  stateMark(options: GlobalOptions, console: Console): Promise<number>;
}

/** Everything the CLI touches outside itself. */
export interface CliEnvironment {
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly version: string;
  readonly commit: string;
  readonly target: string;
  /** Absolute path of the working folder. */
  readonly cwd: string;
  /** Whether the process runs as root; decides the default state directory. */
  readonly isRoot: boolean;
  /** Aborted when the person asked to stop (SIGINT, SIGTERM). */
  readonly interrupted: AbortSignal;
  readonly fetch: FetchLike;
  readonly directoryExists: (path: string) => boolean;
  /** A text file, or the standard input for "-"; a failure `not_found` when it does not exist. */
  readonly readText: (path: string) => Promise<Result<string>>;
  /** `state_dir` of the configuration file, when one names it; asked only when neither flag nor environment does. */
  readonly configuredStateDir: (configFile: string | undefined) => Promise<Result<string | undefined>>;
  readonly local: LocalCommands;
}
