import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SimulatedClock } from "#base";
import { DEFAULT_INFERENCE_LIMITS } from "#inference";
import { endpointState, FOR_TASK, inferenceWorld, MODEL, QUESTION, replyOf } from "../../support/inference-world.ts";
import { gate, refusal, reply, status } from "../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../support/models/scripted-server.ts";
import { waitUntil } from "../../support/wait-until.ts";

let first: ScriptedServer;
let second: ScriptedServer;

beforeEach(async () => {
  first = await startScriptedServer();
  second = await startScriptedServer();
});

afterEach(async () => {
  await first.stop();
  await second.stop();
});

function bothEndpoints() {
  return [endpointState("first", first.url), endpointState("second", second.url)];
}

describe("a request for a reply", () => {
  test("tells first who answers, then the reply, then what it cost", async () => {
    first.enqueue(reply().text("42").ending({ promptTokens: 10, completionTokens: 3 }));
    const world = inferenceWorld(bothEndpoints());

    const events = await replyOf(world.service);

    expect(events).toMatchObject([
      { kind: "routed", endpoint: "first", model: MODEL },
      { kind: "text", text: "42" },
      { kind: "done", costMicrodollars: 16 },
    ]);
    expect(world.usage).toMatchObject([
      { taskId: "t_1", attempt: 1, endpoint: "first", promptTokens: 10, completionTokens: 3, costMicrodollars: 16 },
    ]);
    expect(world.router.observations).toMatchObject([{ endpoint: "first", completionTokens: 3 }]);
    expect(world.directory.outcomes).toEqual([["first", "ok"]]);
  });

  test.each([
    ["does not have the model", refusal.modelNotFound("m"), "neutral"],
    ["is busy", refusal.serverBusy(), "overloaded"],
    ["has a fault", status(500, "broken"), "modelFault"],
    ["is cut before the first token", reply().cut(), "fault"],
  ] as const)("goes to the next endpoint when the first %s", async (_name, answer, outcome) => {
    first.enqueue(answer);
    second.enqueue(reply().text("42"));
    const world = inferenceWorld(bothEndpoints());

    const events = await replyOf(world.service);

    expect(events).toMatchObject([{ kind: "routed", endpoint: "second" }, { kind: "text" }, { kind: "done" }]);
    expect(world.directory.outcomes).toEqual([
      ["first", outcome],
      ["second", "ok"],
    ]);
  });

  test("never goes elsewhere after its first token", async () => {
    first.enqueue(reply().text("4").cut());
    second.enqueue(reply().text("42"));
    const world = inferenceWorld(bothEndpoints());

    const events = await replyOf(world.service);

    expect(events.at(-1)).toMatchObject({ kind: "failed", failure: { afterFirstToken: true } });
    expect(second.chats).toHaveLength(0);
    expect(world.usage).toHaveLength(1);
  });

  test("fails with what every endpoint said when none is left", async () => {
    first.enqueue(status(500, "first is broken"));
    second.enqueue(status(500, "second is broken"));
    const world = inferenceWorld(bothEndpoints());

    const events = await replyOf(world.service);

    expect(events).toMatchObject([{ kind: "failed", failure: { isRetryable: true }, model: MODEL }]);
    const message = events[0]?.kind === "failed" ? events[0].failure.message : "";
    expect(message).toContain("first is broken");
    expect(message).toContain("second is broken");
  });

  test("does not go elsewhere with a request that is wrong", async () => {
    first.enqueue(status(400, "messages are wrong"));
    const world = inferenceWorld(bothEndpoints());

    const events = await replyOf(world.service);

    expect(events).toMatchObject([{ kind: "failed", failure: { kind: "refused" }, model: MODEL }]);
    expect(second.chats).toHaveLength(0);
  });

  test("is asked again without thinking when the model cannot think", async () => {
    first.enqueue(refusal.doesNotSupport("m", "thinking"), reply().text("42"));
    const world = inferenceWorld([endpointState("first", first.url)]);

    const events = await replyOf(world.service, { ...QUESTION, options: { thinking: true } });

    expect(events.at(-1)).toMatchObject({ kind: "done" });
    expect(world.directory.learned).toEqual(["first lacks thinking"]);
  });

  test("is refused under a budget that is used up, before anything is sent", async () => {
    const admit = () => ({ kind: "refused", reason: "the day's budget is used up", retryAfterMs: 5_000 }) as const;
    const world = inferenceWorld(bothEndpoints(), { admit });

    const events = await replyOf(world.service);

    expect(events).toMatchObject([{ kind: "failed", failure: { kind: "budget", retryAfterMs: 5_000 } }]);
    expect(first.requests).toHaveLength(0);
  });

  test("is refused by a budget that ended while it waited for a place", async () => {
    const held = gate();
    first.enqueue(reply().waitFor(held.opened).text("a"), reply().text("b"));
    let isUsedUp = false;
    const reason = "the day's budget is used up";
    const world = inferenceWorld([endpointState("first", first.url)], {
      slots: () => 1,
      admit: () => (isUsedUp ? { kind: "refused", reason, retryAfterMs: null } : { kind: "allowed" }),
    });
    const holding = replyOf(world.service);
    await first.chat(1);
    const waiting = replyOf(world.service);

    isUsedUp = true;
    held.open();
    const events = await waiting;
    await holding;

    expect(events).toMatchObject([{ kind: "failed", failure: { kind: "budget", message: reason } }]);
    expect(first.chats).toHaveLength(1);
  });

  test("is explained as it would be treated: refused under a used-up budget, with every candidate", () => {
    const admit = () => ({ kind: "refused", reason: "the day's budget is used up", retryAfterMs: 5_000 }) as const;
    const refusing = inferenceWorld(bothEndpoints(), { admit, allowSpill: true });
    const localOnly = inferenceWorld([endpointState("first", first.url, { kind: "anthropic" })], {
      admit: () => ({ kind: "localOnly", reason: "the day's money is spent" }),
    });

    expect(refusing.service.explain(QUESTION, FOR_TASK)).toMatchObject({
      chosen: null,
      reason: "the day's budget is used up",
      retryAfterMs: 5_000,
    });
    expect(localOnly.service.explain(QUESTION, { ...FOR_TASK, kinds: ["anthropic"] })).toMatchObject({
      chosen: null,
      reason: "the day's money is spent",
    });
  });

  test("may be answered partly on the CPU as the node is set, and as it says itself", async () => {
    const world = inferenceWorld(bothEndpoints(), { allowSpill: true });
    first.otherwise(reply().text("a"));

    await replyOf(world.service);
    await replyOf(world.service, QUESTION, { ...FOR_TASK, allowSpill: false });

    expect(world.router.asked.map(({ allowSpill }) => allowSpill)).toEqual([true, false]);
  });

  test("leaves Claude aside under a budget for local models only", async () => {
    const admit = () => ({ kind: "localOnly", reason: "the day's money is spent" }) as const;
    const states = [endpointState("first", first.url, { kind: "anthropic" }), endpointState("second", second.url)];
    second.enqueue(reply().text("42"));
    const world = inferenceWorld(states, { admit });

    const events = await replyOf(world.service);

    expect(events[0]).toMatchObject({ kind: "routed", endpoint: "second" });
  });
});

