/** Where a node of the whole machine keeps its state; made by the installer, hence the test for its existence. */
export const SYSTEM_STATE_DIR = "/var/lib/drover";

/**
 * The state directory when neither a flag nor the configuration names one: `DROVER_STATE`, else
 * {@link SYSTEM_STATE_DIR} for root when it exists, else `$XDG_STATE_HOME/drover`, else `~/.local/state/drover`
 * (XDG Base Directory Specification 0.8). Pure.
 * @returns undefined when the environment has neither of these nor HOME: the caller asks for `--state`.
 */
export function defaultStateDir(
  env: Readonly<Record<string, string | undefined>>,
  isRoot: boolean,
  exists: (path: string) => boolean,
): string | undefined {
  const named = env["DROVER_STATE"];
  if (named !== undefined && named !== "") return named;
  if (isRoot && exists(SYSTEM_STATE_DIR)) return SYSTEM_STATE_DIR;
  // The specification: a relative path in XDG_STATE_HOME is invalid and ignored.
  const xdg = env["XDG_STATE_HOME"];
  if (xdg?.startsWith("/")) return `${xdg}/drover`;
  const home = env["HOME"] ?? env["USERPROFILE"];
  return home === undefined || home === "" ? undefined : `${home}/.local/state/drover`;
}
