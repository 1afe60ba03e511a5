import { err, type JsonObject, type NodeId, ok, type Result } from "#base";
import { type FleetNode, type HubTerm, type NodeDirectory, sameKey, type Voters } from "#fleet";
import { type Connection, number, type SqlRow, text, textOrNull } from "./connection.ts";
import { readFleetLevel, writeFleetLevel } from "./fleet-level.ts";
import type { Write } from "./model-store.ts";

const COLUMNS = `id, name, role, public_key, url, version, feature_level, state, lease_class, joined_at_ms, seen_at_ms,
  announced`;
const PUT = `INSERT INTO fleet_node (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role, public_key = excluded.public_key,
    url = excluded.url, version = excluded.version, feature_level = excluded.feature_level, state = excluded.state,
    lease_class = excluded.lease_class, joined_at_ms = excluded.joined_at_ms, seen_at_ms = excluded.seen_at_ms,
    announced = excluded.announced`;

/** The nodes of a fleet and who its hub was when, in fleet.db. */
export class LibsqlFleetNodes implements NodeDirectory {
  readonly #write: Write;
  readonly #reading: Connection;

  constructor(write: Write, reading: Connection) {
    this.#write = write;
    this.#reading = reading;
  }

  find(id: NodeId): FleetNode | undefined {
    const row = this.#reading.prepare(`SELECT ${COLUMNS} FROM fleet_node WHERE id = ?`).get([id]);
    return row === undefined ? undefined : nodeOf(row);
  }

  all(): readonly FleetNode[] {
    return this.#reading.prepare(`SELECT ${COLUMNS} FROM fleet_node ORDER BY name, id`).all([]).map(nodeOf);
  }

  hub(): HubTerm | undefined {
    const newest = "SELECT epoch, node, url, at_ms, why FROM fleet_hub ORDER BY epoch DESC LIMIT 1";
    const row = this.#reading.prepare(newest).get([]);
    if (row === undefined) return undefined;
    const node = text(row, 1) as NodeId; // `as`: written by putHub
    return { epoch: number(row, 0), node, url: text(row, 2), atMs: number(row, 3), why: text(row, 4) };
  }

