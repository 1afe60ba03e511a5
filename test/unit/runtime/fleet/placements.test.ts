import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type JsonObject, silentLogger, type TaskId } from "#base";
import type { FleetNode } from "#fleet";
import { Consumer, DEFER_MS, type Fence } from "#queue";
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
  world.queue.placeBy({
    defers: (holder, requirements) => placements.deferral(holder, requirements) !== undefined,
    leaves: (holder, task) => placements.taskDeferral(holder, task) !== undefined,
    homed: (holder) => placements.homed(holder),
    claimed: (holder, tasks) => placements.claimed(holder, tasks),
  });
  world.store.subscribe((events) => placements.observe(events));
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

type Given = { readonly id: TaskId; readonly fence: Fence };

/** @returns what a member is given, a task at most. */
async function given(member: Member): Promise<Given | undefined> {
  const claimed = member.queue.claim({ holder: member.node, limit: 1, accepts: () => true });
  await world.pass(200);
  const [task] = valueOf(await claimed).tasks;
  return task && { id: task.row.id, fence: task.fence };
}

async function submitted(body: JsonObject, requirements = PROMPT): Promise<TaskId> {
  const task = newTask(world.ids.task(), { requirements, body: JSON.stringify(body), retryBaseMs: 1, retryMaxMs: 1 });
  const receipts = world.queue.submit([task]);
  await world.settle();
  valueOf(await receipts);
  return task.id;
}

describe("PL4: a task of which something was left on a node", () => {
  const prompt = { executor: "ollama", title: "t" };
  const command = { executor: "shell", title: "t", workspace: "/srv/site" };
  const SHELL = requirementsText({ executor: "shell", labels: {}, models: [], vramBytes: 0 });

  async function failsAfter(member: Member, task: Given | undefined, workedMs: number): Promise<void> {
    if (task === undefined) throw new Error("it was given nothing");
    await world.pass(workedMs, 1_000);
    const report = attemptReport({ outcome: "failed", consequence: "retryable" });
    const finished = member.queue.finish(task.id, task.fence, report);
    await world.pass(300);
    valueOf(await finished);
  }

  it("goes on there after a failure, although another node is sooner done with such work", async () => {
    warm.announced = saying(3, 0);
    await world.pass(6_000);
    const id = await submitted(prompt);
    const first = await given(cold);
    await failsAfter(cold, first, 40_000);
    warm.announced = saying(3);
    cold.announced = saying(30);
    await world.pass(6_000);
    const again = await submitted(prompt);
    await world.pass(6_000);

    expect(first?.id).toBe(id);
    expect(placements.homed(cold.node)).toEqual(new Set([id]));
    expect(placements.taskDeferral(warm.node, { id, requirements: PROMPT, body: "{}" })?.why).toMatch(
      /^cold is expected to do it in 30 s, warm in 3\.0 s and 4\d s for what its last attempt left, which it lacks$/,
    );
    expect(again).not.toBe(id);
  });

  it("is taken by its node and left by the sooner one while it is new in the queue", async () => {
    warm.announced = saying(3, 0);
    await world.pass(6_000);
    await submitted(prompt);
    const first = await given(cold);
    if (first === undefined) throw new Error("it was given nothing");
    await world.pass(40_000, 1_000);
    warm.announced = saying(3);
    await world.pass(6_000);
    const released = cold.queue.release(first.id, first.fence, "given back");
    await world.pass(200);
    valueOf(await released);

    const other = await given(warm);
    const home = await given(cold);

    expect([other, home?.id]).toEqual([undefined, first.id]);
  });

  it("is anybody's after four seconds, and at once when its node is away", async () => {
    const id = await submitted(command, SHELL);
    const first = await given(cold);
    await failsAfter(cold, first, 1_000);
    await world.pass(100);
    const left = await given(warm);
    await world.pass(DEFER_MS);
    const late = await given(warm);

    expect([first?.id, left, late?.id]).toEqual([id, undefined, id]);
  });

  it("goes to the node that has the folder that it names, until that is nearly full", async () => {
    await submitted(command, SHELL);
    await given(cold);
    const second = await submitted(command, SHELL);
    const elsewhere = await given(warm);
    const there = await given(cold);
    cold.announced = { ...saying(30), places: { shell: { free: 1, total: 8 }, model: { free: 1, total: 1 } } };
    await world.pass(6_000);
    const third = await submitted(command, SHELL);

    expect([elsewhere, there?.id]).toEqual([undefined, second]);
    expect((await given(warm))?.id).toBe(third);
  });

  it("does not keep others of its kind from being taken", async () => {
    await submitted(command, SHELL);
    await given(cold);
    const [homed, free] = [await submitted(command, SHELL), await submitted({ executor: "shell", title: "u" }, SHELL)];

    expect((await given(warm))?.id).toBe(free);
    expect((await given(cold))?.id).toBe(homed);
  });
});

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
