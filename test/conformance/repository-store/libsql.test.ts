import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openedStores } from "../../support/opened-stores.ts";
import { repositoryStoreConformance } from "./conformance.ts";

repositoryStoreConformance("libSQL", async () => {
  const dir = mkdtempSync(join(tmpdir(), "drover-repositories-"));
  const stores = await openedStores(dir);
  return {
    store: stores.repositories,
    close: async () => {
      await stores.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
});
