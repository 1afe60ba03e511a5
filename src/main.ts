/** argv → part; nothing else. The version is answered before anything is loaded: installers and health checks ask often. */
import { printVersion } from "./runtime/version.ts";

const [first, ...rest] = process.argv.slice(2);
if (first === "--version" && rest.length === 0) {
  printVersion();
} else if (first === "sandbox") {
  // Started before every command of a task, so nothing else may be loaded.
  const { runSandboxLauncher } = await import("./execution/sandbox/io/launcher.ts");
  runSandboxLauncher(rest);
} else {
  const { runCli, processEnvironment, endSoon } = await import("#cli");
  const { localCommands } = await import("#runtime");
  process.exitCode = await runCli(process.argv.slice(2), processEnvironment(localCommands));
  endSoon();
}
