import { describe, expect, it } from "vitest";
import type { Explanation } from "#api";
import { requirementsText, unmetRequirements } from "#api";
import type { NodeId } from "#base";
import { MemoryNodeDirectory } from "#fleet";
import { memoryFleet } from "../../support/fleet.ts";
import { anyText, bodyOf, containing, createHarness, type Harness, submit, valueOf } from "./api-harness.ts";

async function explain(harness: Harness, id: string): Promise<Explanation> {
  // `as`: the schema of the route says so.
  return (await bodyOf(await harness.send("GET", `/api/tasks/${id}/explain`))) as Explanation;
}

/** Ports of a hub with one other node, which has failed too often. */
async function fleetWithGpu() {
  const { ports } = createHarness();
  const nodes = new MemoryNodeDirectory();
  const gpu = ports.ids.node();
  await nodes.put({
    id: gpu,
    name: "gpu",
    role: "member",
    publicKey: "k",
    state: "active",
    url: null,
    version: "1",
    featureLevel: 1,
    leaseClass: "strict",
    joinedAtMs: 0,
    seenAtMs: ports.clock.nowMs(),
    announced: { offer: { executors: ["shell"], labels: { gpu: "h200" }, models: [], vramBytes: 0 } },
  });
  const { clock, random, node } = ports;
  const fleet = memoryFleet({ node: node.id, name: node.name, clock, random }, { nodes });
  const backOff = (id: NodeId) => (id === gpu ? { untilMs: 0, reason: "its last 5 attempts failed" } : undefined);
  const deferral = () => ({ why: "gpu is expected to do it sooner" });
  return { gpu, hub: { fleet: { ...fleet, backOff, deferral } } };
}

describe("why a task waits", () => {
  it("its dependencies, with their states and what to do about a dead one", async () => {
    const harness = createHarness();
    const dependency = await submit(harness, { maxAttempts: 1 });
    const id = await submit(harness, { dependsOn: [dependency], onDependencyFailure: "wait" });

    const before = await explain(harness, id);
    await harness.work({ outcome: "failed" });
    const after = await explain(harness, id);

    expect(before).toMatchObject({
      state: "waiting",
      causes: [{ code: "dependencies", remedy: null }],
      dependencies: [{ id: dependency, state: "ready", satisfied: false }],
    });
    expect(after.causes[0]?.text).toContain(`${dependency} (dead)`);
    expect(after.causes[0]?.remedy).toContain(`drover task retry ${dependency}`);
  });

  it("its time", async () => {
    const harness = createHarness();
    const runAt = new Date(harness.clock.nowMs() + 90_000).toISOString();
    const id = await submit(harness, { runAt });

    const explanation = await explain(harness, id);

    expect(explanation.causes).toMatchObject([
      { code: "time", untilMs: Date.parse(runAt), text: "its time comes in 90 s" },
    ]);
  });

  it("the delay before its next attempt", async () => {
    const harness = createHarness();
    const id = await submit(harness, { maxAttempts: 3 });
    await harness.work({ outcome: "failed" });

    const explanation = await explain(harness, id);

    expect(explanation.causes[0]).toMatchObject({
      code: "retry",
      remedy: containing("drover task retry"),
    });
    expect(explanation.causes[0]?.text).toContain("attempt 2 of 3");
  });

  it("its key's limit, with the numbers", async () => {
    const harness = createHarness();
    await harness.send("PUT", "/api/keys/ci", { maxConcurrent: 1 });
    await submit(harness, { concurrencyKey: "ci" });
    await harness.claim();
    const id = await submit(harness, { concurrencyKey: "ci" });

    const explanation = await explain(harness, id);

    expect(explanation.causes[0]).toMatchObject({
      code: "key_concurrency",
      text: "key ci allows 1 at once; 1 run and 0 are next",
    });
    expect(explanation.key).toMatchObject({ key: "ci", running: 1, maxConcurrent: 1 });
    expect(explanation.place).toBeNull();
  });

  it("its key's rate, with the time of the next start", async () => {
    const harness = createHarness();
    await harness.send("PUT", "/api/keys/ci", { ratePerSecond: 0.1 });
    await submit(harness, { concurrencyKey: "ci" });
    await harness.claim();
    const id = await submit(harness, { concurrencyKey: "ci" });

    const explanation = await explain(harness, id);

    expect(explanation.causes[0]).toMatchObject({ code: "key_rate", untilMs: harness.clock.nowMs() + 10_000 });
  });

  it("a paused key", async () => {
    const harness = createHarness();
    await harness.send("PUT", "/api/keys/ci", { paused: true });
    const id = await submit(harness, { concurrencyKey: "ci" });

    expect((await explain(harness, id)).causes.map(({ code }) => code)).toContain("key_paused");
  });

  it("a paused queue", async () => {
    const harness = createHarness();
    const id = await submit(harness);
    await harness.send("POST", "/api/queue/pause");

    expect((await explain(harness, id)).causes[0]).toMatchObject({ code: "queue_paused", remedy: anyText });
  });

  it("no node has what it requires, and what each lacks", async () => {
    const harness = createHarness();
    const id = await submit(harness, { requires: { labels: { gpu: "h200" }, vramBytes: 5, models: ["m"] } });

    const explanation = await explain(harness, id);

    expect(explanation.causes[0]?.code).toBe("no_node");
    expect(explanation.nodes).toMatchObject([
      { name: "box", lacks: ["no label gpu=h200", "no model m:latest", "0 bytes of VRAM, 5 wanted"] },
    ]);
  });

  it("another node of the fleet can run it, and why one leaves it or gets nothing now", async () => {
    const { hub, gpu } = await fleetWithGpu();
    const harness = createHarness({ ports: hub });
    const id = await submit(harness, { requires: { labels: { gpu: "h200" } } });

    const explanation = await explain(harness, id);

    expect(explanation.causes.map(({ code }) => code)).toEqual(["turn"]);
    expect(explanation.nodes).toMatchObject([
      { name: "box", lacks: ["no label gpu=h200"], leaves: "gpu is expected to do it sooner" },
      { node: gpu, name: "gpu", lacks: [], leaves: "its last 5 attempts failed" },
    ]);
  });

  it("its place in its lane", async () => {
    const harness = createHarness();
    await submit(harness);
    await submit(harness, { lane: "high" });
    const id = await submit(harness);

    const explanation = await explain(harness, id);

    expect(explanation.summary).toBe("1 task is ahead of it in lane normal");
    expect(explanation.place).toEqual({ lane: "normal", ahead: 1, isExact: true });
  });
});

