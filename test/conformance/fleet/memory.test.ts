import { cryptography, MemoryJoinTokens, MemoryNodeDirectory, MemoryNodeSecrets } from "#fleet";
import { describeFleetStores } from "./conformance.ts";

describeFleetStores("in memory", async () => ({
  nodes: new MemoryNodeDirectory(),
  tokens: new MemoryJoinTokens(),
  secrets: new MemoryNodeSecrets(cryptography),
  close: async () => undefined,
}));
