/** The reader thread: whatever reads long runs here, because a synchronous handle stops its thread's event loop. */
import { type Connection, openConnection } from "./connection.ts";
import { inspectDatabase } from "./inspect.ts";
import type { ReaderAnswer, ReaderCall, ReaderReply, ReaderRequest } from "./reader-protocol.ts";

const connections = new Map<string, Connection>();

function connectionTo(path: string): Connection {
  let connection = connections.get(path);
  if (connection === undefined) {
    connection = openConnection(path, { queryOnly: true });
    connections.set(path, connection);
  }
  return connection;
}

function answer(request: Exclude<ReaderRequest, { kind: "end" }>): ReaderReply {
  switch (request.kind) {
    case "all":
      return { kind: "rows", rows: connectionTo(request.path).prepare(request.sql).all(request.params) };
    case "copy": {
      // A handle of its own: `VACUUM INTO` is refused under query_only.
      const source = openConnection(request.path);
      try {
        source.prepare("VACUUM INTO ?").run([request.to]);
      } finally {
        source.close();
      }
      return { kind: "copied" };
    }
    case "inspect":
      return { kind: "inspected", inspection: inspectDatabase(request.path) };
  }
}

declare const self: Worker;

self.addEventListener("message", (event: MessageEvent<ReaderCall>) => {
  const { id, request } = event.data;
  if (request.kind === "end") {
    for (const connection of connections.values()) connection.close();
    process.exit(0); // in a thread it ends the thread alone
  }
  let result: ReaderAnswer;
  try {
    result = { id, reply: answer(request) };
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    result = { id, fault: { message: cause instanceof Error ? cause.message : String(cause), code } };
  }
  self.postMessage(result);
});
