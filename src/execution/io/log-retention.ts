import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { TaskId } from "#base";

/** Full logs kept after their attempts ended: enough to look back, and with 64 MiB each still a bounded disk. */
export const DEFAULT_MAX_LOGS = 1_000;
export const DEFAULT_MAX_LOG_BYTES = 4 * 1024 * 1024 * 1024;

const LOG_ENDING = ".log";

export function logFolder(stateDir: string): string {
  return join(stateDir, "logs");
}

/** Where the full output of an attempt is, while it runs and afterwards. */
export function logPathOf(stateDir: string, taskId: TaskId, attempt: number): string {
  return join(logFolder(stateDir), `${taskId}-${attempt}${LOG_ENDING}`);
}

/** Where the steps of a tool loop are beside its log, one line of JSON each. */
export function stepsPathOf(logPath: string): string {
  return `${logPath.slice(0, -LOG_ENDING.length)}.steps.jsonl`;
}

/** Removes the oldest logs above either limit, except those of attempts that still run. */
export function trimLogs(
  stateDir: string,
  inUse: ReadonlySet<string>,
  limits: { readonly maxLogs: number; readonly maxBytes: number },
): void {
  const folder = logFolder(stateDir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const logs = readdirSync(folder)
    .filter((name) => name.endsWith(LOG_ENDING))
    .map((name) => join(folder, name))
    .map((path) => ({ path, stat: statSync(path, { throwIfNoEntry: false }) }))
    .flatMap(({ path, stat }) => {
      const steps = statSync(stepsPathOf(path), { throwIfNoEntry: false })?.size ?? 0;
      return stat?.isFile() ? [{ path, bytes: stat.size + steps, atMs: stat.mtimeMs }] : [];
    })
    .sort((a, b) => b.atMs - a.atMs);
  let bytes = 0;
  for (const [index, log] of logs.entries()) {
    bytes += log.bytes;
    const over = index >= limits.maxLogs || bytes > limits.maxBytes;
    if (!over || inUse.has(log.path)) continue;
    rmSync(stepsPathOf(log.path), { force: true });
    rmSync(log.path, { force: true });
  }
}