describe("deadlines", () => {
  test("a first token that does not come in time sends the request elsewhere", async () => {
    first.enqueue(reply().silence());
    second.enqueue(reply().text("42"));
    const clock = new SimulatedClock();
    const world = inferenceWorld(bothEndpoints(), {
      clock,
      limits: { ...DEFAULT_INFERENCE_LIMITS, firstTokenMs: 1_000 },
    });

    const running = replyOf(world.service);
    const silent = await first.chat(1);
    clock.advance(1_000);
    const events = await running;

    expect(events[0]).toMatchObject({ kind: "routed", endpoint: "second" });
    expect(await silent.ended).toBe("abandoned");
  });

  test("silence within a reply ends it as timed out", async () => {
    const never = gate();
    first.enqueue(reply().text("4").waitFor(never.opened).text("2"));
    const clock = new SimulatedClock();
    const world = inferenceWorld([endpointState("first", first.url)], { clock });
    const seen: string[] = [];

    const running = (async () => {
      for await (const event of world.service.chat(QUESTION, FOR_TASK, new AbortController().signal)) {
        seen.push(event.kind === "failed" ? event.failure.kind : event.kind);
      }
    })();
    await waitUntil("the first token", () => seen.includes("text"));
    await new Promise((resolve) => setImmediate(resolve)); // the wait for the next token has begun
    clock.advance(DEFAULT_INFERENCE_LIMITS.betweenTokensMs);
    await running;

    expect(seen).toEqual(["routed", "text", "timedOut"]);
    expect(world.directory.outcomes).toEqual([["first", "fault"]]);
  });
});

