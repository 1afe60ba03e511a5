import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import type { Stores } from "#store";
import { expectSame } from "./hub-stores.ts";
import { openedStores } from "./opened-stores.ts";
import type { StoreHarness } from "./queue-world.ts";
import { Sqld } from "./sqld.ts";
import { IN_MEMORY } from "./temporary-folder.ts";

/** Databases that a hub writes through one libSQL server, each test with one of its own. */
export function serverStores(): { readonly open: () => Promise<OpenedOnServer> } {
  let sqld: Sqld | undefined;
  let data = "";
  let count = 0;
  beforeAll(async () => {
    // What survives a crash is tested elsewhere, and flushes are most of the time.
    data = mkdtempSync(join(IN_MEMORY, "drover-sqld-"));
    sqld = await Sqld.start(data, { namespaces: true });
  });
  afterAll(async () => {
    await sqld?.kill();
    rmSync(data, { recursive: true, force: true });
  });
  return {
    open: async () => {
      if (sqld === undefined) throw new Error("only inside a test");
      count += 1;
      const url = await sqld.namespace(`test${count}`);
      const dir = mkdtempSync(join(tmpdir(), "drover-hub-"));
      const onDiverged = (failure: { message: string }): void => {
        throw new Error(failure.message);
      };
      const stores = await openedStores(dir, { primary: { url, onDiverged } });
      return {
        stores,
        compare: () => expectSame(dir, url),
        close: async () => {
          await stores.close();
          rmSync(dir, { recursive: true, force: true });
        },
      };
    },
  };
}

export type OpenedOnServer = {
  readonly stores: Stores;
  /** Demands that the server holds the same rows. */
  readonly compare: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/**
 * As a hub writes: through a server, to a working copy in a folder of its own.
 * @param isCompared whether both must hold the same when a harness is closed
 */
export function serverHarness(isCompared = false): () => Promise<StoreHarness> {
  const { open } = serverStores();
  return async () => {
    const { stores, compare, close } = await open();
    return {
      store: stores.queue,
      turn: () => new Promise((resolve) => setImmediate(resolve)),
      quietTurns: 3,
      close: async () => {
        try {
          if (isCompared) await compare();
        } finally {
          await close();
        }
      },
    };
  };
}
