import { describe, expect, it } from "vitest";
import { checkSettings, DEFAULT_SETTINGS, type FsmSettings, SETTING_BOUNDS } from "../../../src/fsm/index.ts";

function faultsOf(settings: FsmSettings): readonly string[] {
  const result = checkSettings(settings);
  return result.ok ? [] : (result.error.faults ?? []).map(({ path }) => path);
}

describe("the settings of the mind", () => {
  it("are within their bounds by default", () => {
    expect(checkSettings(DEFAULT_SETTINGS)).toEqual({ ok: true, value: DEFAULT_SETTINGS });
  });

  it("are refused out of bounds, each by its name", () => {
    const { healing, dwellMs } = DEFAULT_SETTINGS;
    const wrong = {
      ...DEFAULT_SETTINGS,
      dwellMs: { ...dwellMs, resting: SETTING_BOUNDS.dwellMs.resting.min - 1, healing: 1.5 },
      healing: { ...healing, atOnce: 33 },
    };

    expect(faultsOf(wrong)).toEqual(["dwellMs.resting", "dwellMs.healing", "healing.atOnce"]);
  });

  it("are refused when they contradict each other", () => {
    const { healing, dwellMs, leaveAt } = DEFAULT_SETTINGS;

    expect(faultsOf({ ...DEFAULT_SETTINGS, dwellMs: { ...dwellMs, healing: 300_000 } })).toEqual([
      "deadlineMs.healing",
    ]);
    expect(faultsOf({ ...DEFAULT_SETTINGS, leaveAt: { ...leaveAt, stuckTasks: 3 } })).toEqual(["enterAt.stuckTasks"]);
    expect(faultsOf({ ...DEFAULT_SETTINGS, healing: { ...healing, sharePercent: 1 } })).toEqual([
      "healing.sharePercent",
    ]);
    expect(faultsOf({ ...DEFAULT_SETTINGS, healing: { ...healing, maxRestMs: 1_000 } })).toEqual(["healing.maxRestMs"]);
  });
});
