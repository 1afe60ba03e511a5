import { memoryHarness } from "../../support/queue-world.ts";
import { queueStoreConformance } from "./conformance.ts";

queueStoreConformance("memory", memoryHarness);
