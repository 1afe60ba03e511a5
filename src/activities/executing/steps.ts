/** Steps of the work on goals after which a kill may come, so that a crash test can end the node exactly there. */
export const GOAL_STEPS = [
  /** Its tasks are in the queue, which the goal does not know yet. */
  "goal:submitted",
  "goal:saved",
  /** It was delivered, which it does not know yet. */
  "goal:delivered",
] as const;
export type GoalStepLabel = (typeof GOAL_STEPS)[number];
