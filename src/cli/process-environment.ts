import { err, ok, type Result, refused, retryable } from "#base";
import type { CliEnvironment, TextOutput } from "./environment.ts";

/** What only the composition root knows. */
export type EnvironmentParts = Pick<
  CliEnvironment,
  "clock" | "version" | "commit" | "target" | "configuredStateDir" | "local"
>;

/** The CLI's environment in a real process. Signals are listened to only once a command asks for `interrupted`. */
export function processEnvironment(parts: EnvironmentParts): CliEnvironment {
  let interrupted: AbortSignal | undefined;
  return {
    ...parts,
    stdout: outputOf(() => process.stdout, writeShortly),
    stderr: outputOf(
      () => process.stderr,
      () => false,
    ),
    env: process.env,
    isRoot: process.getuid?.() === 0,
    fetch: (url, init) => fetch(url, init),
    cwd: process.cwd(),
    directoryExists: (path) => {
      const { statSync } = process.getBuiltinModule("node:fs");
      return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
    },
    readText,
    get interrupted() {
      interrupted ??= listenForStop();
      return interrupted;
    },
  };
}

/** The first signal asks the command to end; a second one ends the process as if nobody listened. */
function listenForStop(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}

/**
 * Asks for the stream when it is used: making it takes 2 to 4 ms of the 15 that `--version` may take in all. Until
 * then `shortcut` may write a text in another way.
 */
function outputOf(stream: () => NodeJS.WriteStream, shortcut: (text: string) => boolean): TextOutput {
  let made: NodeJS.WriteStream | undefined;
  let isClosed = false;
  const noteClosedPipe = (cause: unknown): void => {
    ignoreClosedPipe(cause);
    isClosed = true;
  };
  const make = (): NodeJS.WriteStream => {
    made ??= stream().on("error", noteClosedPipe);
    return made;
  };
  return {
    get isTerminal() {
      return make().isTTY;
    },
    get columns() {
      return make().isTTY ? make().columns : undefined;
    },
    get rows() {
      return make().isTTY ? make().rows : undefined;
    },
    get isClosed() {
      return isClosed;
    },
    onResize: (listener) => {
      make().on("resize", listener);
      return () => make().off("resize", listener);
    },
    write: (text) => {
      try {
        const isWritten = made === undefined && typeof text === "string" && shortcut(text);
        if (!isWritten) make().write(text);
      } catch (cause) {
        // The shortcut throws where the stream raises an event.
        noteClosedPipe(cause);
      }
    },
  };
}

/** `drover help | head -1`: the reader has what it wanted, and nobody is left to be told anything. */
function ignoreClosedPipe(cause: unknown): void {
  if (!(cause instanceof Error && "code" in cause && cause.code === "EPIPE")) throw cause;
}

/** POSIX: a pipe takes so much in one piece (PIPE_BUF is at least 512), so nothing is left to wait for. */
const SHORT_CHARS = 128;

function writeShortly(text: string): boolean {
  if (text.length > SHORT_CHARS) return false;
  // Written before flush returns, so what the stream writes later comes after it; Bun.write does not promise that.
  const writer = Bun.stdout.writer();
  for (const pending of [writer.write(text), writer.flush()]) {
    if (typeof pending !== "number") pending.catch(ignoreClosedPipe);
  }
  return true;
}

async function readText(path: string): Promise<Result<string>> {
  try {
    // Loaded here, because it takes a millisecond that `--version` and `help` do not need to spend.
    const { readFile } = await import("node:fs/promises");
    return ok(path === "-" ? await Bun.stdin.text() : await readFile(path, "utf8"));
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    switch (code) {
      case "ENOENT":
      case "ENOTDIR":
        return err(refused("not_found", `${path} does not exist`, "Check the path"));
      case "EACCES":
      case "EPERM":
        return err(refused("read_only", `${path} may not be read by this user`, "Run as the user who owns it"));
      case "EISDIR":
        return err(refused("invalid", `${path} is a folder`, "Name a file"));
      default:
        return err(
          retryable("unavailable", `cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}`),
        );
    }
  }
}

/** What a command leaves open is closed long before. */
const LINGER_MS = 500;

/**
 * Ends the process some time after its command, should it not end by itself: a tool that was ended within milliseconds of
 * its start can leave a pipe that keeps the event loop waiting for ever (Bun 1.4.5, seen under load in one of thirty). What
 * was printed is written first, however slowly it is read.
 */
export function endSoon(): void {
  const timer = setTimeout(() => {
    if (process.stdout.writableLength > 0 || process.stderr.writableLength > 0) endSoon();
    else process.exit();
  }, LINGER_MS);
  // Keeps nothing waiting that would end by itself.
  timer.unref();
}
