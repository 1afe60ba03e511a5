import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type JsonObject, silentLogger, type TaskId } from "#base";
import type { FleetNode } from "#fleet";
import { Consumer, DEFER_MS } from "#queue";
import { requirementsText } from "../../../../src/api/requirements.ts";
import { Placements } from "../../../../src/runtime/fleet/placements.ts";
import { FleetWorld, type Member } from "../../../support/fleet-world.ts";
import { attemptReport, newTask } from "../../../support/queue-world.ts";
import { valueOf } from "../../api/api-harness.ts";

const PROMPT = requirementsText({ executor: "ollama", labels: {}, models: ["qwen"], vramBytes: 0 });

let world: FleetWorld;
let placements: Placements;
let cold: Member;
let warm: Member;
let states: Map<Member, FleetNode["state"]>;

beforeEach(async () => {
  world = new FleetWorld();
  await world.startHub();
  states = new Map();
  placements = new Placements({
    self: world.hubNode,
    describeSelf: () => ({}),
    nodes: () => [nodeOf(cold, "cold"), nodeOf(warm, "warm")],
    presence: world.presence,
    clock: world.clock,
  });
  world.placements = placements;
  world.queue.deferBy((holder, requirements) => placements.deferral(holder, requirements) !== undefined);
  cold = await memberThat(saying(30));
  warm = await memberThat(saying(3));
});
afterEach(async () => {
  await world.stopHub();
});

function saying(seconds: number, free = 1): JsonObject {
  return {
    places: { shell: { free: 2, total: 2 }, model: { free, total: 1 } },
    expectedSeconds: { [PROMPT]: seconds },
  };
}

async function memberThat(announced: JsonObject): Promise<Member> {
  const member = world.member();
  member.announced = announced;
  return member.start();
}

function nodeOf(member: Member, name: string): FleetNode {
  return {
    id: member.node,
    name,
    role: "member",
    publicKey: "",
    state: states.get(member) ?? "active",
    url: null,
    version: "1",
    featureLevel: 1,
    leaseClass: "strict",
    joinedAtMs: 0,
    seenAtMs: 0,
    announced: {},
  };
}

async function submitPrompt(): Promise<TaskId> {
  const task = newTask(world.ids.task(), { requirements: PROMPT, body: '{"executor":"ollama","title":"t"}' });
  const receipts = world.queue.submit([task]);
  await world.settle();
  valueOf(await receipts);
  return task.id;
}

async function claims(member: Member): Promise<readonly TaskId[]> {
  const claimed = member.queue.claim({ holder: member.node, limit: 1, accepts: () => true });
  await world.pass(200);
  return valueOf(await claimed).tasks.map(({ row }) => row.id);
}

describe("a prompt in a fleet", () => {
  it("goes to the node that has its model in memory, also when another one asks first", async () => {
    const prompt = await submitPrompt();

    expect(await claims(cold)).toEqual([]);
    expect(await claims(warm)).toEqual([prompt]);
  });

  it("goes to any node at once while the better one has no place, is cordoned or away", async () => {
    warm.announced = saying(3, 0);
    await world.pass(6_000);
    const first = await submitPrompt();
    expect(await claims(cold)).toEqual([first]);

    warm.announced = saying(3);
    states.set(warm, "cordoned");
    await world.pass(6_000);
    const second = await submitPrompt();
    expect(await claims(cold)).toEqual([second]);

    states.delete(warm);
    warm.fault = "cut";
    await world.pass(13_000);
    const third = await submitPrompt();
    expect(await claims(cold)).toEqual([third]);
  });

  it("goes to any node at once when the better one was given as much as it can run", async () => {
    const [first, second] = [await submitPrompt(), await submitPrompt()];

    expect(await claims(warm)).toEqual([first]);
    expect(await claims(cold)).toEqual([second]);
  });

  it("PL1: is taken by the node that waits for work soon after the better one has let its time pass", async () => {
    const consumer = new Consumer({
      queue: cold.queue,
      holder: cold.node,
      logger: silentLogger,
      concurrency: 1,
      accepts: () => true,
      run: async () => attemptReport(),
    });
    consumer.start();
    await world.pass(1_000);
    const prompt = await submitPrompt();
    const stateOf = async () => valueOf(await world.store.find(prompt))?.row.state;

    await world.pass(DEFER_MS - 500);
    expect(await stateOf()).toBe("ready");
    await world.pass(1_500);
    expect(await stateOf()).toBe("done");
    await consumer.stop();
  });
});
