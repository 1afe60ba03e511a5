import { terminal } from "#base";
import type { Console, GlobalOptions } from "#cli";
import { stateMark as markOf } from "#store";

/** Of the folder given by `--state`, which no node may be using. */
export async function stateMark(options: GlobalOptions, console: Console): Promise<number> {
  try {
    console.document({ mark: markOf(options.state ?? "") });
    return 0;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return console.fail(terminal("unavailable", `read the databases of ${options.state ?? "no folder"}: ${reason}`));
  }
}
