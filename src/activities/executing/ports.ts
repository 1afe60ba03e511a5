/** What the executing activity needs of others. */
import type { Clock, GoalId, Logger, NodeId, Result, TaskId } from "#base";
import type { GoalDelivery, GoalStore, RepositoryDescription, Vocabulary } from "#goals";
import type { NewTask, Queue, TaskRecord } from "#queue";
import type { GoalStepLabel } from "./steps.ts";

export type DeliveryOrder = {
  readonly goalId: string;
  readonly title: string;
  readonly description: string;
  readonly repository: string;
  readonly branch: string;
  /** That had a part in it. */
  readonly models: readonly string[];
  /** Whose changes must be in it. */
  readonly tasks: readonly TaskId[];
};

/** The repositories that goals are about. */
export interface GoalRepositories {
  /** The file list (bounded), the heads of its documents for contributors, languages, commands. Refused: there is none of that name. */
  describe(repository: string): Promise<Result<RepositoryDescription>>;
  /** Where the branch of a goal lies, when only this node has it; undefined when the other nodes see it too. */
  onlyFolder(repository: string, goal: GoalId): Promise<Result<string | undefined>>;
  /** May be called again for the same goal: what was delivered is answered and not done twice. */
  deliver(order: DeliveryOrder): Promise<Result<GoalDelivery>>;
}

export type ExecutingParts = {
  readonly goals: GoalStore;
  readonly queue: Queue;
  readonly repositories: GoalRepositories;
  readonly vocabulary: Vocabulary;
  /** Makes submissions ready for the queue; refuses what it would refuse of a person. */
  readonly submissions: (values: readonly object[]) => Result<readonly NewTask[]>;
  /** What a task's last attempt said, whole, where the database has a part of it. */
  readonly wholeReply: (taskId: TaskId, attempt: number) => Promise<Result<string | undefined>>;
  readonly node: NodeId;
  /** Makes the folder of a goal that has no repository. @returns its path */
  readonly folder: (goal: GoalId) => Result<string>;
  /** Why the node that has a goal's folder will not come back; undefined while it may. */
  readonly goneFor: (home: NodeId) => string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: ExecutingSettings;
  /** Called right after each step; for crash tests. */
  readonly atStep?: (step: GoalStepLabel) => void;
};

export type ExecutingSettings = {
  /** Goals that are worked on at once, not counting those that are less urgent. */
  readonly atOnce: number;
  /** Tier of the tasks that plan and judge. */
  readonly tier: string;
};

/** The branch on which the tasks of a goal work. */
export function branchOf(goal: GoalId): string {
  return `drover/${goal}`;
}

/** @returns the models that answered attempts of these tasks. */
export function modelsOf(records: readonly TaskRecord[]): readonly string[] {
  return [...new Set(records.flatMap(({ attempts }) => attempts.flatMap(({ model }) => model ?? [])))].sort();
}
