/** What is kept of repositories for the whole fleet. */
import type { JsonObject, Result } from "#base";
import type { Repository, RepositoryEntry } from "./repository.ts";

export type DeliveryOutcome = "merged" | "pullRequest" | "patch" | "asks" | "blocked";

/** One delivery of a branch, as it ended up to now. */
export type DeliveryRecord = {
  readonly id: string;
  readonly repository: string;
  readonly goal: string;
  readonly branch: string;
  /** The commit of the main branch that it was compared with, and the head that was delivered. */
  readonly base: string;
  readonly head: string;
  readonly outcome: DeliveryOutcome;
  readonly detail: string;
  readonly link: string | null;
  /** The risk and its terms, the findings, the checks. */
  readonly report: JsonObject;
  readonly atMs: number;
  /** When it was taken back, and by which commit. */
  readonly reverted: { readonly atMs: number; readonly commit: string | null; readonly reason: string } | null;
};

/** What the checks of a repository's main branch came to when they ran last, or the conflict of a branch. */
export type ConditionRecord = {
  readonly repository: string;
  /** `checks` of the main branch, or the branch that is in conflict. */
  readonly subject: string;
  readonly kind: "checks" | "conflict";
  /** Checks that failed, or files in conflict; none: all is well. */
  readonly failing: readonly string[];
  /** The first lines of what went wrong. */
  readonly detail: string;
  readonly commit: string;
  readonly atMs: number;
};

/** Durable home of what repositories are registered and what became of deliveries. Reads are immediate. */
export interface RepositoryStore {
  entries(): Result<readonly RepositoryEntry[]>;
  /** In place of what was known by its name. */
  add(repository: Repository, atMs: number): Promise<Result<void>>;
  setPaused(name: string, paused: boolean, atMs: number): Promise<Result<void>>;
  /** @returns whether there was something to forget. */
  remove(name: string): Promise<Result<boolean>>;

  /** In place of one with its id. */
  putDelivery(delivery: DeliveryRecord): Promise<Result<void>>;
  /** The newest first; of one repository, or of all. */
  deliveries(repository: string | undefined, limit: number): Result<readonly DeliveryRecord[]>;
  /** The delivery of a goal to a repository; the newest. */
  deliveryOf(repository: string, goal: string): Result<DeliveryRecord | undefined>;

  /** In place of the one of its repository, kind and subject; one without anything failing is forgotten. */
  putCondition(condition: ConditionRecord): Promise<Result<void>>;
  conditions(): Result<readonly ConditionRecord[]>;
}
