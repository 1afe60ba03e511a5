import { afterEach, describe, expect, it } from "vitest";
import type { NodeOffer } from "#api";
import type { NodeId } from "#base";
import type { FleetNode } from "#fleet";
import { orderOf } from "#goals";
import type { ModelCall, Readings } from "#telemetry";
import { loadConfig } from "../../../../src/runtime/config/load.ts";
import { ObservedInference } from "../../../../src/runtime/models/observed-inference.ts";
import { type ReadingParts, RuleReadings } from "../../../../src/runtime/telemetry/readings.ts";
import { executeAs, memoryGoals } from "../../../support/goals.ts";
import { endpointState, FOR_TASK, inferenceWorld, MODEL, QUESTION, replyOf } from "../../../support/inference-world.ts";
import { reply, status } from "../../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../../support/models/scripted-server.ts";
import { must } from "../../../support/opened-stores.ts";
import { createHarness, type Harness, submit, valueOf } from "../../api/api-harness.ts";

let server: ScriptedServer | undefined;

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

const { config } = valueOf(loadConfig({ file: undefined, env: {}, cwd: "/nowhere", flags: {} }));

function readingsOf(harness: Harness, more: Partial<ReadingParts> = {}) {
  const listeners: ((call: ModelCall) => void)[] = [];
  const readings = new RuleReadings({
    config,
    stateDir: "/",
    queue: harness.queue,
    isWriter: true,
    models: {
      inference: {
        onCall: (listener) => {
          listeners.push(listener);
          return () => undefined;
        },
      },
      spending: {
        states: () => [{ span: "day", unit: "tokens", limit: 1_000, used: 850, action: "localOnly", freesAtMs: null }],
      },
    },
    consumers: { places: () => ({ shell: { free: 0, total: 4 }, model: { free: 1, total: 1 } }) },
    nodes: { all: () => [] },
    goals: memoryGoals({ queue: harness.queue.store, clock: harness.clock, ids: harness.ids, node: harness.node })
      .store,
    offers: () => [],
    heardAtMs: () => undefined,
    self: harness.node,
    hubAnswers: () => null,
    auditWaiting: () => 0,
    stateBudgets: () => [],
    clock: harness.clock,
    ...more,
  });
  return { readings, call: (call: ModelCall) => listeners.forEach((listener) => listener(call)) };
}

const valuesOf = (readings: Readings): Record<string, Record<string, number | null>> =>
  Object.fromEntries(
    Object.entries(readings).map(([name, of]) => [
      name,
      Object.fromEntries(Object.entries(of).map(([subject, { value }]) => [subject, value])),
    ]),
  );

