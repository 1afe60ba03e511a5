/** activities: what a node does in each state of its mind, and what it needs for that. Decides nothing about states. */

export { type Activities, type Activity, NOTHING_TO_DO } from "./activity.ts";
export { Executing, type GoalFigures, goalFigures } from "./executing/executing.ts";
export type { DeliveryOrder, ExecutingParts, ExecutingSettings, GoalRepositories } from "./executing/ports.ts";
export { lastWords } from "./executing/seen-tasks.ts";
export { diskFault, memoryFault } from "./facts/host-faults.ts";
export { KeyActivity } from "./facts/key-activity.ts";
export { Streaks } from "./facts/streaks.ts";
export {
  type CarriedOut,
  type CountHealthy,
  did,
  Healing,
  type Remedies,
  type Remedy,
  type Treatment,
} from "./healing/healing.ts";
export {
  type BrokenBuild,
  fixTaskOf,
  type MergeConflict,
  NO_REPOSITORIES,
  type RepositoryHealth,
} from "./healing/repository-health.ts";
export { type Care, decodeAll, type KeptMind, MemoryMindJournal, type MindJournal } from "./mind-journal.ts";
export { type StateBudgets, UNLIMITED_STATES } from "./state-budgets.ts";
