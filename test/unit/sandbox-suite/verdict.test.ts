/** The suite of attacks says what it did not run, and fails for it. */
import { describe, expect, test } from "vitest";
import { parseModes, settingsFor } from "../../crash/sandbox/asked-settings.ts";
import { LEAST_ATTACKS, MOST_NOT_SHOWN, verdictOf } from "../../crash/sandbox/attack-report.ts";
import { ATTACK_NAMES, type SettingReport } from "../../crash/sandbox/suite.ts";

const containing = (part: string): unknown => expect.stringContaining(part);

function report(mode: SettingReport["setting"]["mode"], more: Partial<SettingReport> = {}): SettingReport {
  const nothing = { succeeded: [], sights: [], brokenWork: [], byWorker: [], latencyMs: [] };
  return { setting: { mode }, attacks: ATTACK_NAMES.length, ...nothing, ...more };
}

const control = report("none", { succeeded: ATTACK_NAMES });
const OUTSIDE = "files: read a file outside";

describe("what is asked of the attack suite", () => {
  test("is an error when a word is no mode, or no mode is named", () => {
    expect(parseModes("kernel,limit")).toMatchObject({ ok: false, error: containing("limit") });
    expect(settingsFor([], "6")).toMatchObject({ ok: false });
    expect(settingsFor(["kernel"], "6,x")).toMatchObject({ ok: false, error: containing("x") });
  });

  test("is the control, and each mode, on older kernels too where that makes a difference", () => {
    const modes = parseModes("limits,kernel");

    expect(modes.ok && settingsFor(modes.value, "6,1")).toEqual({
      ok: true,
      value: [
        { mode: "none" },
        { mode: "kernel" },
        { mode: "kernel", landlockAbi: 6 },
        { mode: "kernel", landlockAbi: 1 },
        { mode: "limits" },
      ],
    });
  });
});

describe("the verdict of the attack suite", () => {
  test("has enough attacks to judge by", () => {
    expect(ATTACK_NAMES.length).toBeGreaterThanOrEqual(LEAST_ATTACKS);
    expect(new Set(ATTACK_NAMES).size).toBe(ATTACK_NAMES.length);
  });

  test("is good when nothing got through", () => {
    expect(verdictOf("dropped", [control, report("strict"), report("kernel"), report("limits")], [])).toEqual([]);
  });

  test("is bad for what gets through, unless the mode says that it does not stop it", () => {
    const through = { succeeded: [OUTSIDE] };

    expect(verdictOf("dropped", [control, report("kernel", through)], [])).toEqual([containing(OUTSIDE)]);
    expect(verdictOf("dropped", [control, report("limits", through)], [])).toEqual([]);
    for (const promised of ["processes: be root", "files: find any descriptor that was left open"]) {
      expect(ATTACK_NAMES).toContain(promised);
      expect(verdictOf("dropped", [control, report("limits", { succeeded: [promised] })], [])).toHaveLength(1);
    }
  });

  test("is bad for a mode that could not be run, unless it was said that it may be missing", () => {
    const missing = report("strict", { notRun: "bubblewrap is not installed" });

    expect(verdictOf("dropped", [control, missing], ["kernel"])).toEqual([containing("bubblewrap")]);
    expect(verdictOf("dropped", [control, missing], ["strict"])).toEqual([]);
  });

  test("is bad when too many attacks fail without a sandbox too", () => {
    const idle = MOST_NOT_SHOWN.dropped + 1;
    const weak = report("none", { succeeded: ATTACK_NAMES.slice(idle) });

    expect(verdictOf("dropped", [weak, report("strict")], [])).toEqual([containing(`${idle} attacks fail`)]);
    expect(verdictOf("dropped", [report("strict")], [])).toEqual([containing("without a sandbox")]);
  });

  test("is bad for ordinary work that does not go on", () => {
    expect(verdictOf("dropped", [control, report("kernel", { brokenWork: ["git status"] })], [])).toHaveLength(1);
  });
});
