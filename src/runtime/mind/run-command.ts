/** Runs a command that the configuration names, with limits. */
import { type Clock, err, type Failure, ok, type Result, retryable } from "#base";

/** Of its output; it is only shown. */
const MAX_OUTPUT_CHARS = 1_000;

/** @returns its output, cut; a failure for one that cannot be started, that fails, or that takes too long and is ended. */
export async function runCommand(
  command: readonly string[],
  { limitMs, clock }: { readonly limitMs: number; readonly clock: Clock },
): Promise<Result<string>> {
  let child: ReturnType<typeof start>;
  try {
    child = start(command);
  } catch (cause) {
    return err(failed(command, cause instanceof Error ? cause.message : String(cause)));
  }
  const late = new AbortController();
  const timer = clock.after(limitMs, () => {
    late.abort();
    child.kill("SIGKILL");
  });
  const [output, code] = await Promise.all([headOf(child.stdout), child.exited]);
  timer.cancel();
  if (late.signal.aborted) return err(failed(command, `it took longer than ${limitMs} ms`));
  if (code !== 0) return err(failed(command, `it ended with ${code}: ${output.trim()}`));
  return ok(output);
}

function start(command: readonly string[]) {
  return Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
}

/** Reads to the end, so that the command does not stand still, and keeps the beginning. */
async function headOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let head = "";
  for await (const bytes of stream) if (head.length < MAX_OUTPUT_CHARS) head += decoder.decode(bytes, { stream: true });
  return head.slice(0, MAX_OUTPUT_CHARS);
}

function failed(command: readonly string[], why: string): Failure {
  return retryable(
    "unavailable",
    `${(command[0] ?? "").slice(0, 200)}: ${why}`,
    "Correct restart_command of the endpoint",
  );
}
