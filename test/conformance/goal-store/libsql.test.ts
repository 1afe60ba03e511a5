import { openedStores } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { goalStoreConformance } from "./conformance.ts";

const folder = temporaryFolders();

goalStoreConformance("libSQL", async () => {
  const stores = await openedStores(folder());
  return { store: stores.goals, queue: stores.queue, close: () => stores.close() };
});
