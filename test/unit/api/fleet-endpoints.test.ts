import { describe, expect, it } from "vitest";
import type { JsonObject, NodeId } from "#base";
import { MemoryNodeDirectory, type NodeState } from "#fleet";
import { copyTold, selfDescription } from "../../../src/runtime/fleet/self-description.ts";
import { memoryFleet } from "../../support/fleet.ts";
import { endpointState } from "../../support/inference-world.ts";
import { CAPACITY, modelPorts } from "../../support/model-ports.ts";
import { createHarness } from "./api-harness.ts";
import { answer } from "./models-world.ts";

const SILENT_MS = 90_000;

/** An API of a node in a fleet with others that told this of themselves. */
async function hubWith(
  others: readonly { name: string; announced: JsonObject; state?: NodeState; silent?: boolean }[],
) {
  const { ports } = createHarness();
  const { clock, random, node } = ports;
  const nodes = new MemoryNodeDirectory();
  const ids: NodeId[] = [];
  for (const { name, announced, state = "active", silent = false } of others) {
    const id = ports.ids.node();
    ids.push(id);
    const seenAtMs = clock.nowMs() - (silent ? SILENT_MS : 0);
    const rest = {
      publicKey: id,
      url: null,
      version: "1",
      featureLevel: 1,
      leaseClass: "strict",
      joinedAtMs: 0,
    } as const;
    await nodes.put({ id, name, role: "member", state, seenAtMs, announced, ...rest });
  }
  const fleet = memoryFleet({ node: node.id, name: node.name, clock, random }, { nodes });
  const models = modelPorts([endpointState("own", "http://127.0.0.1:1")]);
  return { harness: createHarness({ ports: { fleet, models, node } }), ids };
}

function described(...names: readonly string[]): JsonObject {
  const { ports } = createHarness();
  const [offer] = ports.offers();
  if (offer === undefined) throw new Error("the harness has an offer");
  const endpoints = names.map((name) => ({ ...endpointState(name, "http://127.0.0.1:2"), inFlight: { m: 2 } }));
  return selfDescription({ version: "1", offer, running: 0, endpoints, capacity: CAPACITY });
}

describe("the nodes of a fleet", () => {
  it("are listed with how good each one's copy is, as it said last; what is said in another way is not known", async () => {
    const position = { epoch: 7, seq: 40 };
    const { harness } = await hubWith([
      { name: "behind", announced: { copy: copyTold({ state: "stale", staleMs: 12_000, position }) } },
      { name: "newer", announced: { copy: { state: "in two halves", staleMs: 0, ...position } } },
      { name: "older", announced: {} },
    ]);

    const { body } = await answer(harness, "GET", "/api/nodes");
    const others = (body["nodes"] as readonly JsonObject[]).filter(({ isSelf }) => isSelf === false); // `as`: the API's list

    expect(others.map(({ name, epoch, copy }) => ({ name, epoch, copy }))).toEqual([
      { name: "behind", epoch: 7, copy: { state: "stale", staleMs: 12_000, ...position } },
      { name: "newer", epoch: null, copy: null },
      { name: "older", epoch: null, copy: null },
    ]);
  });
});

describe("endpoints of other nodes", () => {
  it("are listed beside those of this node, with whose they are and how old that is", async () => {
    const { harness, ids } = await hubWith([
      { name: "gpu1", announced: described("a", "b") },
      { name: "gpu2", announced: described("c"), silent: true },
      { name: "gone", announced: described("d"), state: "removed" },
    ]);

    const { body } = await answer(harness, "GET", "/api/endpoints");

    expect(body["endpoints"]).toMatchObject([{ id: "own" }]);
    expect(body["elsewhere"]).toMatchObject([
      { node: ids[0], nodeName: "gpu1", id: "a", health: "healthy", requests: 2, isFresh: true },
      { node: ids[0], nodeName: "gpu1", id: "b" },
      { node: ids[1], nodeName: "gpu2", id: "c", isFresh: false },
    ]);
  });

  it("that a node of another version tells in another way are passed over, one by one", async () => {
    const [known] = described("a")["endpoints"] as readonly JsonObject[]; // `as`: what the function makes
    const odd = [{ ...known, id: 5 }, "what", null, { ...known, kind: "new" }, { ...known, more: 1 }];
    const { harness } = await hubWith([
      { name: "newer", announced: { endpoints: odd } },
      { name: "older", announced: {} },
      { name: "strange", announced: { endpoints: "none" } },
    ]);

    const { body } = await answer(harness, "GET", "/api/endpoints");

    expect(body["elsewhere"]).toMatchObject([{ nodeName: "newer", id: "a" }]);
  });

  it("cannot be asked here, nor are they among the models of this node", async () => {
    const { harness } = await hubWith([{ name: "gpu1", announced: described("a") }]);

    const probed = await harness.send("POST", "/api/endpoints/a/probe");

    expect(probed.status).toBe(404);
  });
});
