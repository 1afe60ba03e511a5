import type { GoalId, JsonObject, NodeId, TaskId } from "#base";
import type { Lane } from "#queue";

export const GOAL_STATES = [
  /** Accepted, and waiting for its turn. */
  "submitted",
  /** A plan is being made: of everything, or of what failed. */
  "decomposing",
  /** The tasks of the plan are in the queue. */
  "executing",
  /** All tasks are done, and what they came to is looked at. */
  "verifying",
  "complete",
  "failed",
  "cancelled",
] as const;
export type GoalState = (typeof GOAL_STATES)[number];

/** Where a goal came from. */
export const GOAL_CHANNELS = ["cli", "api", "file", "webhook", "improver", "mind"] as const;
export type GoalChannel = (typeof GOAL_CHANNELS)[number];

/** What happens when a goal has used up its budget. */
export const BUDGET_POLICIES = ["fail", "pause"] as const;
export type BudgetPolicy = (typeof BUDGET_POLICIES)[number];

export type GoalBudget = { readonly tokens: number | null; readonly costMicrodollars: number | null };

/** What people, files and programs ask for, with defaults filled in. */
export type GoalOrder = {
  readonly title: string;
  readonly description: string;
  readonly priority: Lane;
  /** In words. */
  readonly successCriteria: readonly string[];
  /** Mechanical checks, as a task has them. */
  readonly verify: readonly JsonObject[];
  readonly repository: string | null;
  /** A folder in which all its tasks work; null: drover makes one, unless there is a repository. */
  readonly workspace: string | null;
  readonly budget: GoalBudget;
  readonly onBudget: BudgetPolicy;
  readonly channel: GoalChannel;
  readonly labels: Readonly<Record<string, string>>;
  readonly idempotencyKey: string | null;
};

export const GOAL_ENDS = [
  "cancelled",
  /** Tasks failed, and so did every round of planning them anew. */
  "tasks_failed",
  /** All tasks were done, and the result does not meet the criteria. */
  "not_verified",
  /** No model said in a usable form whether the criteria are met. */
  "not_judged",
  "budget",
  "repository",
  /** The node that had its folder is gone. */
  "home_lost",
  "delivery",
] as const;
export type GoalReason = { readonly code: (typeof GOAL_ENDS)[number]; readonly text: string };

/** Who found that a goal is reached: its checks, a model, or its tasks alone, because it asks for nothing more. */
export type GoalVerdict = {
  readonly by: "checks" | "model" | "tasks";
  readonly criteria: readonly { readonly criterion: string; readonly met: boolean; readonly why: string }[];
};

export type GoalDelivery = {
  readonly outcome: "merged" | "pullRequest" | "patch" | "asks" | "blocked";
  readonly detail: string;
  readonly link: string | null;
};

export type Spent = { readonly tokens: number; readonly costMicrodollars: number };

export type Goal = {
  readonly id: GoalId;
  readonly order: GoalOrder;
  readonly state: GoalState;
  /** Rises by one with each change; a change made from an older one is refused. */
  readonly revision: number;
  /**
   * The one node that has what it works in: a folder that drover made, or the repository where no remote carries its
   * branch from node to node. Null while it has not begun, with a folder of the user's, and where any node will do.
   */
  readonly home: { readonly node: NodeId; readonly folder: string } | null;
  /** Plans begun: 0 before the first. */
  readonly round: number;
  /** Replies asked for in this round and state. */
  readonly asks: number;
  /** By whom the present plan was made. */
  readonly planBy: "model" | "fallback" | null;
  readonly paused: string | null;
  readonly reason: GoalReason | null;
  readonly spent: Spent;
  readonly verdict: GoalVerdict | null;
  readonly delivery: GoalDelivery | null;
  /** Times that a delivery failed for a while. */
  readonly deliveryTries: number;
  readonly createdAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
};

export const GOAL_TASK_KINDS = [
  /** Asks a model for a plan. */
  "plan",
  /** Is part of a plan. */
  "work",
  /** Runs the goal's checks. */
  "check",
  /** Asks a model whether the criteria are met. */
  "judge",
] as const;
export type GoalTaskKind = (typeof GOAL_TASK_KINDS)[number];

export const GOAL_TASK_STATES = [
  /** To be submitted. */
  "planned",
  /** In the queue. */
  "open",
  "done",
  "failed",
  /** Not wanted any more. */
  "dropped",
] as const;
export type GoalTaskState = (typeof GOAL_TASK_STATES)[number];

export type GoalTask = {
  readonly goalId: GoalId;
  /** 1, 2, 3 … within the goal. */
  readonly n: number;
  readonly kind: GoalTaskKind;
  readonly round: number;
  /** As the plan names it. */
  readonly key: string;
  readonly title: string;
  /** The submission as JSON text, as it is written to the queue, but for dependencies and key. */
  readonly body: string;
  /** Numbers of tasks of this goal, all of them smaller. */
  readonly dependsOn: readonly number[];
  readonly state: GoalTaskState;
  /** How often it was taken back from the queue before it began. */
  readonly tries: number;
  readonly taskId: TaskId | null;
  /** What a model said at its end; of `plan` and `judge`. */
  readonly reply: string | null;
  readonly error: string | null;
  readonly spent: Spent;
};

export const NOTHING_SPENT: Spent = { tokens: 0, costMicrodollars: 0 };

export function hasGoalEnded({ state }: Pick<Goal, "state">): boolean {
  return state === "complete" || state === "failed" || state === "cancelled";
}

/** One line of a goal's own history. */
export type GoalEvent = {
  readonly seq: number;
  readonly atMs: number;
  readonly kind: string;
  readonly data: JsonObject;
};
export type NewGoalEvent = { readonly kind: string; readonly data: JsonObject };
