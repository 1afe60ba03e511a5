/** activities: what a node does in each state of its mind, and what it needs for that. Decides nothing about states. */
export { Executing, type GoalFigures, goalFigures } from "./executing/executing.ts";
export type { DeliveryOrder, ExecutingParts, ExecutingSettings, GoalRepositories } from "./executing/ports.ts";
export { lastWords } from "./executing/seen-tasks.ts";
