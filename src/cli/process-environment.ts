import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
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
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    env: process.env,
    isRoot: process.getuid?.() === 0,
    fetch: (url, init) => fetch(url, init),
    cwd: process.cwd(),
    directoryExists: (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false,
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

function outputOf(stream: NodeJS.WriteStream): TextOutput {
  return {
    get isTerminal() {
      return stream.isTTY;
    },
    get columns() {
      return stream.isTTY ? stream.columns : undefined;
    },
    write: (text) => {
      stream.write(text);
    },
  };
}

async function readText(path: string): Promise<Result<string>> {
  try {
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
