import { MemoryAttemptBlobs } from "#fleet";
import { openedStores } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { describeAttemptBlobs } from "./attempt-blobs.ts";

const folder = temporaryFolders();

describeAttemptBlobs("in memory", async () => ({ blobs: new MemoryAttemptBlobs(), close: async () => undefined }));

describeAttemptBlobs("on libSQL", async () => {
  const stores = await openedStores(folder());
  return { blobs: stores.attemptBlobs, close: stores.close };
});
