import { cpSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom, silentLogger } from "#base";
import { readHubFacts, type Stores } from "#store";
import { type NoteRoleParts, noteRole } from "../../../../src/runtime/fleet/note-role.ts";
import { memoryFleet } from "../../../support/fleet.ts";
import { must, openedStores } from "../../../support/opened-stores.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
const HUB: NoteRoleParts["role"] = { kind: "hub", store: { kind: "own" } };
const SOLO: NoteRoleParts["role"] = { kind: "solo" };

/** As a start in this role does. */
async function start(dir: string, role: NoteRoleParts["role"]): Promise<Stores> {
  const stores = await openedStores(dir);
  const node = { node: stores.nodeId, name: "hub", clock: new SimulatedClock(), random: seededRandom(5) };
  const { fleetNodes: nodes, joinTokens: tokens, secrets } = stores;
  const fleet = memoryFleet(node, { nodes, tokens, secrets, uuid: stores.identity.uuid, epoch: () => 1 });
  await noteRole({ role, fleet, secrets, logger: silentLogger });
  return stores;
}

describe("a hub by its configuration alone", () => {
  it("is noted like one that invited nodes, once, so that its next start can ask the others", async () => {
    const dir = folder();
    const stores = await start(dir, HUB);
    const { nodeId, identity, fleetNodes } = stores;
    const own = fleetNodes.find(nodeId);
    await stores.close();
    const again = await start(dir, HUB);
    const commits = again.commits();
    await again.close();

    expect(own).toMatchObject({ name: "hub", role: "operator", state: "active" });
    expect(must(readHubFacts(dir))).toMatchObject({ node: nodeId, fleet: identity.uuid, epoch: 1, nodes: [own] });
    expect(commits).toBe(0);
  });

  it("is none in a copy of its state folder", async () => {
    const [dir, copy] = [folder(), join(folder(), "copy")];
    await (await start(dir, HUB)).close();
    cpSync(dir, copy, { recursive: true });

    const stores = await openedStores(copy);
    const isHub = must(stores.secrets.isHub());
    await stores.close();

    expect([isHub, must(readHubFacts(copy))]).toEqual([false, undefined]);
  });

  it("is forgotten by a start that is alone, since nobody was invited", async () => {
    const dir = folder();
    await (await start(dir, HUB)).close();
    const stores = await start(dir, SOLO);

    expect(must(stores.secrets.isHub())).toBe(false);
    await stores.close();
  });
});
