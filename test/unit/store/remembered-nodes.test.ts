import { expect, it } from "vitest";
import { createIdFactory, type NodeId, SimulatedClock, seededRandom } from "#base";
import { cryptography, type FleetNode, MemoryNodeDirectory } from "#fleet";
import { rememberedNodes } from "../../../src/store/remembered-nodes.ts";
import { must } from "../../support/opened-stores.ts";

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

class CountedNodes extends MemoryNodeDirectory {
  reads = 0;
  override find(id: NodeId): FleetNode | undefined {
    this.reads += 1;
    return super.find(id);
  }
}

class SlowNodes extends MemoryNodeDirectory {
  readonly durable = Promise.withResolvers<void>();
  override async setState(id: NodeId, state: FleetNode["state"]): ReturnType<MemoryNodeDirectory["setState"]> {
    await this.durable.promise;
    return super.setState(id, state);
  }
}

it("a node that is looked up again is not read again, until it is changed", async () => {
  const stored = new CountedNodes();
  must(await stored.put(node));
  const nodes = rememberedNodes(stored);

  for (let n = 0; n < 5; n += 1) nodes.find(node.id);
  expect(stored.reads).toBe(1);
  must(await nodes.setState(node.id, "cordoned"));

  expect(nodes.find(node.id)?.state).toBe("cordoned");
});

it("a node that is looked up while it is being removed is not remembered as it was", async () => {
  const stored = new SlowNodes();
  must(await stored.put(node));
  const nodes = rememberedNodes(stored);

  const removing = nodes.setState(node.id, "removed");
  const meanwhile = nodes.find(node.id)?.state;
  stored.durable.resolve();
  await removing;

  expect([meanwhile, nodes.find(node.id)?.state]).toEqual(["active", "removed"]);
});
