import { ok, type Result } from "#base";
import type { Queue } from "#queue";
import type { Config } from "./config/settings.ts";

/**
 * Applies the limits of `[queue.keys]`. The configuration says nothing about pausing: a key that an operator paused
 * stays paused when the node starts again.
 */
export async function applyKeyPolicies(queue: Queue, config: Config): Promise<Result<void>> {
  for (const [key, wanted] of Object.entries(config["queue.keys"])) {
    const paused = await isPaused(queue, key);
    if (!paused.ok) return paused;
    const applied = await queue.setKeyPolicy(key, {
      maxConcurrent: wanted.max_concurrent ?? null,
      ratePerSecond: wanted.rate_per_second ?? null,
      burst: wanted.burst ?? 1,
      weight: wanted.weight ?? 1,
      paused: paused.value,
    });
    if (!applied.ok) return applied;
  }
  return ok(undefined);
}

/** Asks for this one key: a page of the list may not reach it. */
function isPaused(queue: Queue, key: string): Promise<Result<boolean>> {
  return queue.store.transact("look at the limits of a key", (tx) => ok(tx.key(key)?.policy.paused ?? false));
}
