import type { GoalId, NodeId, Result } from "#base";
import type { Once, Page } from "#queue";
import type { GoalChange } from "./decide.ts";
import type { Goal, GoalBudget, GoalEvent, GoalOrder, GoalState, GoalTask } from "./goal.ts";

export type GoalFilter = { readonly states?: readonly GoalState[] };

/** An order with its digest: the same key with the same text is a repetition, with another one a conflict. */
export type NewGoal = { readonly id: GoalId; readonly order: GoalOrder; readonly nowMs: number; readonly node: NodeId };

export type GoalReceipt = { readonly id: GoalId; readonly existed: boolean };

/**
 * Durable home of goals, in the same transactions as the queue. Each change is answered after it is durable, and leaves a
 * line in the history of all. Faults of the storage come back as failures.
 */
export interface GoalStore {
  /** Refuses `conflict` when the key names another order, `limit` when too many goals are open. */
  submit(goal: NewGoal, once?: Once): Promise<Result<GoalReceipt>>;
  /** Guarded: changes nothing when the goal has another revision by now, or its tasks are not as they were. @returns whether it took effect */
  save(before: Goal, change: GoalChange, nowMs: number): Promise<Result<boolean>>;
  /** Ends a goal that has not ended; of one that has, `conflict` unless it was cancelled. @returns the goal after it */
  cancel(id: GoalId, why: string, nowMs: number, once?: Once): Promise<Result<Goal>>;
  /** Lets a paused goal go on, with another budget where one is given; one that is not paused only gets the budget. */
  resume(id: GoalId, budget: GoalBudget | null, nowMs: number, once?: Once): Promise<Result<Goal>>;

  find(id: GoalId): Promise<Result<Goal | undefined>>;
  /** The goal that a key names. */
  keyed(key: string): Promise<Result<{ readonly id: GoalId; readonly order: GoalOrder } | undefined>>;
  /** By number. */
  tasks(id: GoalId): Promise<Result<readonly GoalTask[]>>;
  /** The newest first; `cursor` is a value of `nextCursor`. */
  list(filter: GoalFilter, limit: number, cursor?: string): Promise<Result<Page<Goal>>>;
  /** Goals that have not ended, by priority, then the oldest first; and ended ones that still have tasks in the queue. */
  open(limit: number): Promise<Result<readonly Goal[]>>;
  events(id: GoalId, afterSeq: number, limit: number): Promise<Result<readonly GoalEvent[]>>;
  /** Removes goals that ended before `beforeMs`, with their tasks and events. @returns how many */
  prune(beforeMs: number, limit: number): Promise<Result<number>>;
}
