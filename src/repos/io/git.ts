/** Runs git without anything that a repository's settings could make it run. */
import { err, type Failure, ok, type Result, redactText, refused, retryable } from "#base";

/** What a repository may not bring: hooks, watchers, pagers, editors, helpers, questions, transports of its own. */
const SAFETY = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "core.pager=cat",
  "core.sshCommand=",
  "credential.helper=",
  "submodule.recurse=false",
  "diff.ignoreSubmodules=all",
  "commit.gpgSign=false",
  "gc.auto=0",
  "maintenance.auto=false",
  "safe.directory=*",
].flatMap((setting) => ["-c", setting]);
/** `ext::` starts whatever the address says. */
const NETWORK = ["-c", "protocol.allow=user", "-c", "protocol.ext.allow=never"];
const NO_NETWORK = ["-c", "protocol.allow=never"];
/** A server that does not answer must not hold up a node for longer. */
const SSH = "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15 -o ServerAliveCountMax=4";

const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const MAX_REASON_CHARS = 500;
/** POSIX says so of `ulimit -f`. */
const LIMIT_BLOCK_BYTES = 512;

export type GitOptions = {
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Written to its standard input. */
  readonly input?: string;
  /** With what it may speak to a remote; absent: it speaks to none. */
  readonly network?: GitNetwork;
  /** No file that it writes becomes larger; it is ended at the limit. */
  readonly maxFileBytes?: number;
};

export type GitNetwork = {
  /** Sent to servers as the password of HTTP; handed over by the environment, so no list of processes shows it. */
  readonly token?: string;
};

export type GitEnd = { readonly code: number; readonly output: string; readonly failure: Failure };

/** @returns what git wrote to its standard output; why it failed, in its own words, otherwise. */
export async function git(
  directory: string,
  args: readonly string[],
  options: GitOptions = {},
): Promise<Result<string>> {
  const ended = await gitEnd(directory, args, options);
  if (!ended.ok) return ended;
  const { code, output, failure } = ended.value;
  return code === 0 ? ok(output) : err(failure);
}

/** For commands whose exit code is an answer. @returns how git ended; a failure when it could not be started */
export async function gitEnd(
  directory: string,
  args: readonly string[],
  options: GitOptions = {},
): Promise<Result<GitEnd>> {
  const program = Bun.which("git");
  if (program === null) return err(refused("unsupported", "git is not installed", "Install git"));
  const { timeoutMs = TIMEOUT_MS, input, network, maxFileBytes } = options;
  const command = [
    program,
    ...SAFETY,
    ...(network === undefined ? NO_NETWORK : NETWORK),
    "--no-optional-locks",
    ...args,
  ];
  const child = Bun.spawn(limited(command, maxFileBytes), {
    cwd: directory,
    env: { ...environment(network), ...options.env },
    stdin: input === undefined ? "ignore" : new TextEncoder().encode(input),
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
  return ok({ code, output, failure: failureOf(args, child.signalCode, reason, network?.token) });
}

/** @returns the first line of what git wrote. */
export async function gitLine(
  directory: string,
  args: readonly string[],
  options: GitOptions = {},
): Promise<Result<string>> {
  const said = await git(directory, args, options);
  return said.ok ? ok(said.value.trimEnd()) : said;
}

function limited(command: readonly string[], maxFileBytes: number | undefined): string[] {
  if (maxFileBytes === undefined) return [...command];
  const blocks = Math.ceil(maxFileBytes / LIMIT_BLOCK_BYTES);
  return ["/bin/sh", "-c", 'ulimit -f "$0" && exec "$@"', String(blocks), ...command];
}

function environment(network: GitNetwork | undefined): Record<string, string> {
  const { PATH = "", HOME = "", SSH_AUTH_SOCK } = process.env;
  const own = { PATH, HOME, LC_ALL: "C", GIT_TERMINAL_PROMPT: "0", GIT_OPTIONAL_LOCKS: "0" };
  if (network === undefined) return own;
  const agent = SSH_AUTH_SOCK === undefined ? {} : { SSH_AUTH_SOCK };
  return { ...own, ...agent, GIT_SSH_COMMAND: SSH, ...authorization(network.token) };
}

function authorization(token: string | undefined): Record<string, string> {
  if (token === undefined) return {};
  const basic = Buffer.from(`x-access-token:${token}`).toString("base64");
  return {
    GIT_CONFIG_COUNT: "2",
    GIT_CONFIG_KEY_0: "http.extraHeader",
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
    // git goes on at the place that a first answer leads to, and would send the header there as well.
    GIT_CONFIG_KEY_1: "http.followRedirects",
    GIT_CONFIG_VALUE_1: "false",
  };
}

function failureOf(
  args: readonly string[],
  signal: string | number | null,
  reason: string,
  token: string | undefined,
): Failure {
  const start = reason.trim().slice(0, 4 * MAX_REASON_CHARS);
  const shown = token === undefined ? start : start.replaceAll(token, "[redacted]");
  const said = redactText(shown).slice(0, MAX_REASON_CHARS);
  const what = `git ${args.find((arg) => !arg.startsWith("-")) ?? ""}`;
  if (
    signal === "SIGXFSZ" ||
    /file size limit|File too large|died of signal 25|invalid index-pack output/i.test(said)
  ) {
    return refused("too_large", `${what}: it is larger than repositories.max_bytes`, "Raise repositories.max_bytes");
  }
  if (signal !== null) return retryable("timed_out", `${what} was ended (${signal}): too slow, or too much output`);
  const because = `${what}: ${said === "" ? "failed without a word" : said}`;
  return OFFLINE.test(said) ? retryable("unavailable", because) : refused("invalid", because);
}

/** What git and its transports say when a server cannot be reached, or answers with a fault of its own. */
const OFFLINE =
  /could not resolve host|couldn't connect|failed to connect|connection (?:refused|reset|timed out|closed)|network is unreachable|operation timed out|the requested url returned error: (?:5\d\d|429)|early eof|unable to access|could not read from remote/i;
