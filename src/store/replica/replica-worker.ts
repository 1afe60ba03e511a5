/**
 * The thread that holds an embedded replica. A sync stops its event loop for as long as it takes; whoever answers the
 * replica's requests (carrier.ts) sees to it that each of them ends.
 */
import Database from "libsql";
import type { ReplicaAnswer, ReplicaCall } from "./replica-protocol.ts";

declare const self: Worker;

let database: Database.Database | undefined;

self.addEventListener("message", (event: MessageEvent<ReplicaCall>) => {
  const { id, request } = event.data;
  if (request.kind === "end") {
    database?.close();
    process.exit(0); // in a thread it ends the thread alone
  }
  let answer: ReplicaAnswer;
  try {
    if (request.kind === "open") {
      database?.close();
      database = undefined;
      // A variable, because the binding's types leave this option out.
      const options = { syncUrl: request.url, authToken: request.token };
      database = new Database(request.path, options);
    }
    database?.sync();
    answer = { id, ok: true };
  } catch (cause) {
    answer = { id, ok: false, message: cause instanceof Error ? cause.message : String(cause) };
  }
  self.postMessage(answer);
});
