import { describe } from "vitest";
import { serverStores } from "../../support/queue-server-harness.ts";
import { hasSqld } from "../../support/sqld.ts";
import { goalStoreConformance } from "./conformance.ts";

describe.skipIf(!hasSqld)("through a libSQL server", () => {
  const { open } = serverStores();
  goalStoreConformance("a working copy and its server", async () => {
    const { stores, close } = await open();
    return { store: stores.goals, queue: stores.queue, close };
  });
});
