/** Commands that the composition root carries out: this only hands them their options. */
import type { GlobalOptions, ImprovementScanOptions, RepoScanOptions, UpOptions } from "../environment.ts";
import type { Handler } from "../parsing/command.ts";

export const up: Handler<{ readonly detach: boolean }> = ({ options, globals }, { environment, console }) =>
  environment.local.up({ ...globals, ...options } satisfies UpOptions, console);

export const node: Handler<object> = ({ globals }, { environment, console }) =>
  environment.local.node(globals, console);

export const run: Handler<{ readonly executor: "shell" | "ollama" | "claude" | undefined; readonly keep: boolean }> = (
  { options, globals, args },
  { environment, console },
) => environment.local.run({ ...globals, ...options, files: args }, console);

export const restore: Handler<object> = ({ globals, args }, { environment, console }) =>
  environment.local.restore({ ...globals, file: args[0] ?? "" }, console);

export const configShow: Handler<{ readonly origin: boolean }> = ({ options, globals }, { environment, console }) =>
  environment.local.configShow({ ...globals, ...options }, console);

export const configCheck: Handler<object> = ({ globals }, { environment, console }) =>
  environment.local.configCheck(globals, console);

export const worker: Handler<object> = ({ globals, args }, { environment, console }) =>
  environment.local.worker({ ...globals, directory: args[0] ?? "" }, console);

export const selftest: Handler<{ readonly copy: string | undefined }> = (
  { options, globals },
  { environment, console },
) => environment.local.selftest({ ...globals, ...options }, console);

export const inventory: Handler<object> = ({ globals }, { environment, console }) =>
  environment.local.inventory(globals, console);

export const stateMark: Handler<object> = ({ globals }, { environment, console }) =>
  environment.local.stateMark(globals, console);

export const releaseKey: Handler<object> = ({ globals }, { environment, console }) =>
  environment.local.releaseKey(globals, console);

export const repoScan: Handler<Omit<RepoScanOptions, keyof GlobalOptions | "directory">> = (
  { options, globals, args },
  { environment, console },
) => environment.local.repoScan({ ...globals, ...options, directory: args[0] ?? environment.cwd }, console);

export const improvementScan: Handler<Omit<ImprovementScanOptions, keyof GlobalOptions | "directory">> = (
  { options, globals, args },
  { environment, console },
) => environment.local.improvementScan({ ...globals, ...options, directory: args[0] ?? environment.cwd }, console);
