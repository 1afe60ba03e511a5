import type { Console, RestoreOptions } from "#cli";
import { restoreBackup } from "#store";
import { stateDirOf } from "../program.ts";
import { realClock } from "../real-clock.ts";
import { settingsOf } from "./settings.ts";

/** Puts a backup in the place of the database. Works while no node runs; what was there is set aside. */
export async function restore(options: RestoreOptions, console: Console): Promise<number> {
  const loaded = settingsOf(options);
  if (!loaded.ok) return console.fail(loaded.error);
  const dir = stateDirOf(options.state, loaded.value.config);
  if (!dir.ok) return console.fail(dir.error);
  const restored = restoreBackup(dir.value, options.file, realClock.nowMs());
  if (!restored.ok) return console.fail(restored.error);
  if (console.json) console.document(restored.value);
  else {
    console.line(`Restored ${options.file}: ${restored.value.tasks} tasks.`);
    if (restored.value.setAside !== undefined) console.note(`What was there is kept as ${restored.value.setAside}`);
    console.hint("Start the node again: drover up");
  }
  return 0;
}
