/** Named in the form `label` or `label#3`: the process ends itself by SIGKILL when it gets there the third time. */
export const CRASH_POINT_VARIABLE = "DROVER_CRASH_POINT";

/**
 * The hook that a crash test arms through the environment of the compiled binary. Not armed, it costs one comparison
 * to undefined. SIGKILL and not exit: nothing may be flushed or cleaned up on the way out.
 */
export function crashPoint(env: Readonly<Record<string, string | undefined>>): (label: string) => void {
  const armed = env[CRASH_POINT_VARIABLE];
  if (armed === undefined || armed === "") return () => undefined;
  const [wanted = "", nth = "1"] = armed.split("#");
  let left = Number.parseInt(nth, 10);
  return (label) => {
    if (label !== wanted) return;
    left -= 1;
    if (left <= 0) process.kill(process.pid, "SIGKILL");
  };
}
