import { MemoryGoalStore } from "#goals";
import { MemoryQueueStore } from "#queue";
import { goalStoreConformance } from "./conformance.ts";

goalStoreConformance("memory", async () => {
  const queue = new MemoryQueueStore();
  return { store: new MemoryGoalStore(queue), queue, close: async () => undefined };
});
