import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, type Result, SimulatedClock, seededRandom, silentLogger } from "#base";
import { openStores, type StoreOptions, type Stores } from "#store";
import type { StoreHarness } from "./queue-world.ts";

/** @returns the value, or throws the failure as an error that names code and message. */
export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
  return result.value;
}

/** @returns the stores of a folder; a failure throws. */
export async function openedStores(dir: string, options: Partial<StoreOptions> = {}): Promise<Stores> {
  const clock: Clock = options.clock ?? new SimulatedClock();
  return must(
    await openStores(dir, { clock, logger: silentLogger, random: seededRandom(performance.now()), ...options }),
  );
}

/** A queue store on libSQL in a folder of its own, removed when it is closed. */
export async function libsqlHarness(): Promise<StoreHarness> {
  const dir = mkdtempSync(join(tmpdir(), "drover-test-"));
  const stores = await openedStores(dir);
  return {
    store: stores.queue,
    // The writer commits once per turn of the event loop.
    turn: () =>
      new Promise((resolve) => {
        setImmediate(resolve);
      }),
    quietTurns: 3,
    close: async () => {
      await stores.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
