/** What a node has noted about its place in a fleet, read before its databases are opened: it decides how they are. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { NODE_FILE, ok, type Result } from "#base";
import { openConnection, text } from "./connection.ts";
import { readMeta } from "./meta.ts";
import { onStorage } from "./storage-failure.ts";

export type NodeNotes = {
  /** "hub" from the first invitation on; "configured" while it is one by its configuration alone. */
  readonly role: string | undefined;
  /** JSON; undefined while it has joined no fleet. */
  readonly membership: string | undefined;
  /** Undefined before its first start. */
  readonly id: string | undefined;
  /** JSON; that this node takes over the server of its fleet, or did. */
  readonly takeover: string | undefined;
};

const NONE: NodeNotes = { role: undefined, membership: undefined, id: undefined, takeover: undefined };
/** See {@link NodeNotes.takeover}; written by a promotion. */
export const TAKEOVER_NOTE = "takeover";

/** @returns what is noted; nothing where there is no database yet. */
export function readNodeNotes(stateDir: string): Result<NodeNotes> {
  const path = join(stateDir, NODE_FILE);
  if (!existsSync(path)) return ok(NONE);
  return onStorage(`read ${path}`, () => {
    const connection = openConnection(path, { queryOnly: true });
    try {
      // A node that was killed before its first migration has no notes, and no table for them.
      const table = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'meta'").get([]);
      if (table === undefined || text(table, 0) !== "meta") return NONE;
      return {
        role: readMeta(connection, "role"),
        membership: readMeta(connection, "membership"),
        id: readMeta(connection, "node_id"),
        takeover: readMeta(connection, TAKEOVER_NOTE),
      };
    } finally {
      connection.close();
    }
  });
}
