/** Fetches a whole database from a libSQL server. In a thread: a sync with a server that hangs stops its event loop. */
import { rmSync } from "node:fs";
import Database from "libsql";
import { openConnection } from "../connection.ts";
import { inspectDatabase } from "../inspect.ts";

export type RebuildRequest = {
  readonly url: string;
  readonly authToken: string | undefined;
  /** An empty folder for the replica. */
  readonly folder: string;
  /** The finished database; it must not exist. */
  readonly to: string;
};

export type RebuildReply =
  | { readonly kind: "rebuilt" }
  | { readonly kind: "failed"; readonly message: string; readonly code: string };

declare const self: Worker;

self.addEventListener("message", (event: MessageEvent<RebuildRequest>) => {
  let reply: RebuildReply;
  try {
    fetchDatabase(event.data);
    reply = { kind: "rebuilt" };
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    reply = { kind: "failed", message: cause instanceof Error ? cause.message : String(cause), code };
  }
  self.postMessage(reply);
});

function fetchDatabase({ url, authToken, folder, to }: RebuildRequest): void {
  const replica = `${folder}/replica.db`;
  const options = authToken === undefined ? { syncUrl: url } : { syncUrl: url, authToken };
  const database = new Database(replica, options);
  try {
    database.sync();
  } finally {
    database.close();
  }
  // A plain file of its own, without what replication keeps beside and in it.
  const connection = openConnection(replica);
  try {
    connection.prepare("VACUUM INTO ?").run([to]);
  } finally {
    connection.close();
  }
  const [fault] = inspectDatabase(to).faults;
  if (fault === undefined) return;
  rmSync(to, { force: true });
  throw new Error(`what came from the server is damaged: ${fault}`);
}
