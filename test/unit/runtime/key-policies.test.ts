import { describe, expect, it } from "vitest";
import { UNLIMITED } from "#queue";
import { loadConfig } from "../../../src/runtime/config/load.ts";
import { applyKeyPolicies } from "../../../src/runtime/key-policies.ts";
import { memoryHarness, QueueWorld } from "../../support/queue-world.ts";

describe("the limits of [queue.keys]", () => {
  it("replace those of the store, and leave a key paused that an operator paused", async () => {
    const world = new QueueWorld(await memoryHarness());
    const loaded = loadConfig({ file: undefined, env: {}, cwd: "/", flags: {} });
    if (!loaded.ok) throw new Error(loaded.error.message);
    const limits = { mail: { max_concurrent: 2, weight: 3 }, web: { rate_per_second: 5, burst: 4 } };
    await world.queue.setKeyPolicy("mail", { ...UNLIMITED, maxConcurrent: 9, paused: true });

    const applied = await applyKeyPolicies(world.queue, { ...loaded.value.config, "queue.keys": limits });
    const keys = await world.store.keys(10);

    expect(applied.ok).toBe(true);
    expect(keys.ok && keys.value.map(({ key, policy }) => ({ key, ...policy }))).toEqual([
      { key: "mail", maxConcurrent: 2, ratePerSecond: null, burst: 1, weight: 3, paused: true },
      { key: "web", maxConcurrent: null, ratePerSecond: 5, burst: 4, weight: 1, paused: false },
    ]);
    await world.close();
  });
});
