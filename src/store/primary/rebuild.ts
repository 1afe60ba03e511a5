import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { err, FLEET_FILE, type Result, retryable } from "#base";
import { PRIVATE_MODE, syncFile } from "../backup.ts";
import { finishRestore, INCOMING_FILE } from "../restore.ts";
import { onStorage } from "../storage-failure.ts";
import type { RebuildReply, RebuildRequest } from "./rebuild-worker.ts";
import type { ServerAddress } from "./server.ts";

/** A fresh copy arrives at some 100 MB a second from the same host; gigabytes from elsewhere take minutes. */
const REBUILD_TIMEOUT_MS = 15 * 60_000;
const FOLDER = "fleet.db.replica";
const REBUILDING_FILE = "fleet.db.rebuilding";
/** How a working copy is named that the server was ahead of. */
const BEHIND = "behind";

/**
 * Makes the working copy anew from the server. What was there is set aside as `fleet.db.behind-<time>`, and the one set
 * aside by an earlier rebuild is removed: all that the server acknowledged is in the new one. Being killed at any moment
 * leaves either the old database or the new one.
 */
export async function rebuildWorkingCopy(dir: string, address: ServerAddress, nowMs: number): Promise<Result<void>> {
  const folder = join(dir, FOLDER);
  const making = join(dir, REBUILDING_FILE);
  const cleared = onStorage("prepare a copy of the server's database", () => {
    rmSync(folder, { recursive: true, force: true });
    rmSync(making, { force: true });
    mkdirSync(folder, { mode: 0o700 });
    // Empty, and from the first byte for nobody else: VACUUM INTO takes an empty file.
    closeSync(openSync(making, "wx", PRIVATE_MODE));
  });
  if (!cleared.ok) return cleared;
  const request = { url: address.url, authToken: address.authToken?.(), folder, to: making };
  const reply = await ask(request);
  if (reply.kind === "failed") {
    const message = `fetch the database from the libSQL server: ${reply.message}`;
    return err(
      retryable("unavailable", message, "Check that the libSQL server of store.url runs and lets this hub in"),
    );
  }
  return onStorage("put the server's database in its place", () => {
    chmodSync(making, PRIVATE_MODE);
    syncFile(making);
    renameSync(making, join(dir, INCOMING_FILE));
    syncFile(dir);
    const aside = finishRestore(dir, nowMs, BEHIND);
    rmSync(folder, { recursive: true, force: true });
    if (aside !== undefined) removeOlder(dir, basename(aside));
  });
}

function removeOlder(dir: string, kept: string): void {
  for (const name of readdirSync(dir)) {
    if (!name.startsWith(`${FLEET_FILE}.${BEHIND}-`) || name.startsWith(kept)) continue;
    rmSync(join(dir, name), { force: true });
  }
}

async function ask(request: RebuildRequest): Promise<RebuildReply> {
  const worker = new Worker(new URL("./rebuild-worker.ts", import.meta.url).href);
  // Not terminated when it hangs: ended inside a native call, the binding aborts the whole process.
  worker.unref();
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve({ kind: "failed", message: `no answer in ${REBUILD_TIMEOUT_MS} ms`, code: "" });
    }, REBUILD_TIMEOUT_MS);
    const settle = (reply: RebuildReply): void => {
      clearTimeout(timer);
      resolve(reply);
    };
    worker.addEventListener("message", (event: MessageEvent<RebuildReply>) => {
      settle(event.data);
      worker.terminate();
    });
    worker.addEventListener("error", (event) => settle({ kind: "failed", message: event.message, code: "" }));
    worker.postMessage(request);
  });
}
