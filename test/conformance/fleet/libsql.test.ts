import { openedStores } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { describeFleetStores } from "./conformance.ts";

const folder = temporaryFolders();

describeFleetStores("on libSQL", async () => {
  const stores = await openedStores(folder());
  return {
    nodes: stores.fleetNodes,
    tokens: stores.joinTokens,
    secrets: stores.secrets,
    election: stores.election,
    close: stores.close,
  };
});
