import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SimulatedClock, seededRandom, silentLogger } from "#base";
import { openStores } from "#store";
import type { StoreHarness } from "./queue-world.ts";

/** A queue on a database in a folder of its own, which goes when the harness is closed. */
export async function libsqlHarness(): Promise<StoreHarness> {
  const dir = mkdtempSync(join(tmpdir(), "drover-queue-"));
  const opened = await openStores(dir, { clock: new SimulatedClock(), random: seededRandom(1), logger: silentLogger });
  if (!opened.ok) throw new Error(opened.error.message);
  return {
    store: opened.value.queue,
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    quietTurns: 3,
    close: async () => {
      await opened.value.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