describe("admission", () => {
  test("no more requests than slots are with a model at once, and those that wait are served in order", async () => {
    const gates = [gate(), gate(), gate()];
    for (const one of gates) first.enqueue(reply().waitFor(one.opened).text("x"));
    const world = inferenceWorld([endpointState("first", first.url)], { slots: () => 1 });
    const ended: number[] = [];
    const runs = [0, 1, 2].map((index) => replyOf(world.service).then(() => ended.push(index)));

    for (const [index, one] of gates.entries()) {
      await first.chat(index + 1);
      expect(world.directory.running("first")).toBe(1);
      expect(world.service.waiting).toBe(2 - index);
      one.open();
    }
    await Promise.all(runs);

    expect(ended).toEqual([0, 1, 2]);
    expect(first.openMost).toBe(1);
  });

  test("a more urgent request passes those that wait", async () => {
    const held = gate();
    first.enqueue(reply().waitFor(held.opened).text("a"), reply().text("b"), reply().text("c"));
    const world = inferenceWorld([endpointState("first", first.url)], { slots: () => 1 });
    const ended: string[] = [];
    const run = (name: string, priority: "critical" | "background") =>
      replyOf(world.service, QUESTION, { ...FOR_TASK, priority }).then(() => ended.push(name));

    const runs = [run("first", "background")];
    await first.chat(1);
    runs.push(run("idle", "background"), run("urgent", "critical"));
    held.open();
    await Promise.all(runs);

    expect(ended).toEqual(["first", "urgent", "idle"]);
  });

  test("a request that waits too long is told so, and one that is cancelled leaves at once", async () => {
    const held = gate();
    first.enqueue(reply().waitFor(held.opened).text("a"));
    const clock = new SimulatedClock();
    const world = inferenceWorld([endpointState("first", first.url)], { clock, slots: () => 1 });
    const holding = replyOf(world.service);
    await first.chat(1);
    const stop = new AbortController();

    const late = replyOf(world.service);
    const cancelled = replyOf(world.service, QUESTION, FOR_TASK, stop.signal);
    stop.abort();
    const cancelledEvents = await cancelled;
    clock.advance(DEFAULT_INFERENCE_LIMITS.queueMs + 1_000);
    const lateEvents = await late;
    held.open();
    await holding;

    expect(cancelledEvents).toMatchObject([{ failure: { kind: "cancelled" } }]);
    expect(lateEvents).toMatchObject([{ failure: { kind: "noRoute", isRetryable: true } }]);
    expect(world.service.waiting).toBe(0);
  });

  test("a reader that goes away frees the place and ends the request at the server", async () => {
    const never = gate();
    first.enqueue(reply().text("4").waitFor(never.opened).text("2"));
    const world = inferenceWorld([endpointState("first", first.url)]);

    for await (const event of world.service.chat(QUESTION, FOR_TASK, new AbortController().signal)) {
      if (event.kind === "text") break;
    }
    const seen = await first.chat(1);

    expect(await seen.ended).toBe("abandoned");
    expect(world.directory.running("first")).toBe(0);
  });
});

describe("embeddings", () => {
  test("come from the next endpoint when the first has a fault", async () => {
    first.otherwiseAt("/api/embed", status(500, "broken"));
    const world = inferenceWorld(bothEndpoints());

    const outcome = await world.service.embed({ texts: ["a", "b"] }, FOR_TASK, new AbortController().signal);

    expect(outcome).toMatchObject({ kind: "done", model: MODEL });
    expect(outcome.kind === "done" ? outcome.reply.vectors : []).toHaveLength(2);
    expect(world.directory.outcomes).toEqual([
      ["first", "modelFault"],
      ["second", "ok"],
    ]);
  });

  test("of an endpoint that hangs come from another after the deadline, and the place is freed", async () => {
    first.otherwiseAt("/api/embed", reply().silence());
    const clock = new SimulatedClock();
    const world = inferenceWorld(bothEndpoints(), { clock });

    const running = world.service.embed({ texts: ["a"] }, FOR_TASK, new AbortController().signal);
    await waitUntil("the request", () => first.requests.length > 0);
    expect(world.directory.running("first")).toBe(1);
    clock.advance(DEFAULT_INFERENCE_LIMITS.firstTokenMs);
    const outcome = await running;

    expect(outcome).toMatchObject({ kind: "done" });
    expect(world.directory.running("first")).toBe(0);
    expect(world.directory.outcomes).toEqual([
      ["first", "fault"],
      ["second", "ok"],
    ]);
    expect(first.openNow).toBe(0);
  });

  test("end at once when the caller leaves, also at a server that hangs", async () => {
    first.otherwiseAt("/api/embed", reply().silence());
    const world = inferenceWorld([endpointState("first", first.url)]);
    const leaving = new AbortController();

    const running = world.service.embed({ texts: ["a"] }, FOR_TASK, leaving.signal);
    await waitUntil("the request", () => first.requests.length > 0);
    leaving.abort();

    expect(await running).toMatchObject({ failure: { kind: "cancelled" } });
    expect(world.directory.running("first")).toBe(0);
  });

  test("need the context of the longest text, and none where a longer one may be cut", async () => {
    const world = inferenceWorld([endpointState("first", first.url)]);
    const ask = (truncate?: boolean) =>
      world.service.embed(
        { texts: ["a".repeat(400), "b".repeat(4_000)], ...(truncate === undefined ? {} : { truncate }) },
        FOR_TASK,
        new AbortController().signal,
      );

    await ask();
    await ask(false);

    expect(world.router.asked).toMatchObject([
      { contextTokens: 1_004, promptTokens: 1_108, mayTruncate: true, outputTokens: 0 },
      { contextTokens: 1_004, mayTruncate: false },
    ]);
  });
});
