/**
 * Words of the API that options offer. They are written out here because loading the rooms that define them would cost
 * every command line their start-up time; the types keep both the same.
 */
import type { GoalView, ScheduleView, TaskView } from "#api";

export const LANE_WORDS = [
  "critical",
  "high",
  "normal",
  "low",
  "background",
] as const satisfies readonly TaskView["lane"][];
export const STATE_WORDS = [
  "waiting",
  "ready",
  "running",
  "done",
  "dead",
  "cancelled",
] as const satisfies readonly TaskView["state"][];
export const OVERLAP_WORDS = ["skip", "allow"] as const satisfies readonly ScheduleView["overlap"][];
export const EXECUTOR_WORDS = ["shell", "ollama", "claude"] as const;
export const TASK_EXECUTOR_WORDS = ["auto", ...EXECUTOR_WORDS] as const;
export const DEPENDENCY_POLICY_WORDS = ["fail", "wait", "ignore"] as const;
export const TIER_WORDS = ["trivial", "standard", "complex"] as const;
export const GOAL_STATE_WORDS = [
  "submitted",
  "decomposing",
  "executing",
  "verifying",
  "complete",
  "failed",
  "cancelled",
] as const satisfies readonly GoalView["state"][];
export const BUDGET_POLICY_WORDS = ["fail", "pause"] as const satisfies readonly GoalView["onBudget"][];
export const DOCUMENT_FORMAT_WORDS = ["md", "toml", "xml"] as const;
