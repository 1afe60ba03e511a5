import { accessSync, closeSync, constants, fchmodSync, statSync } from "node:fs";
import { delimiter, resolve } from "node:path";
import { err, type Failure, ok, type Result, terminal } from "#base";
import { DEFAULT_PATH, type Environment } from "../environment.ts";
import { libc } from "./libc.ts";
import { errorCode, systemFailure } from "./system-failure.ts";

export type StartRequest = {
  readonly command: readonly string[];
  readonly cwd: string;
  /** The whole environment; nothing is inherited beside it. */
  readonly env: Environment;
  /** An open file to read as standard input; nothing otherwise. Stays open here. */
  readonly stdin?: number | undefined;
  /** An open file that it gets as {@link HANDED_DESCRIPTOR}. Stays open here. */
  readonly handed?: number | undefined;
};

/** The first descriptor beside the standard streams. */
export const HANDED_DESCRIPTOR = 3;

export type StartedProcess = {
  readonly pid: number;
  readonly exited: Promise<{ readonly exitCode: number | null; readonly signal: string | null }>;
  /** Standard output and standard error as they come; ends when no process holds them open any more. */
  readonly output: AsyncIterable<Uint8Array>;
  /** Closes this side of the output, read to its end or not. To be called once. */
  readonly release: () => void;
};

/** Whoever may look at the descriptors of a process that holds the pipe may write to it, and only its owner read. */
const PIPE_MODE = 0o622;

/**
 * The one way in which a command of a task is started; a sandbox wraps this function and nothing else.
 * The process leads its own session and group. It fails as a value, with what to do, when the program cannot run.
 */
export type StartProcess = (request: StartRequest) => Result<StartedProcess, Failure>;

export const startProcess: StartProcess = (request) => {
  const program = findProgram(request);
  if (!program.ok) return program;
  // One pipe for both streams keeps the order in which they were written, and unlike the socket pairs Bun would use
  // it can be opened again as /dev/stderr.
  const pipe = libc?.pipe();
  try {
    // Opening it again asks for its rights, and a sandbox may have changed the user by then.
    if (pipe !== undefined && process.getuid?.() === 0) fchmodSync(pipe.write, PIPE_MODE);
    const child = Bun.spawn([program.value, ...request.command.slice(1)], {
      argv0: request.command[0] ?? program.value,
      cwd: request.cwd,
      env: { ...request.env },
      stdio: [
        request.stdin ?? "ignore",
        pipe?.write ?? "pipe",
        pipe?.write ?? "pipe",
        ...(request.handed === undefined ? [] : [request.handed]),
      ],
      detached: true,
    });
    const exited = child.exited.then(() => ({
      exitCode: child.exitCode,
      signal: child.signalCode === null ? null : String(child.signalCode),
    }));
    if (pipe === undefined) {
      const streams = [child.stdout, child.stderr].filter((stream) => stream instanceof ReadableStream);
      return ok({ pid: child.pid, exited, output: merge(streams), release: () => undefined });
    }
    // Bun does not close a descriptor that it was given (measured: one left per command).
    const release = (): void => closeSync(pipe.read);
    return ok({ pid: child.pid, exited, output: Bun.file(pipe.read).stream(), release });
  } catch (error) {
    if (pipe !== undefined) closeSync(pipe.read);
    return err(startFailure(error, program.value));
  } finally {
    if (pipe !== undefined) closeSync(pipe.write);
  }
};

function startFailure(error: unknown, program: string): Failure {
  if (errorCode(error) === "ENOEXEC") {
    const remedy = `Start it through its interpreter, for example ["sh","${program}"]`;
    return terminal("unsupported", `start ${program}: it is not an executable format`, remedy);
  }
  return systemFailure(error, `start ${program}`);
}

/** Finds the program as execvp(3) would: a name with a slash by its path, any other in PATH. */
function findProgram(request: StartRequest): Result<string, Failure> {
  const name = request.command[0] ?? "";
  const path = request.env["PATH"] ?? DEFAULT_PATH;
  const candidates = name.includes("/") ? [name] : path.split(delimiter).map((folder) => `${folder || "."}/${name}`);
  let denied: string | undefined;
  for (const candidate of candidates) {
    const file = resolve(request.cwd, candidate);
    const access = probe(file);
    if (access === "ok") return ok(file);
    if (access === "denied") denied ??= file;
  }
  if (denied !== undefined) {
    return err(
      terminal(
        "unavailable",
        `start ${name}: permission denied for ${denied}`,
        `Run chmod +x ${denied}, or start it through its interpreter`,
      ),
    );
  }
  const where = name.includes("/")
    ? `no such file: ${resolve(request.cwd, name)}`
    : `command not found in PATH (${path})`;
  return err(terminal("not_found", `start ${name}: ${where}`, "Install it on this host, or give its full path"));
}

function probe(file: string): "ok" | "denied" | "missing" {
  try {
    if (!statSync(file).isFile()) return "denied";
    accessSync(file, constants.X_OK);
    return "ok";
  } catch (error) {
    return errorCode(error) === "EACCES" ? "denied" : "missing";
  }
}

function merge(streams: readonly ReadableStream<Uint8Array>[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async start(controller) {
      await Promise.all(
        streams.map(async (stream) => {
          for await (const chunk of stream) controller.enqueue(chunk);
        }),
      );
      controller.close();
    },
  });
}
