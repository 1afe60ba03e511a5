import type { Command } from "./parsing/command.ts";
import { ALERT_COMMANDS } from "./table/alerts.ts";
import { FIGURE_COMMANDS } from "./table/figures.ts";
import { FLEET_COMMANDS } from "./table/fleet.ts";
import { GOAL_COMMANDS } from "./table/goals.ts";
import { HOOK_COMMANDS } from "./table/hooks.ts";
import { IMPROVEMENT_COMMANDS } from "./table/improvements.ts";
import { LIMIT_COMMANDS } from "./table/limits.ts";
import { MIND_COMMANDS } from "./table/mind.ts";
import { MODEL_COMMANDS } from "./table/models.ts";
import { NODE_COMMANDS } from "./table/node.ts";
import { PROGRAM_COMMANDS } from "./table/program.ts";
import { QUEUE_COMMANDS } from "./table/queue.ts";
import { REPOSITORY_COMMANDS } from "./table/repositories.ts";
import { TASK_COMMANDS } from "./table/tasks.ts";

/** Every command of drover. Parsing, help, completion and the reference page are made from this table. */
export const COMMANDS: readonly Command[] = [
  ...NODE_COMMANDS,
  ...LIMIT_COMMANDS,
  ...FLEET_COMMANDS,
  ...GOAL_COMMANDS,
  ...TASK_COMMANDS,
  ...QUEUE_COMMANDS,
  ...MIND_COMMANDS,
  ...MODEL_COMMANDS,
  ...REPOSITORY_COMMANDS,
  ...IMPROVEMENT_COMMANDS,
  ...HOOK_COMMANDS,
  ...FIGURE_COMMANDS,
  ...ALERT_COMMANDS,
  ...PROGRAM_COMMANDS,
];
