import { join } from "node:path";
import { expect, it } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom } from "#base";
import { cryptography, type FleetNode, type NodeDirectory } from "#fleet";
import { type Connection, openConnection } from "../../../src/store/connection.ts";
import { migrateDatabase } from "../../../src/store/migrate.ts";
import { FLEET_MIGRATIONS } from "../../../src/store/migrations/fleet.ts";
import { rememberedNodes } from "../../../src/store/remembered-nodes.ts";
import { must } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const ids = createIdFactory(new SimulatedClock(), seededRandom(3));
const node: FleetNode = {
  id: ids.node(),
  name: "a",
  role: "member",
  publicKey: cryptography.makeKey().publicKey,
  url: null,
  version: "0.1.0",
  featureLevel: 1,
  state: "active",
  leaseClass: "strict",
  joinedAtMs: 1,
  seenAtMs: 1,
  announced: {},
};

/** With that node in it; counts what is read of the table, and writes no sooner than it may. */
async function opened(): Promise<{ nodes: NodeDirectory; reads: () => number; mayWrite: { until: Promise<void> } }> {
  const connection = openConnection(join(folder(), "fleet.db"));
  must(migrateDatabase(connection, FLEET_MIGRATIONS, 1));
  let reads = 0;
  const reading: Connection = {
    ...connection,
    prepare: (sql) => {
      if (sql.includes("FROM fleet_node")) reads += 1;
      return connection.prepare(sql);
    },
  };
  const mayWrite = { until: Promise.resolve() };
  const nodes = rememberedNodes(async (_label, command) => {
    await mayWrite.until;
    return command(connection);
  }, reading);
  must(await nodes.put(node));
  return { nodes, reads: () => reads, mayWrite };
}

it("a node that is looked up again is not read again, until it is changed", async () => {
  const { nodes, reads } = await opened();

  for (let n = 0; n < 5; n += 1) nodes.find(node.id);
  expect(reads()).toBe(1);
  must(await nodes.setState(node.id, "cordoned"));

  expect(nodes.find(node.id)?.state).toBe("cordoned");
});

it("a node that is looked up while it is being removed is not remembered as it was", async () => {
  const { nodes, mayWrite } = await opened();
  const durable = Promise.withResolvers<void>();
  mayWrite.until = durable.promise;

  const removing = nodes.setState(node.id, "removed");
  const meanwhile = nodes.find(node.id)?.state;
  durable.resolve();
  must(await removing);

  expect([meanwhile, nodes.find(node.id)?.state]).toEqual(["active", "removed"]);
});
