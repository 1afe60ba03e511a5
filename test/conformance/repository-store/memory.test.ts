import { MemoryRepositoryStore } from "#repos";
import { repositoryStoreConformance } from "./conformance.ts";

repositoryStoreConformance("memory", async () => ({
  store: new MemoryRepositoryStore(),
  close: async () => undefined,
}));
