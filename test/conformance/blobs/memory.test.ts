import { cryptography, MemoryBlobStore } from "#fleet";
import { describeBlobStore } from "./conformance.ts";

describeBlobStore("in memory", async (limits, clock) => {
  const store = new MemoryBlobStore(limits, clock, cryptography.sha256);
  return { store, damage: (hash) => store.damage(hash) };
});
