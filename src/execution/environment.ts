import { MARKER_NAME } from "#base";
import type { Fence } from "./attempt.ts";

/** What a command may inherit: where things are and how to speak to a person; never what drover itself was given. */
const INHERITED: ReadonlySet<string> = new Set([
  "PATH",
  "HOME",
  "LANG",
  "TERM",
  "TZ",
  "TMPDIR",
  "USER",
  "SHELL",
  "LOGNAME",
]);
const INHERITED_PREFIX = "LC_";
/** What POSIX systems search when PATH is unset. */
export const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

export type Environment = Readonly<Record<string, string>>;

/** @returns the part of `inherited` that may be handed on; `PATH` is always set. */
export function allowedEnvironment(inherited: Readonly<Record<string, string | undefined>>): Environment {
  const kept: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const [name, value] of Object.entries(inherited)) {
    if (value === undefined || value === "") continue;
    if (INHERITED.has(name) || name.startsWith(INHERITED_PREFIX)) kept[name] = value;
  }
  return kept;
}

/** The environment of a task's command: the allowed part, what the task adds, then what drover says about itself. */
export function commandEnvironment(input: {
  readonly inherited: Readonly<Record<string, string | undefined>>;
  readonly extra: Environment;
  readonly taskId: string;
  readonly attempt: number;
  readonly fence: Fence;
  readonly marker: string;
}): Environment {
  return {
    ...allowedEnvironment(input.inherited),
    ...input.extra,
    DROVER_TASK_ID: input.taskId,
    DROVER_ATTEMPT: String(input.attempt),
    DROVER_FENCE: fenceText(input.fence),
    [MARKER_NAME]: input.marker,
  };
}

/** As many digits as the greatest whole number has that is exact. */
const FENCE_DIGITS = 16;

/** A text for what refuses an earlier one: those of later claims sort after it. */
function fenceText({ epoch, n }: Fence): string {
  return [epoch, n].map((part) => String(part).padStart(FENCE_DIGITS, "0")).join(".");
}
