import { type Clock, sleep } from "#base";
import type { CommandEnd } from "../outcome.ts";
import { type OutputExcerpt, OutputWindow } from "../output-window.ts";
import { type Progress, ProgressScanner } from "../progress-line.ts";
import type { StopSwitch } from "../stop-switch.ts";
import type { LogFile } from "./log-file.ts";
import { endTree } from "./process-tree.ts";
import type { StartedProcess, StartProcess, StartRequest } from "./start-process.ts";

/** What is still in the pipe after the last process ended is read at once; only a stuck process holds it open. */
const DRAIN_LIMIT_MS = 2_000;

export type CommandRequest = StartRequest & {
  readonly wallMs: number;
  readonly outputBytes: number;
  readonly headBytes?: number | undefined;
  readonly tailBytes?: number | undefined;
  readonly log?: LogFile | undefined;
  readonly onStart?: ((pid: number) => void) | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
};

export type CommandContext = {
  readonly clock: Clock;
  readonly start: StartProcess;
  readonly stop: StopSwitch;
  /** Carried by the environment of every process of the attempt. */
  readonly marker: string;
  readonly adoptsOrphans: boolean;
};

export type CommandRun = {
  readonly end: CommandEnd;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly output: OutputExcerpt;
  readonly durationMs: number;
};

/**
 * Runs a command to its end, whichever comes first: its own exit, the wall limit, the output limit, or a stop
 * request. When this resolves, no process that the command started is left, also after a normal exit.
 */
export async function runCommand(request: CommandRequest, context: CommandContext): Promise<CommandRun> {
  const { clock, stop } = context;
  const startedMs = clock.monotonicMs();
  const window = new OutputWindow(request.headBytes, request.tailBytes);
  const run = (end: CommandEnd, exitCode: number | null, signal: string | null): CommandRun => ({
    end,
    exitCode,
    signal,
    output: window.excerpt(),
    durationMs: Math.round(clock.monotonicMs() - startedMs),
  });
  if (stop.current !== undefined) return run({ kind: "stopped", request: stop.current }, null, null);

  const started = context.start(request);
  if (!started.ok) return run({ kind: "failed", failure: started.error }, null, null);
  const child = started.value;
  request.onStart?.(child.pid);

  const ended = Promise.withResolvers<CommandEnd>();
  let cut: CommandEnd | undefined;
  const cutShort = (end: CommandEnd): void => {
    cut ??= end;
    ended.resolve(end);
  };
  const wall = clock.after(request.wallMs, () => ended.resolve({ kind: "wallLimit", limitMs: request.wallMs }));
  void stop.requested.then((reason) => ended.resolve({ kind: "stopped", request: reason }));
  let exit: Awaited<StartedProcess["exited"]> = { exitCode: null, signal: null };
  const exited = child.exited.then((status) => {
    exit = status;
    ended.resolve(endOf(status));
  });
  const reading = consume(child.output, request, window, cutShort);

  const first = await ended.promise;
  wall.cancel();
  await endTree({ leader: child.pid, marker: context.marker, adoptsOrphans: context.adoptsOrphans }, clock);
  await Promise.race([Promise.all([reading, exited]), sleep(clock, DRAIN_LIMIT_MS)]);
  child.release();
  // The last bytes, read after the exit, may pass the output limit or fill the disk: that decides then.
  return run(first.kind === "exited" ? (cut ?? first) : first, exit.exitCode, exit.signal);
}

function endOf(status: Awaited<StartedProcess["exited"]>): CommandEnd {
  return status.signal === null
    ? { kind: "exited", exitCode: status.exitCode ?? -1 }
    : { kind: "signalled", signal: status.signal };
}

/** Reads until the end, also beyond a limit: a full pipe would keep the command from noticing its SIGTERM. */
async function consume(
  output: AsyncIterable<Uint8Array>,
  request: CommandRequest,
  window: OutputWindow,
  cutShort: (end: CommandEnd) => void,
): Promise<void> {
  const scanner = new ProgressScanner();
  for await (const value of output) {
    const allowed = value.subarray(0, Math.max(0, request.outputBytes - window.totalBytes));
    window.push(allowed);
    const failure = request.log?.append(allowed);
    if (failure !== undefined) cutShort({ kind: "failed", failure });
    const progress = request.onProgress === undefined ? undefined : scanner.push(allowed);
    if (progress !== undefined) request.onProgress?.(progress);
    if (allowed.length < value.length) cutShort({ kind: "outputLimit", limitBytes: request.outputBytes });
  }
}
