import type { NodeId } from "#base";
import type { Connection } from "./connection.ts";
import type { IdentityChange } from "./identity.ts";
import { readMeta, writeMeta } from "./meta.ts";
import { forgetSecrets } from "./node-secrets.ts";

/**
 * @returns the id under which this node holds leases, the same from start to start. A copy of a state directory gets
 * a new one, and loses its key and its place in a fleet, because the original may still run.
 */
export function establishNodeId(connection: Connection, change: IdentityChange, makeId: () => NodeId): NodeId {
  const known = readMeta(connection, "node_id");
  // `as`: written below.
  if (known !== undefined && change !== "copied") return known as NodeId;
  const id = makeId();
  forgetSecrets(connection);
  writeMeta(connection, "node_id", id);
  return id;
}
