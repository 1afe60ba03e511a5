import { describe } from "vitest";
import { serverHarness } from "../../support/queue-server-harness.ts";
import { hasSqld } from "../../support/sqld.ts";
import { queueStoreConformance } from "./conformance.ts";

describe.skipIf(!hasSqld)("through a libSQL server", () => {
  queueStoreConformance("a working copy and its server", serverHarness());
});