describe("the figures of the rules", () => {
  it("count a queue that grows, attempts that fail and are slow, and places that are full", async () => {
    const harness = createHarness();
    const { readings } = readingsOf(harness);
    await readings.read();

    for (let n = 0; n < 25; n += 1) await submit(harness);
    for (let n = 0; n < 9; n += 1)
      await harness.work({ outcome: "failed", consequence: "terminal", durationMs: 2_000 });
    for (let n = 0; n < 3; n += 1) await harness.work({ durationMs: 1_000 });
    const values = valuesOf(await readings.read());

    expect(values).toMatchObject({
      queue_growing: { "": 13 },
      failure_rate: { "": 75 },
      slow_p95: { "": 2 },
      utilisation: { "": 80 },
      stuck_tasks: { "": 0 },
      budget: { "day:tokens": 85 },
      no_node: {},
      hub_silent: {},
    });
    expect(values["disk"]?.[""]).toBeGreaterThan(0);
  });

  it("count tasks as stuck that run longer than they said, or than is usual", async () => {
    const harness = createHarness();
    const { readings } = readingsOf(harness);
    await submit(harness, { deadlineMs: 60_000 });
    await submit(harness);
    await harness.claim(2);

    harness.clock.advance(170_000);
    expect(valuesOf(await readings.read())["stuck_tasks"]).toEqual({ "": 0 });
    harness.clock.advance(20_000);
    expect(valuesOf(await readings.read())["stuck_tasks"]).toEqual({ "": 1 });
    harness.clock.advance(config["limits.wall_time_ms"]);
    expect(valuesOf(await readings.read())["stuck_tasks"]).toEqual({ "": 2 });
  });

  it("count goals with a task that no node can run, and say which and why, until one can", async () => {
    const harness = createHarness();
    const { clock, ids, node } = harness;
    const goals = memoryGoals({ queue: harness.queue.store, clock, ids, node });
    const offer = { node, name: "attic", executors: ["shell"], labels: {}, models: [], vramBytes: 0 };
    let offers: readonly NodeOffer[] = [offer];
    const { readings } = readingsOf(harness, { goals: goals.store, offers: () => offers });
    const { id } = must(await goals.submit(orderOf({ title: "Greet" })));
    const waiting = async () => (await readings.read()).goals_waiting[""];

    expect(await waiting()).toMatchObject({ value: 0 });
    const task = await submit(harness, { requires: { labels: { gpu: "large" } } });
    await executeAs(goals, id, task);
    const held = await waiting();
    expect(held?.value).toBe(1);
    expect(held?.says).toContain(`${id}: no node can run it (attic`);
    offers = [offer, { ...offer, labels: { gpu: "large" } }];
    expect(await waiting()).toMatchObject({ value: 0 });
  });

  it("of a fleet say whether others are there, on the hub, and whether the hub answers, elsewhere", async () => {
    const harness = createHarness();
    const nowMs = harness.clock.nowMs();
    const other = { id: harness.ids.node(), state: "active", seenAtMs: nowMs - 300_000 } as FleetNode; // `as`: what is read
    const nodes = { all: () => [other] };
    const heard = (atMs: number) => ({ nodes, heardAtMs: (_node: NodeId) => atMs });

    expect(valuesOf(await readingsOf(harness, { nodes }).readings.read())["no_node"]).toEqual({ "": 1 });
    expect(valuesOf(await readingsOf(harness, heard(nowMs)).readings.read())["no_node"]).toEqual({ "": 0 });
    const member = readingsOf(harness, { nodes, isWriter: false, hubAnswers: () => false });
    expect(valuesOf(await member.readings.read())).toMatchObject({
      no_node: {},
      queue_growing: {},
      hub_silent: { "": 1 },
    });
  });
});

describe("a node's requests to models", () => {
  it("are told with what they took, and why they failed, and their share of failures is counted", async () => {
    server = await startScriptedServer();
    const ports = inferenceWorld([endpointState("first", server.url)]);
    const inference = new ObservedInference(ports.ports, true);
    const calls: ModelCall[] = [];
    inference.onCall((call) => calls.push(call));
    const harness = createHarness();
    const { readings, call } = readingsOf(harness);
    const ask = () => replyOf(inference);

    server.enqueue(reply().text("42").ending({ promptTokens: 10, completionTokens: 3 }));
    await ask();
    server.enqueue(status(400, { error: "no such thing" }));
    await ask();
    server.enqueue(reply().text("4").text("2").ending({ promptTokens: 10, completionTokens: 3 }));
    for await (const event of inference.chat(QUESTION, FOR_TASK, new AbortController().signal)) {
      if (event.kind === "text") break;
    }

    expect(calls).toMatchObject([
      { taskId: "t_1", attempt: 1, endpoint: "first", model: MODEL, promptTokens: 10, outcome: "ok", failure: null },
      { outcome: "failed", failure: { kind: "refused" } },
      { endpoint: "first", outcome: "cut", failure: null },
    ]);
    expect(calls[0]?.texts?.reply).toBe("42");
    expect(calls[0]?.texts?.prompt).toContain('"role":"user"');
    for (let n = 0; n < 6; n += 1) for (const one of calls) call({ ...one, endedAtMs: harness.clock.nowMs() });
    expect(valuesOf(await readings.read())["error_rate"]).toEqual({ "": 50 });
  });
});
