import { terminal } from "#base";
import type { Console, GlobalOptions } from "#cli";
import { changesState, stateMark as markOf } from "#store";

/**
 * Of the folder given by `--state`: what it has come to, and whether this release would migrate it. Two marks are compared
 * only while no node uses the folders.
 */
export async function stateMark(options: GlobalOptions, console: Console): Promise<number> {
  const dir = options.state ?? "";
  try {
    console.document({ mark: markOf(dir), changesState: changesState(dir) });
    return 0;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const place = dir === "" ? "no folder" : dir;
    return console.fail(
      terminal("unavailable", `read the databases of ${place}: ${reason}`, "Name a state folder with --state"),
    );
  }
}
