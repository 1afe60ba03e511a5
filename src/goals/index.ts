/** goals: outcomes to reach, divided into tasks, verified, planned anew where they failed. Pure; imports base and queue. */
export {
  announced,
  type Changed,
  cancelledGoal,
  noGoal,
  orderText,
  otherOrder,
  resumedGoal,
  tooManyGoals,
} from "./changes.ts";
export { decide, type GoalChange, type GoalFacts, type GoalStep, type SeenTask } from "./decide.ts";
export {
  DOCUMENT_FORMATS,
  DOCUMENT_KINDS,
  type Document,
  type DocumentFormat,
  type DocumentKind,
  MAX_DOCUMENT_CHARS,
} from "./documents/document.ts";
export { type ParseToml, readDocument, writeDocument } from "./documents/read-document.ts";
export {
  BUDGET_POLICIES,
  GOAL_CHANNELS,
  GOAL_STATES,
  GOAL_TASK_KINDS,
  GOAL_TASK_STATES,
  type Goal,
  type GoalBudget,
  type GoalChannel,
  type GoalDelivery,
  type GoalEvent,
  type GoalOrder,
  type GoalReason,
  type GoalState,
  type GoalTask,
  type GoalVerdict,
  hasGoalEnded,
  type NewGoalEvent,
  type Spent,
} from "./goal.ts";
export * from "./limits.ts";
export { MemoryGoalStore } from "./memory-store.ts";
export { readModelReply } from "./model-reply.ts";
export { goalOnce } from "./once.ts";
export type { Vocabulary } from "./plan.ts";
export type { GoalFilter, GoalReceipt, GoalStore, NewGoal } from "./ports.ts";
export { type GoalProgress, progressOf } from "./progress.ts";
export type { RepositoryDescription } from "./prompts.ts";
export { GoalService, type GoalServiceParts, type Goals, goalBudgetSchema, goalCommands } from "./service.ts";
export { type GoalSubmission, goalSubmissionSchema, orderOf, submissionOf } from "./submission.ts";
export { GOAL_LABEL, NODE_LABEL } from "./task-bodies.ts";
export { failed, goalViolations, submitted, WAYS } from "./transition.ts";
