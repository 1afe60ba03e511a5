import { describe } from "vitest";
import type { StoreHarness } from "../../support/queue-world.ts";
import { attempts } from "./attempts.ts";
import { claims } from "./claims.ts";
import { control } from "./control.ts";
import { dependencies } from "./dependencies.ts";
import { keys } from "./keys.ts";
import { notes } from "./notes.ts";
import { reads } from "./reads.ts";
import { repetitions } from "./repetitions.ts";
import { schedules } from "./schedules.ts";
import { submissions } from "./submissions.ts";
import { part } from "./suite.ts";
import { transactions } from "./transactions.ts";
import { upkeep } from "./upkeep.ts";

/**
 * What every QueueStore must do, seen through the commands of the queue and through the port itself. Each test gets a
 * store of its own from `makeHarness`.
 */
export function queueStoreConformance(name: string, makeHarness: () => Promise<StoreHarness>): void {
  describe(`the queue on ${name}`, () => {
    part("takes submissions", makeHarness, submissions);
    part("orders claims", makeHarness, claims);
    part("keeps the limits of keys", makeHarness, keys);
    part("ends attempts", makeHarness, attempts);
    part("follows dependencies", makeHarness, dependencies);
    part("obeys people", makeHarness, control);
    part("does what is said twice once", makeHarness, repetitions);
    part("keeps notes", makeHarness, notes);
    part("fires schedules", makeHarness, schedules);
    part("answers readers", makeHarness, reads);
    part("runs commands as transactions", makeHarness, transactions);
    part("cleans up", makeHarness, upkeep);
  });
}
