/** Runs inside the arm64 machine, as its root: `bun guest-main.ts MODES SHARE USERS`. Its last line is the verdict. */
import { sandboxSupport } from "../../../../src/execution/sandbox/io/support.ts";
import { parseModes } from "../asked-settings.ts";
import { breaches, reportLines } from "../attack-report.ts";
import { attackAs, type Who } from "../harness.ts";
import type { Setting } from "../suite.ts";
import { VERDICT } from "./words.ts";

/** Emulated, one takes seconds; the time says nothing here. */
const TIMED_RUNS = 1;
/** Five seconds were seen for a command that does nothing: one that is ended by its time has shown nothing. */
const WALL_MS = 90_000;

const [, , modeWords = "", share = "", users = ""] = process.argv;
const modes = parseModes(modeWords);
if (!modes.ok) throw new Error(modes.error);
const { landlockAbi, arch, seccomp } = sandboxSupport();
console.log(`${arch}, Landlock ABI ${landlockAbi}, ${seccomp.available ? "seccomp" : seccomp.reason}`);
const sandboxed = modes.value.map((mode): Setting => (mode === "limits" ? { mode } : { mode, landlockAbi }));
let faults = 0;
// `as`: main.ts hands on names of users alone.
for (const who of users.split(",") as Who[]) {
  const reports = await attackAs({
    who,
    settings: [{ mode: "none" }, ...sandboxed],
    launcher: ["/drover", "sandbox"],
    launcherPaths: ["/drover"],
    timedRuns: TIMED_RUNS,
    share: Number(share),
    wallMs: WALL_MS,
  });
  for (const line of reportLines(who, reports)) console.log(line);
  const [control, ...held] = reports;
  // A suite whose attacks never succeed proves nothing.
  if ((control?.succeeded.length ?? 0) * 3 < (control?.attacks ?? 1)) faults += 1;
  for (const report of held) {
    faults += breaches(report).length + report.brokenWork.length + (report.notRun === undefined ? 0 : 1);
  }
}
console.log(`${VERDICT} ${faults}`);
process.exit(0);
