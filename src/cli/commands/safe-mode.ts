/** The screen of `drover status` while no node can run. */
import type { SafeMode } from "../connection/safe-mode.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { durationText, instantText } from "../output/quantities.ts";
import { oneLine } from "../output/text.ts";

/** One screen holds these beside everything else. */
const FAULTS_SHOWN = 5;
const LINES_SHOWN = 12;

export function showSafeMode(safe: SafeMode, { console, environment }: CommandContext): number {
  if (console.json) {
    console.document({ safeMode: safe });
    return EXIT.unhealthy;
  }
  const forMs = Math.max(0, environment.clock.nowMs() - safe.sinceMs);
  console.line(console.paint("bad", `drover ${oneLine(safe.version)} is in safe mode since ${durationText(forMs)}`));
  console.line(`The node failed too often and is not started again by itself: ${oneLine(safe.reason)}`);
  console.line("Its tasks are kept.");
  if (safe.faults.length > 0) {
    console.line();
    console.line("Last faults:");
    for (const { atMs, reason } of safe.faults.slice(-FAULTS_SHOWN)) {
      console.line(`  ${console.paint("faint", instantText(atMs))}  ${oneLine(reason)}`);
    }
  }
  if (safe.lastLines.length > 0) {
    console.line();
    console.line(`Last lines of ${oneLine(safe.log)}:`);
    for (const line of safe.lastLines.slice(-LINES_SHOWN)) console.line(`  ${oneLine(line)}`);
  }
  for (const step of nextSteps(safe)) console.note(`next: ${step}`);
  return EXIT.unhealthy;
}

function nextSteps({ canRollBack }: SafeMode): readonly string[] {
  return [
    "look for the cause with: drover doctor",
    "try again with: drover node restart",
    ...(canRollBack ? ["go back to the release before this one with: drover rollback"] : []),
    "install another release with: drover update FILE, or stop with: drover down",
  ];
}
