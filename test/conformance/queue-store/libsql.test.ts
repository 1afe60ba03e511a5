import { libsqlHarness } from "../../support/queue-libsql-harness.ts";
import { queueStoreConformance } from "./conformance.ts";

queueStoreConformance("libSQL", libsqlHarness);
