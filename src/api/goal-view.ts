/** A goal as the API returns it. */
import { z } from "zod";
import {
  BUDGET_POLICIES,
  GOAL_CHANNELS,
  GOAL_STATES,
  GOAL_TASK_KINDS,
  GOAL_TASK_STATES,
  type Goal,
  type GoalEvent,
  type GoalTask,
  MAX_GOAL_EVENTS,
  progressOf,
} from "#goals";
import { laneSchema } from "./submission-schema.ts";

const money = z.object({ tokens: z.int(), costMicrodollars: z.int() });

export const goalSchema = z.object({
  id: z.string(),
  title: z.string(),
  state: z.enum(GOAL_STATES),
  priority: laneSchema,
  channel: z.enum(GOAL_CHANNELS),
  description: z.string(),
  successCriteria: z.array(z.string()),
  verify: z.array(z.record(z.string(), z.unknown())),
  repository: z.string().nullable(),
  workspace: z.string().nullable(),
  /** The one node that all its tasks run on, and what only that node has; null where any node will do. */
  home: z.object({ node: z.string(), folder: z.string() }).nullable(),
  budget: z.object({ tokens: z.int().nullable(), costMicrodollars: z.int().nullable() }),
  onBudget: z.enum(BUDGET_POLICIES),
  labels: z.record(z.string(), z.string()),
  /** Plans begun. */
  round: z.int(),
  /** By whom the present plan was made. */
  planBy: z.enum(["model", "fallback"]).nullable(),
  /** Why it is held back; null while it goes on. */
  paused: z.string().nullable(),
  /** Why it failed or was cancelled. */
  reason: z.object({ code: z.string(), text: z.string() }).nullable(),
  spent: money,
  /** Who found that it is reached. A judgement of a model says so. */
  verdict: z
    .object({
      by: z.enum(["checks", "model", "tasks"]),
      criteria: z.array(z.object({ criterion: z.string(), met: z.boolean(), why: z.string() })),
    })
    .nullable(),
  delivery: z.object({ outcome: z.string(), detail: z.string(), link: z.string().nullable() }).nullable(),
  createdAtMs: z.int(),
  startedAtMs: z.int().nullable(),
  endedAtMs: z.int().nullable(),
});
export type GoalView = z.output<typeof goalSchema>;

const goalTaskSchema = z.object({
  n: z.int(),
  kind: z.enum(GOAL_TASK_KINDS),
  round: z.int(),
  key: z.string(),
  title: z.string(),
  state: z.enum(GOAL_TASK_STATES),
  /** Its id in the queue; null until it is there. */
  task: z.string().nullable(),
  dependsOn: z.array(z.int()),
  error: z.string().nullable(),
  spent: money,
});

const goalEventSchema = z.object({
  seq: z.int(),
  atMs: z.int(),
  kind: z.string(),
  data: z.record(z.string(), z.unknown()),
});

/** With everything that was done for it. */
export const wholeGoalSchema = goalSchema.extend({
  progress: z.object({ tasks: z.int(), done: z.int(), ratio: z.number() }),
  tasks: z.array(goalTaskSchema),
  events: z.array(goalEventSchema),
  /** A task that no node can run now, and why; null while none of its tasks is held so. */
  held: z.object({ task: z.string(), text: z.string(), remedy: z.string().nullable() }).nullable(),
});
export type WholeGoalView = z.output<typeof wholeGoalSchema>;

export function goalView(goal: Goal): GoalView {
  const { order } = goal;
  return {
    id: goal.id,
    title: order.title,
    state: goal.state,
    priority: order.priority,
    channel: order.channel,
    description: order.description,
    successCriteria: [...order.successCriteria],
    verify: order.verify.map((check) => ({ ...check })),
    repository: order.repository,
    workspace: order.workspace ?? (order.repository === null ? (goal.home?.folder ?? null) : null),
    home: goal.home === null ? null : { ...goal.home },
    budget: { ...order.budget },
    onBudget: order.onBudget,
    labels: { ...order.labels },
    round: goal.round,
    planBy: goal.planBy,
    paused: goal.paused,
    reason: goal.reason === null ? null : { ...goal.reason },
    spent: { ...goal.spent },
    verdict:
      goal.verdict === null
        ? null
        : { by: goal.verdict.by, criteria: goal.verdict.criteria.map((criterion) => ({ ...criterion })) },
    delivery: goal.delivery === null ? null : { ...goal.delivery },
    createdAtMs: goal.createdAtMs,
    startedAtMs: goal.startedAtMs,
    endedAtMs: goal.endedAtMs,
  };
}

export function wholeGoalView(
  goal: Goal,
  tasks: readonly GoalTask[],
  events: readonly GoalEvent[],
  held: WholeGoalView["held"],
): WholeGoalView {
  return {
    ...goalView(goal),
    progress: progressOf(goal, tasks),
    tasks: tasks.map((task) => ({
      n: task.n,
      kind: task.kind,
      round: task.round,
      key: task.key,
      title: task.title,
      state: task.state,
      task: task.taskId,
      dependsOn: [...task.dependsOn],
      error: task.error,
      spent: { ...task.spent },
    })),
    events: events.slice(-MAX_GOAL_EVENTS).map((event) => ({ ...event, data: { ...event.data } })),
    held: held === null ? null : { ...held },
  };
}

export const exampleGoal: GoalView = {
  id: "g_06d3w4r8k0e7v9w2m5x1y3z6ab",
  title: "Greet in French",
  state: "executing",
  priority: "normal",
  channel: "cli",
  description: "The greeting is said in English only.",
  successCriteria: ["bonjour.txt greets in French"],
  verify: [{ kind: "file_contains", path: "bonjour.txt", pattern: "Bonjour" }],
  repository: null,
  workspace: "/var/lib/drover/goals/g_06d3w4r8k0e7v9w2m5x1y3z6ab",
  home: {
    node: "n_06d3w4r8k0e7v9w2m5x1y3z6ab",
    folder: "/var/lib/drover/goals/g_06d3w4r8k0e7v9w2m5x1y3z6ab",
  },
  budget: { tokens: 200_000, costMicrodollars: null },
  onBudget: "fail",
  labels: {},
  round: 1,
  planBy: "model",
  paused: null,
  reason: null,
  spent: { tokens: 4_200, costMicrodollars: 0 },
  verdict: null,
  delivery: null,
  createdAtMs: 1_763_700_000_000,
  startedAtMs: 1_763_700_000_100,
  endedAtMs: null,
};

export const exampleWholeGoal: WholeGoalView = {
  ...exampleGoal,
  progress: { tasks: 1, done: 0, ratio: 0 },
  tasks: [
    {
      n: 2,
      kind: "work",
      round: 1,
      key: "t1",
      title: "Write the greeting",
      state: "open",
      task: "t_06d3w4r8k0e7v9w2m5x1y3z6ab",
      dependsOn: [],
      error: null,
      spent: { tokens: 4_200, costMicrodollars: 0 },
    },
  ],
  events: [{ seq: 1, atMs: 1_763_700_000_000, kind: "submitted", data: {} }],
  held: null,
};
