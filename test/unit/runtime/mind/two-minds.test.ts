/** The minds of a hub and of its member, each with its own journal: what each heals, with a real fleet and replica. */
import { afterEach, describe, expect, it } from "vitest";
import { commit, ReplicaWorld } from "../../../conformance/replica/replica-world.ts";
import { MindWorld } from "../../../support/mind-world.ts";
import { must } from "../../../support/opened-stores.ts";
import { acceptsAll, newTask } from "../../../support/queue-world.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { type Box, join, makeBox } from "../../fleet/fleet-world.ts";

const folder = temporaryFolders();
const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function box(name: string): Promise<Box> {
  const made = makeBox(name);
  cleanUps.push(() => made.stop());
  await made.start();
  return made;
}

async function mind(): Promise<MindWorld> {
  const world = await MindWorld.open(folder());
  cleanUps.push(() => world.close());
  return world;
}

/** A hub whose mind sees its nodes and orders as the fleet has them, and a member that joined it. */
async function fleet() {
  const [hub, member] = [await box("hub"), await box("gpu1")];
  expect((await join(hub, member)).status).toBe(200);
  const at = await mind();
  at.silenceOf = (node) => {
    const known = hub
      .fleet()
      .nodes()
      .find(({ id }) => id === node);
    return known === undefined || known.state === "removed" ? undefined : 0;
  };
  at.restartOther = (node) => hub.fleet().administration.orderRestart(node);
  return { hub, member, at };
}

describe("the mind of a hub", () => {
  it("gives the tasks of a member back once it is removed from the fleet, and each once", async () => {
    const { hub, member, at } = await fleet();
    const tasks = Array.from({ length: 4 }, () => newTask(at.ids.task(), { maxAttempts: 20 }));
    must(await at.queue.submit(tasks));
    must(await at.queue.claim({ holder: member.id, limit: 4, accepts: acceptsAll }));
    await at.pass(15);
    const whileMember = [at.state, ...at.treated];

    await hub.ask("DELETE", "/api/nodes/gpu1");
    await at.until(() => at.service.mind.episodes.length === 1);

    expect(whileMember).toEqual(["resting"]);
    expect(at.treated).toEqual(["requeueTasks"]);
    expect(await Promise.all(tasks.map(({ id }) => at.stateOf(id)))).toEqual(["ready", "ready", "ready", "ready"]);
    const again = must(await at.queue.claim({ holder: at.self, limit: 10, accepts: acceptsAll })).tasks;
    expect(again.map(({ row }) => row.attempts)).toEqual([1, 1, 1, 1]); // those that were lost
  });

  it("orders a member that fails to restart, once, and the member is told of it", async () => {
    const { hub, member, at } = await fleet();
    at.members = [{ id: member.id, isWell: false, running: 0 }];

    await at.until(() => at.treated.length > 0);
    await at.pass(3);
    const told = hub.fleet().orders.due(member.id, [], hub.clock.monotonicMs());
    at.members = [{ id: member.id, isWell: true, running: 0 }];
    await at.until(() => at.state === "resting");

    expect(told).toMatchObject([{ kind: "restart" }]);
    expect([at.treated, at.service.mind.episodes.at(-1)?.outcome]).toEqual([["restartNode"], "recovered"]);
  });
});

describe("the mind of a member", () => {
  it("has its replica follow the hub anew, which then shows what the hub writes", async () => {
    const servers = new ReplicaWorld(folder);
    cleanUps.push(() => servers.end());
    const server = await servers.hub();
    const following = await servers.follow(server);
    const at = await mind();
    at.attached = following.replica;
    at.replica = { staleMs: 120_000, isReaching: true };

    await at.until(() => at.calls.includes("reattach"));
    at.replica = { ...following.replica.freshness(), isReaching: true };
    const seq = await commit(server);
    const isShown = await following.shows(seq);
    await at.until(() => at.state === "resting");

    expect([isShown, following.replica.freshness().state]).toEqual([true, "attached"]);
    expect([at.treated, at.service.mind.episodes.at(-1)?.outcome]).toEqual([["reattachReplica"], "recovered"]);
  });
});
