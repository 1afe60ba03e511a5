import type { Failure, JsonObject, JsonValue, Result } from "#base";
import type { Endpoint } from "#hw";
import type { RouteDecision } from "#scheduler";
import type { UsageEntry } from "./ports.ts";

/** What usage may be summed by. */
export const USAGE_GROUPS = ["day", "hour", "model", "endpoint", "attempt", "task", "goal", "purpose", "tier"] as const;
export type UsageGroup = (typeof USAGE_GROUPS)[number];

/**
 * Sums over replies. `group` is the value they share: a name, an id, `task/attempt`, or the start of a day or an hour in epoch
 * ms as text.
 */
export type UsageSum = {
  readonly group: string;
  readonly requests: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costMicrodollars: number;
  /** Of the replies for which it was measured. */
  readonly energyJoules: number;
};

export type UsageQuery = {
  readonly fromMs: number;
  /** Not included. */
  readonly toMs: number;
  readonly by: UsageGroup;
  readonly taskId?: string;
  readonly limit: number;
};

/** Kinds of figures that were learned and outlive a restart; what a row means is its owner's matter. */
export const LEARNED_KINDS = ["speed", "slots", "passRate"] as const;
export type LearnedKind = (typeof LEARNED_KINDS)[number];
export type LearnedRow = { readonly key: string; readonly value: JsonValue };

/**
 * What a fleet remembers of its models. Writes are durable when they are answered; a failure is one of the storage and
 * changed nothing.
 */
export interface ModelStore {
  /** Endpoints that people added through the API, by id. */
  endpoints(): Promise<Result<readonly Endpoint[]>>;
  /** Adds it, or replaces the one with its id. */
  saveEndpoint(endpoint: Endpoint): Promise<Result<void, Failure>>;
  /** @returns whether there was one. */
  removeEndpoint(id: string): Promise<Result<boolean, Failure>>;
  /** Keeps the latest decision of an attempt. */
  saveDecision(taskId: string, attempt: number, decision: RouteDecision): Promise<Result<void, Failure>>;
  /** @returns the decisions of a task by attempt, the first attempt first. */
  decisions(taskId: string): Promise<Result<readonly { readonly attempt: number; readonly decision: JsonObject }[]>>;
  record(entry: UsageEntry): Promise<Result<void, Failure>>;
  /** @returns sums, the largest cost first, then the most tokens; by time the latest ones, in order of time. */
  usage(query: UsageQuery): Promise<Result<readonly UsageSum[]>>;
  /** Adds rows or replaces those with their keys. */
  saveLearned(kind: LearnedKind, rows: readonly LearnedRow[]): Promise<Result<void, Failure>>;
  learned(kind: LearnedKind): Promise<Result<readonly LearnedRow[]>>;
  /** Removes usage and decisions older than the given times. @returns how many rows went. */
  prune(
    before: { readonly usageMs: number; readonly decisionsMs: number },
    limit: number,
  ): Promise<Result<number, Failure>>;
}
