/**
 * Every attack in every mode: `bun run crash:sandbox [--modes strict,kernel,limits] [--abis 6,5,4,3,2,1] [--source]
 * [--may-miss strict]`. Needs dist/drover (`npm run build`), or with --source nothing but the tree. As root both users
 * are tried. Ends with 1 when something got through that the mode promises to stop, when ordinary work did not go on,
 * when too few attacks were shown to succeed without a sandbox, or when a mode could not run that --may-miss does not
 * name; with 2 when it was asked wrongly.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BINARY } from "../../support/binary-node.ts";
import { parseModes, settingsFor } from "./asked-settings.ts";
import { reportLines, verdictOf } from "./attack-report.ts";
import { attackAs, isRoot, type Who } from "./harness.ts";

const TIMED_RUNS = 100;

const { values } = parseArgs({
  options: {
    modes: { type: "string", default: "strict,kernel,limits" },
    abis: { type: "string", default: "6,5,4,3,2,1" },
    source: { type: "boolean", default: false },
    "may-miss": { type: "string", default: "" },
  },
});
const root = join(import.meta.dirname, "../../..");
const launcher = values.source
  ? [process.execPath, join(root, "test/conformance/sandbox/sandbox-main.ts")]
  : [BINARY, "sandbox"];
const modes = parseModes(values.modes);
const mayMiss = parseModes(values["may-miss"]);
const settings = modes.ok ? settingsFor(modes.value, values.abis) : modes;
if (!settings.ok || !mayMiss.ok) {
  console.error(!settings.ok ? settings.error : !mayMiss.ok ? mayMiss.error : "");
  process.exit(2);
}

const faults: string[] = [];
const users: readonly Who[] = isRoot ? ["dropped", "unprivileged"] : ["unprivileged"];
for (const who of users) {
  const launcherPaths = values.source ? [root] : [BINARY];
  const reports = await attackAs({ who, settings: settings.value, launcher, launcherPaths, timedRuns: TIMED_RUNS });
  for (const line of reportLines(who, reports)) console.log(line);
  faults.push(...verdictOf(who, reports, mayMiss.value));
}
for (const fault of faults) console.log(`FAULT ${fault}`);
console.log(faults.length === 0 ? "nothing got through that its mode promises to stop" : `${faults.length} FAULTS`);
process.exitCode = faults.length === 0 ? 0 : 1;
