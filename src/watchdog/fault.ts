/** How a process failed. A hang is a fault like an exit. */
export type FaultKind =
  | "exit"
  | "signal"
  /** SIGKILL that the watchdog did not send. */
  | "killed"
  | "outOfMemory"
  /** It was gone when it was looked at, and nobody knows how it ended. */
  | "unknown"
  /** It says that it would only end again, such as for its configuration. */
  | "refused"
  | "notStarted"
  | "notReady"
  | "heartbeat"
  | "pulse"
  | "probe"
  | "memory"
  /** Something of it is left after SIGKILL; nothing is started beside it. */
  | "unkillable";

export type Fault = {
  readonly kind: FaultKind;
  /** A clause for a person: `it ended with exit code 3`. */
  readonly reason: string;
  /** Which start of the process it was, from 1. */
  readonly generation: number;
  /** Since that start, or since it became ready. */
  readonly uptimeMs: number;
};

/** By this exit code a process says that to start it again as things are would be in vain (EX_CONFIG of sysexits.h). */
export const REFUSED_EXIT = 78;

export type Exit = {
  readonly code: number | null;
  readonly signal: string | null;
  /** Whether the kernel ended a process for want of memory meanwhile. */
  readonly outOfMemory: boolean;
};

/** An internal loop of the process, how long ago it went round, and how long that may take. */
export type Pulse = { readonly name: string; readonly ageMs: number; readonly limitMs: number };

export function exitFault(exit: Exit): Pick<Fault, "kind" | "reason"> {
  if (exit.signal === "SIGKILL") {
    return exit.outOfMemory
      ? { kind: "outOfMemory", reason: "the kernel ended it because memory ran out" }
      : { kind: "killed", reason: "somebody else ended it with SIGKILL" };
  }
  if (exit.signal !== null) return { kind: "signal", reason: `it ended by ${exit.signal}` };
  // Null when it was another watchdog that started it: only a parent is told how its child ended.
  if (exit.code === null) {
    const memory = exit.outOfMemory ? "; the kernel ended a process for want of memory meanwhile" : "";
    return { kind: "unknown", reason: `it ended in a way that is not known${memory}` };
  }
  if (exit.code === REFUSED_EXIT) return { kind: "refused", reason: "it refuses to start as things are" };
  return { kind: "exit", reason: `it ended with exit code ${exit.code}` };
}
