/** One running process of a supervisor: started in a session of its own, or taken over from an earlier watchdog. */
import { closeSync, constants, openSync, readlinkSync } from "node:fs";
import { constants as systemConstants } from "node:os";
import { type Clock, err, type Failure, ok, type Result, terminal } from "#base";
import type { Exit } from "../fault.ts";
import { MARK, type Tree } from "./kill-tree.ts";
import { libc } from "./libc.ts";
import { RecentOomKills } from "./oom-kills.ts";
import { registerOwn } from "./orphans.ts";
import { entryOf, identify, isAlive, type ProcessEntry, type ProcessIdentity, variableOf } from "./process-table.ts";

/** Takes what a process writes. Must not throw: an output that cannot be kept is dropped, never waited for. */
export interface OutputSink {
  accept(chunk: Uint8Array): void;
}

export type ChildRequest = {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Become 3, 4, … of the child; they stay open here. */
  readonly descriptors: readonly number[];
  readonly spares: (entry: ProcessEntry) => boolean;
};

export type SupervisedChild = {
  readonly identity: ProcessIdentity;
  readonly tree: Tree;
  readonly exited: Promise<Exit>;
  /** To be called each second: by it an end for want of memory is told from another. */
  readonly look: () => void;
  /** Stops reading its output, once nothing of it is left. */
  readonly close: () => Promise<void>;
};

/** Room for what is written while no watchdog reads. */
const PIPE_BYTES = 1024 * 1024;
/** Nobody but its parent is told of an end, so one that was taken over is looked at: its end is a fault seen late. */
const ADOPTED_POLL_MS = 250;
/** What is still in the pipe of a process that ended is read for so long at most. */
const DRAIN_MS = 200;

export function startChild(
  request: ChildRequest,
  mark: string,
  sink: OutputSink,
  clock: Clock,
): Result<SupervisedChild> {
  const oomKills = new RecentOomKills();
  const pipe = libc?.pipe(PIPE_BYTES);
  let output: number | undefined;
  try {
    // Open for reading as well: then writing never fails for want of a reader, and a watchdog that crashes takes
    // no child with it (SIGPIPE). Both streams share one pipe, which keeps their order.
    if (pipe !== undefined) output = openSync(`/proc/self/fd/${pipe.write}`, constants.O_RDWR);
    const child = Bun.spawn([...request.command], {
      ...(request.cwd === undefined ? {} : { cwd: request.cwd }),
      env: { ...request.env, [MARK]: mark },
      stdio: ["ignore", output ?? "ignore", output ?? "ignore", ...request.descriptors],
      detached: true,
    });
    registerOwn(child);
    // A process that has ended already has no identity to be found by; its pid is not reused before Bun took its status.
    const startTicks = entryOf(child.pid)?.startTicks ?? "";
    const exited = child.exited.then(() => {
      const signal = child.signalCode === null ? null : String(child.signalCode);
      return exitOf(child.exitCode, signal, oomKills);
    });
    const close = pipe === undefined ? noOutput : pump(pipe.read, sink, clock);
    return ok({
      identity: identify(child.pid) ?? { pid: child.pid, startTicks, bootId: "" },
      tree: { leader: child.pid, mark, spares: request.spares },
      exited,
      look: () => oomKills.look(),
      close,
    });
  } catch (cause) {
    if (pipe !== undefined) closeSync(pipe.read);
    return err(startFailure(request.command[0] ?? "", cause));
  } finally {
    // Bun leaves descriptors open that it was given.
    if (output !== undefined) closeSync(output);
    if (pipe !== undefined) closeSync(pipe.write);
  }
}

/** Takes over a living process; its output is read on. @returns undefined when it has ended meanwhile. */
export function adoptChild(
  identity: ProcessIdentity,
  spares: ChildRequest["spares"],
  sink: OutputSink,
  clock: Clock,
): SupervisedChild | undefined {
  if (!isAlive(identity)) return undefined;
  const oomKills = new RecentOomKills();
  const ended = Promise.withResolvers<Exit>();
  const look = (): void => {
    if (isAlive(identity)) clock.after(ADOPTED_POLL_MS, look);
    else ended.resolve(exitOfStatus(libc?.reap(identity.pid), oomKills));
  };
  clock.after(ADOPTED_POLL_MS, look);
  const output = reopenOutput(identity.pid);
  return {
    identity,
    tree: { leader: identity.pid, mark: variableOf(identity.pid, MARK), spares },
    exited: ended.promise,
    look: () => oomKills.look(),
    close: output === undefined ? noOutput : pump(output, sink, clock),
  };
}

/** The pipe is found through the process that writes to it; it has no name. */
function reopenOutput(pid: number): number | undefined {
  try {
    const path = `/proc/${pid}/fd/1`;
    if (!readlinkSync(path).startsWith("pipe:")) return undefined;
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined; // Not Linux, or it has just ended: then its output is not followed.
  }
}

const noOutput = (): Promise<void> => Promise.resolve();

/** Reads all the time, so that the pipe never fills. @returns what stops it. */
function pump(descriptor: number, sink: OutputSink, clock: Clock): () => Promise<void> {
  const reader = Bun.file(descriptor).stream().getReader();
  const read = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      sink.accept(value);
    }
  };
  const finished = read().catch(() => undefined); // A pipe that cannot be read has nothing more to say.
  return async () => {
    // What was spared may hold the pipe open for days.
    const limit = Promise.withResolvers<undefined>();
    const timer = clock.after(DRAIN_MS, () => limit.resolve(undefined));
    await Promise.race([finished, limit.promise]);
    timer.cancel();
    await reader.cancel().catch(() => undefined);
    closeSync(descriptor);
  };
}

function exitOf(code: number | null, signal: string | null, oomKills: RecentOomKills): Exit {
  return { code, signal, outOfMemory: oomKills.isRisen };
}

/** As wait(2) encodes it: the signal in the low seven bits, else the code above them. */
function exitOfStatus(status: number | undefined, oomKills: RecentOomKills): Exit {
  if (status === undefined) return exitOf(null, null, oomKills);
  const number = status & 0x7f;
  if (number === 0) return exitOf((status >> 8) & 0xff, null, oomKills);
  const name = Object.entries(systemConstants.signals).find(([, value]) => value === number)?.[0];
  return exitOf(null, name ?? `signal ${number}`, oomKills);
}

function startFailure(program: string, cause: unknown): Failure {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return terminal(
    "unavailable",
    `start ${program}: ${reason}`,
    "Check that it is there, is executable and fits this system",
  );
}