describe("what became of a task", () => {
  it("that runs, is done, or is dead with its reason", async () => {
    const harness = createHarness();
    const running = await submit(harness, { lane: "critical" });
    await harness.claim();
    const dead = await submit(harness, { maxAttempts: 1, lane: "high" });
    await harness.work({ outcome: "failed", error: "exit 1" });
    const done = await submit(harness);
    await harness.work();

    const [first, second, third] = [
      await explain(harness, running),
      await explain(harness, dead),
      await explain(harness, done),
    ];

    expect(first.causes).toMatchObject([{ code: "running" }]);
    expect(second.causes).toMatchObject([{ code: "ended", text: containing("exit 1") }]);
    expect(third.summary).toBe("it is done");
    expect((await harness.send("GET", `/api/tasks/${harness.ids.task()}/explain`)).status).toBe(404);
  });
});

describe("requirements", () => {
  const offer = {
    node: createHarness().node,
    name: "box",
    executors: ["shell"],
    labels: { os: "linux" },
    models: ["a"],
    vramBytes: 8,
  };

  it("have one text however their parts are ordered", () => {
    const one = requirementsText({ executor: "shell", labels: { b: "2", a: "1" }, models: ["y", "x"], vramBytes: 0 });
    const other = requirementsText({
      executor: "shell",
      labels: { a: "1", b: "2" },
      models: ["x", "y", "x"],
      vramBytes: 0,
    });

    expect(one).toBe(other);
  });

  it("are met by a node that has everything, and by none when they cannot be read", () => {
    const text = requirementsText({ executor: "shell", labels: { os: "linux" }, models: ["a"], vramBytes: 8 });

    expect(unmetRequirements(text, offer)).toEqual([]);
    expect(unmetRequirements("{", offer)).toHaveLength(1);
    expect(unmetRequirements('{"executor":1}', offer)).toHaveLength(1);
  });

  it("of a submission reach the queue", async () => {
    const harness = createHarness();
    await submit(harness, { requires: { labels: { os: "linux" } } });
    let seen = "";

    await harness.queue.claim({
      holder: harness.node,
      limit: 1,
      accepts: (text) => {
        seen = text;
        return false;
      },
    });

    expect(seen).toBe('{"executor":"shell","labels":{"os":"linux"},"models":[],"vramBytes":0}');
    expect(valueOf(await harness.store.lanes())[2]?.counts.ready).toBe(1);
  });
});
