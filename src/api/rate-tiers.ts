/** What holds for each tier now: the built-in limit, the configured one instead, and what a person set before both. */
import { err, ok, type Result, refused } from "#base";
import { type ClientClass, DEFAULT_RATE_LIMITS, type RateLimit } from "./rate-limit.ts";

/** Below these nobody could take a limit back: that takes a change, and one that was refused before waits longer. */
export const MIN_PER_SECOND = 1;
export const MIN_BURST = 5;
/** As http.reads_per_second has it. */
export const MAX_PER_SECOND = 1_000_000;
export const MAX_BURST = 2_000_000;

/** One limit that a person set. */
export type RateLimitOverride = RateLimit & { readonly tier: string; readonly atMs: number };

/** Where they are kept. */
export interface RateLimitOverrides {
  list(): Result<readonly RateLimitOverride[]>;
  put(override: RateLimitOverride): Result<void>;
  remove(tier: string): Result<void>;
}

export type TierView = RateLimit & {
  readonly tier: ClientClass;
  readonly origin: "default" | "configuration" | "override";
  /** What holds without the override. */
  readonly otherwise: RateLimit;
  readonly setAtMs: number | null;
};

export class RateTiers {
  readonly #configured: Partial<Record<ClientClass, RateLimit>>;
  readonly #store: RateLimitOverrides;
  readonly #overrides = new Map<string, RateLimitOverride>();

  /** What cannot be read at the start does not hold until it is set again. */
  constructor(configured: Partial<Record<ClientClass, RateLimit>>, store: RateLimitOverrides) {
    this.#configured = configured;
    this.#store = store;
    const kept = store.list();
    for (const override of kept.ok ? kept.value : []) {
      if (faultOf(override) === undefined) this.#overrides.set(override.tier, override);
    }
  }

  of(tier: ClientClass): RateLimit {
    return this.#overrides.get(tier) ?? this.#otherwise(tier);
  }

  list(): readonly TierView[] {
    return tiers().map((tier) => {
      const override = this.#overrides.get(tier);
      const { perSecond, burst } = override ?? this.#otherwise(tier);
      const origin =
        override !== undefined ? "override" : this.#configured[tier] === undefined ? "default" : "configuration";
      return { tier, perSecond, burst, origin, otherwise: this.#otherwise(tier), setAtMs: override?.atMs ?? null };
    });
  }

  /** Holds from now on, and after restarts. */
  set(name: string, limit: RateLimit, nowMs: number): Result<void> {
    const tier = tierOf(name);
    if (!tier.ok) return tier;
    const override = { tier: tier.value, ...limit, atMs: nowMs };
    const fault = faultOf(override);
    if (fault !== undefined) return err(refused("invalid", fault, "See: drover limits list"));
    const kept = this.#store.put(override);
    if (kept.ok) this.#overrides.set(tier.value, override);
    return kept;
  }

  unset(name: string): Result<void> {
    const tier = tierOf(name);
    if (!tier.ok) return tier;
    const removed = this.#store.remove(tier.value);
    if (removed.ok) this.#overrides.delete(tier.value);
    return removed;
  }

  #otherwise(tier: ClientClass): RateLimit {
    return this.#configured[tier] ?? DEFAULT_RATE_LIMITS[tier];
  }
}

function tiers(): readonly ClientClass[] {
  // `as`: Object.keys forgets the literal types of its argument.
  return Object.keys(DEFAULT_RATE_LIMITS) as readonly ClientClass[];
}

function tierOf(name: string): Result<ClientClass> {
  const found = tiers().find((tier) => tier === name);
  if (found !== undefined) return ok(found);
  return err(refused("not_found", `there is no tier ${name.slice(0, 40)}`, `It is one of ${tiers().join(", ")}`));
}

function faultOf({ perSecond, burst }: RateLimit): string | undefined {
  if (!(perSecond >= MIN_PER_SECOND && perSecond <= MAX_PER_SECOND)) {
    return `perSecond must be from ${MIN_PER_SECOND} to ${MAX_PER_SECOND}`;
  }
  if (!(burst >= MIN_BURST && burst <= MAX_BURST)) return `burst must be from ${MIN_BURST} to ${MAX_BURST}`;
  return undefined;
}
