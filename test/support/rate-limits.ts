import type { ApiPorts } from "#api";
import { ok } from "#base";

/** Limits that a person set, in memory. */
export function rateLimitsInMemory(): ApiPorts["rateLimits"] {
  const kept = new Map<string, { tier: string; perSecond: number; burst: number; atMs: number }>();
  return {
    list: () => ok([...kept.values()]),
    put: (override) => {
      kept.set(override.tier, override);
      return ok(undefined);
    },
    remove: (tier) => {
      kept.delete(tier);
      return ok(undefined);
    },
  };
}
