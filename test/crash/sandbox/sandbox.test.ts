/**
 * The compiled executable as sandbox: a part of the attacks, in each mode, for each user that can be tried here.
 * `bun run crash:sandbox` runs all of them, and on the Landlock of older kernels.
 */
import { describe, expect, it } from "vitest";
import { SANDBOX_MODES } from "../../../src/execution/sandbox/policy.ts";
import { BINARY } from "../../support/binary-node.ts";
import { breaches, LEAST_ATTACKS, reportLines } from "./attack-report.ts";
import { attackAs, isRoot, type Who } from "./harness.ts";
import { ATTACK_NAMES, type Setting } from "./suite.ts";

const LIMIT_MS = 300_000;
/** Every sixth attack: about half a minute for each user on an idle machine of two cores. */
const SHARE = 6;
const SETTINGS: readonly Setting[] = [{ mode: "none" }, ...SANDBOX_MODES.map((mode) => ({ mode }))];
const CONTROL_AND_STRICT = SETTINGS.filter(({ mode }) => mode === "none" || mode === "strict");
/** As the second user only the mode that what a user may do decides about. */
const users: readonly { readonly who: Who; readonly settings: readonly Setting[] }[] = isRoot
  ? [
      { who: "dropped", settings: SETTINGS },
      { who: "unprivileged", settings: CONTROL_AND_STRICT },
    ]
  : [{ who: "unprivileged", settings: SETTINGS }];

describe.skipIf(process.platform !== "linux").each(users)("attacks as $who", ({ who, settings }) => {
  it(
    "get through to nothing that their mode promises to stop, while ordinary work goes on",
    async () => {
      const reports = await attackAs({
        who,
        settings,
        launcher: [BINARY, "sandbox"],
        launcherPaths: [BINARY],
        timedRuns: 5,
        share: SHARE,
      });
      for (const line of reportLines(who, reports)) console.log(line);

      const [control, ...sandboxed] = reports;
      for (const report of sandboxed) {
        expect([report.setting.mode, breaches(report), report.brokenWork]).toEqual([report.setting.mode, [], []]);
        // What is not there is said loudly above; that too little was tried would be a fault of this suite.
        expect(report.notRun ?? report.attacks > 30).toBeTruthy();
      }
      expect(sandboxed.some(({ notRun }) => notRun === undefined)).toBe(true);
      expect(ATTACK_NAMES.length).toBeGreaterThanOrEqual(LEAST_ATTACKS);
      // A suite whose attacks never succeed proves nothing.
      expect((control?.succeeded.length ?? 0) / (control?.attacks ?? 1)).toBeGreaterThan(0.5);
    },
    LIMIT_MS,
  );
});
