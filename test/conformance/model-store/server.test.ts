import { describe } from "vitest";
import { serverStores } from "../../support/queue-server-harness.ts";
import { hasSqld } from "../../support/sqld.ts";
import { modelStoreConformance } from "./conformance.ts";

describe.skipIf(!hasSqld)("through a libSQL server", () => {
  const { open } = serverStores();
  modelStoreConformance("a working copy and its server", async () => {
    const { stores, close } = await open();
    return { store: stores.models, close };
  });
});
