/** Runs git without anything that a repository's settings could make it run. */
import { err, type Failure, ok, type Result, redactText, refused, retryable } from "#base";

/** What a repository may not bring: hooks, watchers, pagers, editors, questions. */
const SAFETY = [
  "-c",
  "core.hooksPath=/dev/null",
  "-c",
  "core.fsmonitor=false",
  "-c",
  "core.pager=cat",
  "--no-optional-locks",
];
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const MAX_REASON_CHARS = 500;

/** @returns what git wrote to its standard output; why it failed, in its own words, otherwise. */
export async function git(
  directory: string,
  args: readonly string[],
  timeoutMs: number = TIMEOUT_MS,
): Promise<Result<string>> {
  const program = Bun.which("git");
  if (program === null) return err(refused("unsupported", "git is not installed", "Install git"));
  const child = Bun.spawn([program, ...SAFETY, ...args], {
    cwd: directory,
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", LC_ALL: "C", GIT_TERMINAL_PROMPT: "0" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: timeoutMs,
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  const [output, reason, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return code === 0 ? ok(output) : err(failure(args, child.signalCode, reason));
}

function failure(args: readonly string[], signal: string | number | null, reason: string): Failure {
  const said = redactText(reason.trim()).slice(0, MAX_REASON_CHARS);
  const what = `git ${args[0] ?? ""}`;
  if (signal !== null) return retryable("timed_out", `${what} was ended (${signal}): too slow, or too much output`);
  return refused("invalid", `${what}: ${said === "" ? "failed without a word" : said}`);
}
