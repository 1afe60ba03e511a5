/** argv → part; nothing else. The version is answered before anything is loaded: installers and health checks ask often. */
import { writeSync } from "node:fs";
import { commit, target, version } from "./runtime/version.ts";

const [first, ...rest] = process.argv.slice(2);
if (first === "--version" && rest.length === 0) {
  writeSync(1, `drover ${version} (${commit}, ${target})\n`); // process.stdout takes four milliseconds to set up
} else {
  const { runCli, processEnvironment } = await import("#cli");
  const { localCommands } = await import("#runtime");
  process.exitCode = await runCli(process.argv.slice(2), processEnvironment(localCommands));
}
