import { appendFileSync } from "node:fs";

/** Named in the form `label` or `label#3`: the process ends itself by SIGKILL when it gets there the third time. */
const CRASH_POINT_VARIABLE = "DROVER_CRASH_POINT";
/** A file to which each process that ends at its crash point adds the label, so that a test can count the hits. */
const CRASH_LOG_VARIABLE = "DROVER_CRASH_LOG";

/** What a node hands on to its workers, so that they crash at their labels too. */
export const CRASH_VARIABLES = [CRASH_POINT_VARIABLE, CRASH_LOG_VARIABLE] as const;

/**
 * The hook that a crash test arms through the environment of the compiled binary. Not armed, it costs one comparison
 * to undefined. SIGKILL and not exit: nothing may be flushed or cleaned up on the way out.
 */
export function crashPoint(env: Readonly<Record<string, string | undefined>>): (label: string) => void {
  const armed = env[CRASH_POINT_VARIABLE];
  if (armed === undefined || armed === "") return () => undefined;
  const [wanted = "", nth = "1"] = armed.split("#");
  const log = env[CRASH_LOG_VARIABLE];
  let left = Number.parseInt(nth, 10);
  return (label) => {
    if (label !== wanted) return;
    left -= 1;
    if (left > 0) return;
    if (log !== undefined && log !== "") appendFileSync(log, `${label}\n`);
    process.kill(process.pid, "SIGKILL");
  };
}

/** Names a loop of the node that stands still from its first turn on: how a test makes a node that answers and does nothing. */
const STALL_VARIABLE = "DROVER_STALL_LOOP";

export function stalledLoop(env: Readonly<Record<string, string | undefined>>): string | undefined {
  return env[STALL_VARIABLE];
}
