import { type JsonObject, ok, type Result } from "#base";
import type { Endpoint } from "#hw";
import type { RouteDecision } from "#scheduler";
import type { LearnedKind, LearnedRow, ModelStore, UsageGroup, UsageQuery, UsageSum } from "./model-store.ts";
import type { UsageEntry } from "./ports.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

type KeptDecision = { readonly atMs: number; readonly attempt: number; readonly decision: JsonObject };

/** Forgets everything when the process ends. For tests, and for programs that embed the service without a database. */
export class MemoryModelStore implements ModelStore {
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #decisions = new Map<string, KeptDecision[]>();
  readonly #learned = new Map<LearnedKind, Map<string, LearnedRow>>();
  #usage: UsageEntry[] = [];

  async endpoints(): Promise<Result<readonly Endpoint[]>> {
    return ok([...this.#endpoints.values()].sort((a, b) => (a.id < b.id ? -1 : 1)));
  }

  async saveEndpoint(endpoint: Endpoint): Promise<Result<void>> {
    this.#endpoints.set(endpoint.id, endpoint);
    return ok(undefined);
  }

  async removeEndpoint(id: string): Promise<Result<boolean>> {
    return ok(this.#endpoints.delete(id));
  }

  async saveDecision(taskId: string, attempt: number, decision: RouteDecision): Promise<Result<void>> {
    const others = (this.#decisions.get(taskId) ?? []).filter((kept) => kept.attempt !== attempt);
    // `as`: a decision is JSON throughout.
    const kept = { atMs: decision.atMs, attempt, decision: decision as unknown as JsonObject };
    this.#decisions.set(
      taskId,
      [...others, kept].sort((a, b) => a.attempt - b.attempt),
    );
    return ok(undefined);
  }

  async decisions(taskId: string): Promise<Result<readonly { attempt: number; decision: JsonObject }[]>> {
    return ok((this.#decisions.get(taskId) ?? []).map(({ attempt, decision }) => ({ attempt, decision })));
  }

  async record(entry: UsageEntry): Promise<Result<void>> {
    this.#usage.push(entry);
    return ok(undefined);
  }

  async usage(query: UsageQuery): Promise<Result<readonly UsageSum[]>> {
    const sums = new Map<string, UsageSum>();
    for (const entry of this.#usage) {
      if (entry.atMs < query.fromMs || entry.atMs >= query.toMs) continue;
      if (query.taskId !== undefined && entry.taskId !== query.taskId) continue;
      const group = groupOf(entry, query.by);
      if (group !== null) sums.set(group, plus(sums.get(group), entry, group));
    }
    if (!byTime(query.by)) return ok([...sums.values()].sort(largestFirst).slice(0, query.limit));
    return ok([...sums.values()].sort(inTime).slice(-query.limit));
  }

  async saveLearned(kind: LearnedKind, rows: readonly LearnedRow[]): Promise<Result<void>> {
    const known = this.#learned.get(kind) ?? new Map<string, LearnedRow>();
    for (const row of rows) known.set(row.key, row);
    this.#learned.set(kind, known);
    return ok(undefined);
  }

  async learned(kind: LearnedKind): Promise<Result<readonly LearnedRow[]>> {
    return ok([...(this.#learned.get(kind)?.values() ?? [])].sort((a, b) => (a.key < b.key ? -1 : 1)));
  }

  async prune(before: { usageMs: number; decisionsMs: number }, limit: number): Promise<Result<number>> {
    let removed = 0;
    const isOld = (atMs: number, beforeMs: number): boolean => {
      if (atMs >= beforeMs || removed >= limit) return false;
      removed += 1;
      return true;
    };
    this.#usage = this.#usage.filter((entry) => !isOld(entry.atMs, before.usageMs));
    for (const [taskId, kept] of this.#decisions) {
      const left = kept.filter(({ atMs }) => !isOld(atMs, before.decisionsMs));
      if (left.length === 0) this.#decisions.delete(taskId);
      else this.#decisions.set(taskId, left);
    }
    return ok(removed);
  }
}

function groupOf(entry: UsageEntry, by: UsageGroup): string | null {
  switch (by) {
    case "day":
      return String(Math.floor(entry.atMs / DAY_MS) * DAY_MS);
    case "hour":
      return String(Math.floor(entry.atMs / HOUR_MS) * HOUR_MS);
    case "model":
      return entry.model;
    case "endpoint":
      return entry.endpoint;
    case "attempt":
      return entry.taskId === null || entry.attempt === null ? null : `${entry.taskId}/${entry.attempt}`;
    case "task":
      return entry.taskId;
    case "goal":
      return entry.goal;
    case "purpose":
      return entry.purpose;
    case "tier":
      return entry.tier;
  }
}

function plus(sum: UsageSum | undefined, entry: UsageEntry, group: string): UsageSum {
  return {
    group,
    requests: (sum?.requests ?? 0) + 1,
    promptTokens: (sum?.promptTokens ?? 0) + entry.promptTokens,
    completionTokens: (sum?.completionTokens ?? 0) + entry.completionTokens,
    costMicrodollars: (sum?.costMicrodollars ?? 0) + entry.costMicrodollars,
    energyJoules: (sum?.energyJoules ?? 0) + (entry.energyJoules ?? 0),
  };
}

function byTime(by: UsageGroup): boolean {
  return by === "day" || by === "hour";
}

function inTime(a: UsageSum, b: UsageSum): number {
  return Number(a.group) - Number(b.group);
}

function largestFirst(a: UsageSum, b: UsageSum): number {
  const tokens = (sum: UsageSum): number => sum.promptTokens + sum.completionTokens;
  return b.costMicrodollars - a.costMicrodollars || tokens(b) - tokens(a) || (a.group < b.group ? -1 : 1);
}
