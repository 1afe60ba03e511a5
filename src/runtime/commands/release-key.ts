import { join } from "node:path";
import type { Console, GlobalOptions } from "#cli";
import { stateDirOf } from "../program.ts";
import { realClock } from "../real-clock.ts";
import { makeLocalKey } from "../signing/local-key.ts";
import { prepareStateFolder } from "../state-folder.ts";
import { settingsOf } from "./settings.ts";

/** Makes the key of this node for releases from source, and says how it is allowed and what that permits. */
export async function releaseKey(options: GlobalOptions, console: Console): Promise<number> {
  const loaded = settingsOf(options);
  if (!loaded.ok) return console.fail(loaded.error);
  const { config } = loaded.value;
  const stateDir = stateDirOf(options.state, config);
  if (!stateDir.ok) return console.fail(stateDir.error);
  const folder = prepareStateFolder(stateDir.value);
  if (!folder.ok) return console.fail(folder.error);
  const file = join(folder.value.path, "local-release.key");
  const made = makeLocalKey(file, realClock.nowMs());
  if (!made.ok) return console.fail(made.error);
  const { id, publicKey, notAfterMs } = made.value;
  if (console.json) {
    console.document(made.value);
    return 0;
  }
  const keys = [...config["update.public_keys"], publicKey].map((key) => JSON.stringify(key)).join(", ");
  console.line(
    `Key ${id} is in ${file}, for its owner alone, until ${new Date(notAfterMs).toISOString().slice(0, 10)}.`,
  );
  console.line("It is not allowed yet. To allow it, put into the configuration, and then drover down, drover up:");
  console.line();
  console.line("  [update]");
  console.line(`  local_key_file = ${JSON.stringify(file)}`);
  console.line(`  public_keys = [${keys}]`);
  console.line();
  console.line(
    "What this permits: whoever holds this node's token, agents included, can have changed source of drover",
  );
  console.line(
    "built, tested and installed here (drover update --from-source). It then runs with all of drover's rights.",
  );
  console.line("To end it, remove both again and restart drover.");
  return 0;
}
