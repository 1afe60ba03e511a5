import { type Clock, err, ok, type Result, retryable, terminal } from "#base";
import { registerOwn } from "./orphans.ts";

/** What a part prints as JSON; more is no answer of ours. */
const MAX_OUTPUT_CHARS = 1024 * 1024;

/**
 * Runs a part of an executable to its end, in a session of its own. Its standard output is JSON.
 * @returns what it printed, whatever its exit code; a failure when it printed nothing that can be read, or took too long
 */
export async function runPart(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  limits: { readonly clock: Clock; readonly limitMs: number },
): Promise<Result<unknown>> {
  const name = command.slice(1, 2).join(" ");
  try {
    const child = Bun.spawn([...command], {
      env: { ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    registerOwn(child);
    const late = Promise.withResolvers<"late">();
    const timer = limits.clock.after(limits.limitMs, () => late.resolve("late"));
    const said = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    const ended = await Promise.race([said, late.promise]);
    timer.cancel();
    if (ended === "late") {
      endGroup(child.pid);
      return err(retryable("timed_out", `${name} did not end within ${limits.limitMs} ms`));
    }
    endGroup(child.pid); // What it left in its group; it has ended itself.
    const [output, errors, code] = ended;
    return (
      readJson(output.slice(0, MAX_OUTPUT_CHARS)) ??
      err(noAnswer(name, code, child.signalCode === null ? null : String(child.signalCode), errors))
    );
  } catch (cause) {
    return err(
      terminal("unavailable", `${name} cannot be run: ${cause instanceof Error ? cause.message : String(cause)}`),
    );
  }
}

function noAnswer(name: string, code: number, signal: string | null, errors: string) {
  const how = signal === null ? `ended with exit code ${code}` : `ended by ${signal}`;
  const said = errors.trim().split("\n").slice(-3).join(" ").slice(0, 500);
  return terminal("unavailable", `${name} ${how} and said ${said === "" ? "nothing" : said}`);
}

function readJson(text: string): Result<unknown> | undefined {
  try {
    return ok(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nothing of it is left.
  }
}
