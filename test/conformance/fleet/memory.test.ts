import {
  cryptography,
  EMPTY_NOTE,
  MemoryElectionStore,
  MemoryJoinTokens,
  MemoryNodeDirectory,
  MemoryNodeSecrets,
} from "#fleet";
import { describeFleetStores } from "./conformance.ts";

describeFleetStores("in memory", async () => ({
  nodes: new MemoryNodeDirectory(),
  tokens: new MemoryJoinTokens(),
  secrets: new MemoryNodeSecrets(cryptography),
  election: new MemoryElectionStore(EMPTY_NOTE),
  close: async () => undefined,
}));
