/**
 * What this node has under way on one endpoint, and which models that will have in memory there. Polls see the past;
 * this is what keeps several decisions within one poll from choosing the same place. Invariants, cited by the tests:
 *
 * - L1: a request counts from its beginning to its first end, and never again.
 * - L2: counts are never negative; a model with none under way has no entry.
 * - L3: a model that a request of ours needs counts as loaded from the request's beginning until a poll that began
 *   after the last such request ended says otherwise. A poll that began earlier proves nothing.
 * - L4: a request that ends by a fault leaves no expectation behind.
 * - L5: no entry outlives its greatest age, whoever forgot to end it.
 */
import type { LoadedModel } from "./endpoint.ts";

/** Longer than the total deadline of any request; an entry this old was forgotten by whoever began it. */
export const MAX_TICKET_AGE_MS = 4 * 3_600_000;

export type LedgerEntry = {
  readonly model: string;
  readonly beganAtMs: number;
  readonly isTrial: boolean;
  /** Whether it tries a model that failed before. */
  readonly isModelTrial: boolean;
  readonly contextTokens: number | null;
};

type Expectation = { contextTokens: number | null; endedAtMs: number | null };

/** Requests of this node on one endpoint. Instants are monotonic milliseconds. */
export class Ledger {
  readonly #open = new Set<LedgerEntry>();
  readonly #expected = new Map<string, Expectation>();

  begin(entry: LedgerEntry): void {
    this.#open.add(entry);
    const before = this.#expected.get(entry.model)?.contextTokens ?? null;
    this.#expected.set(entry.model, { contextTokens: entry.contextTokens ?? before, endedAtMs: null });
  }

  /** @returns false when the entry had ended before (L1). */
  end(entry: LedgerEntry, isFault: boolean, nowMs: number): boolean {
    if (!this.#open.delete(entry)) return false;
    const expected = this.#expected.get(entry.model);
    if (expected !== undefined && this.countOf(entry.model) === 0) {
      if (isFault) this.#expected.delete(entry.model);
      else expected.endedAtMs = nowMs;
    }
    return true;
  }

  /** A poll that began at `pollBeganMs` told what is loaded: expectations older than it are settled. */
  settle(pollBeganMs: number): void {
    for (const [model, { endedAtMs }] of this.#expected) {
      if (endedAtMs !== null && endedAtMs < pollBeganMs) this.#expected.delete(model);
    }
  }

  /** What is loaded as far as one can know: what the server reported, and what our requests will have loaded. */
  loaded(reported: readonly LoadedModel[], sizeOf: (model: string) => LoadedModel): readonly LoadedModel[] {
    if (this.#expected.size === 0) return reported;
    const known = new Set(reported.map(({ name }) => name));
    const ours = [...this.#expected].filter(([model]) => !known.has(model));
    return [...reported, ...ours.map(([model, { contextTokens }]) => expectation(sizeOf(model), contextTokens))];
  }

  countOf(model: string): number {
    let count = 0;
    for (const entry of this.#open) if (entry.model === model) count += 1;
    return count;
  }

  get total(): number {
    return this.#open.size;
  }

  counts(): Readonly<Record<string, number>> {
    const counts = new Map<string, number>();
    for (const { model } of this.#open) counts.set(model, (counts.get(model) ?? 0) + 1);
    return Object.fromEntries(counts);
  }

  /** Ends what is older than it can be (L5). */
  expire(nowMs: number): readonly LedgerEntry[] {
    const old = [...this.#open].filter(({ beganAtMs }) => nowMs - beganAtMs >= MAX_TICKET_AGE_MS);
    for (const entry of old) this.end(entry, true, nowMs);
    return old;
  }
}

function expectation(model: LoadedModel, contextTokens: number | null): LoadedModel {
  return { ...model, contextLength: contextTokens, isExpected: true };
}