  put(node: FleetNode): Promise<Result<void>> {
    return this.#write("keep a node", (connection) => {
      // A node that was removed gives its key free only together with its row: it stays known as removed.
      const other = connection.prepare("SELECT 1 FROM fleet_node WHERE public_key = ? AND id <> ?");
      if (other.get([node.publicKey, node.id]) !== undefined) return err(sameKey());
      const { id, name, role, publicKey, url, version, featureLevel, state, leaseClass, joinedAtMs, seenAtMs } = node;
      const announced = JSON.stringify(node.announced);
      connection
        .prepare(PUT)
        .run([
          id,
          name,
          role,
          publicKey,
          url,
          version,
          featureLevel,
          state,
          leaseClass,
          joinedAtMs,
          seenAtMs,
          announced,
        ]);
      return ok(undefined);
    });
  }

  setState(id: NodeId, state: FleetNode["state"]): Promise<Result<boolean>> {
    return this.#write("change a node's state", (connection) =>
      ok(connection.prepare("UPDATE fleet_node SET state = ? WHERE id = ?").run([state, id]) > 0),
    );
  }

  setKey(id: NodeId, from: string, to: string): Promise<Result<boolean>> {
    const sql = "UPDATE fleet_node SET public_key = ? WHERE id = ? AND public_key = ?";
    return this.#write("change a node's key", (connection) => {
      const other = connection.prepare("SELECT 1 FROM fleet_node WHERE public_key = ? AND id <> ?");
      if (other.get([to, id]) !== undefined) return err(sameKey());
      return ok(connection.prepare(sql).run([to, id, from]) > 0);
    });
  }

  setSeen(id: NodeId, seen: Parameters<NodeDirectory["setSeen"]>[1]): Promise<Result<boolean>> {
    const sql = "UPDATE fleet_node SET seen_at_ms = ?, version = ?, feature_level = ?, announced = ? WHERE id = ?";
    const { atMs, version, featureLevel, announced } = seen;
    return this.#write("note what a node said", (connection) =>
      ok(connection.prepare(sql).run([atMs, version, featureLevel, JSON.stringify(announced), id]) > 0),
    );
  }

  level(): number | undefined {
    return readFleetLevel(this.#reading);
  }

  raiseLevel(level: number): Promise<Result<boolean>> {
    return this.#write("raise the feature level", (connection) => {
      if (level <= (readFleetLevel(connection) ?? 0)) return ok(false);
      writeFleetLevel(connection, level);
      return ok(true);
    });
  }

  hasLed(id: NodeId): boolean {
    return this.#reading.prepare("SELECT 1 FROM fleet_hub WHERE node = ? LIMIT 1").get([id]) !== undefined;
  }

  putHub(term: HubTerm): Promise<Result<void>> {
    const sql =
      "INSERT INTO fleet_hub (epoch, node, url, at_ms, why) VALUES (?, ?, ?, ?, ?) ON CONFLICT (epoch) DO NOTHING";
    return this.#write("keep who the hub is", (connection) => {
      connection.prepare(sql).run([term.epoch, term.node, term.url, term.atMs, term.why]);
      return ok(undefined);
    });
  }

  voters(): Voters | undefined {
    // The database of a hub of an earlier version has no such table.
    const exists = this.#reading.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'fleet_voters'").get([]);
    const row = exists === undefined ? undefined : this.#reading.prepare(VOTERS).get([]);
    return row === undefined ? undefined : votersOf(row);
  }

  putVoters(voters: Voters, before: number): Promise<Result<boolean>> {
    const { epoch, version, mode, leaseMs, nodes, isHandover } = voters;
    return this.#write("publish the voters", (connection) => {
      const row = connection.prepare(VOTERS).get([]);
      if ((row === undefined ? 0 : votersOf(row).version) !== before) return ok(false);
      connection.prepare(PUT_VOTERS).run([epoch, version, mode, leaseMs, JSON.stringify(nodes), isHandover ? 1 : 0]);
      return ok(true);
    });
  }
}

const VOTERS = "SELECT epoch, version, mode, lease_ms, nodes, is_handover FROM fleet_voters WHERE only = 1";
const PUT_VOTERS = `INSERT INTO fleet_voters (only, epoch, version, mode, lease_ms, nodes, is_handover)
  VALUES (1, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (only) DO UPDATE SET epoch = excluded.epoch, version = excluded.version, mode = excluded.mode,
    lease_ms = excluded.lease_ms, nodes = excluded.nodes, is_handover = excluded.is_handover`;

function votersOf(row: SqlRow): Voters {
  return {
    epoch: number(row, 0),
    version: number(row, 1),
    mode: text(row, 2) as Voters["mode"], // `as`, twice: written by `putVoters`
    leaseMs: number(row, 3),
    nodes: JSON.parse(text(row, 4)) as Voters["nodes"],
    isHandover: number(row, 5) === 1,
  };
}

/** The CHECKs of the table say which words there are. */
function nodeOf(row: SqlRow): FleetNode {
  return {
    id: text(row, 0) as NodeId, // `as`: written by `put`, here and below
    name: text(row, 1),
    role: text(row, 2) as FleetNode["role"],
    publicKey: text(row, 3),
    url: textOrNull(row, 4),
    version: text(row, 5),
    featureLevel: number(row, 6),
    state: text(row, 7) as FleetNode["state"],
    leaseClass: text(row, 8) as FleetNode["leaseClass"],
    joinedAtMs: number(row, 9),
    seenAtMs: number(row, 10),
    announced: JSON.parse(text(row, 11)) as JsonObject,
  };
}
