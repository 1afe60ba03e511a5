/** Runs a command that the configuration names, with limits. */
import { type Clock, err, type Failure, ok, type Result, redactText, retryable, sleep } from "#base";

/** Of its output; it is only shown. */
const MAX_OUTPUT_CHARS = 1_000;

/** What it wrote is there at its end, unless a service that it started holds the output open: then this is enough. */
const DRAIN_MS = 250;

/**
 * A service that it leaves behind goes on, and nobody waits for it. One that takes too long is ended, with its group.
 * @returns its output, cut; a failure for one that cannot be started, that fails, or that takes too long
 */
export async function runCommand(
  command: readonly string[],
  { limitMs, clock }: { readonly limitMs: number; readonly clock: Clock },
): Promise<Result<string>> {
  let child: Child;
  try {
    child = start(command);
  } catch (cause) {
    return err(failed(command, cause instanceof Error ? cause.message : String(cause)));
  }
  const late = new AbortController();
  const timer = clock.after(limitMs, () => {
    late.abort();
    endGroup(child);
  });
  const reader: Reader = child.stdout.getReader();
  const head = { text: "" };
  const read = readHead(reader, head);
  const code = await child.exited;
  timer.cancel();
  if (late.signal.aborted) {
    await letGo(reader);
    return err(failed(command, `it took longer than ${limitMs} ms, and was ended`));
  }
  await Promise.race([read, sleep(clock, DRAIN_MS)]);
  await letGo(reader);
  const output = head.text.slice(0, MAX_OUTPUT_CHARS);
  return code === 0 ? ok(output) : err(failed(command, `it ended with ${code}: ${redactText(output.trim())}`));
}

function start(command: readonly string[]) {
  return Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "ignore", detached: true });
}

type Child = ReturnType<typeof start>;
/** What is needed of a stream's reader; the runtime's and the standard's types for it differ in the rest. */
type Reader = {
  read(): Promise<{ readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
};

function endGroup(child: Child): void {
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    child.kill("SIGKILL"); // Nobody is left in the group.
  }
}

/** Reads on, so that the command does not stand still, and keeps the beginning. */
async function readHead(reader: Reader, head: { text: string }): Promise<void> {
  const decoder = new TextDecoder();
  for (;;) {
    // A pipe that breaks has brought all that it will bring.
    const { value } = await reader.read().catch(() => ({ value: undefined }));
    if (value === undefined) return;
    if (head.text.length < MAX_OUTPUT_CHARS) head.text += decoder.decode(value, { stream: true });
  }
}

function letGo(reader: Reader): Promise<void> {
  return reader.cancel().catch(() => undefined);
}

function failed(command: readonly string[], why: string): Failure {
  return retryable(
    "unavailable",
    `${(command[0] ?? "").slice(0, 200)}: ${why}`,
    "Correct restart_command of the endpoint",
  );
}
