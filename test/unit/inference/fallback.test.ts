import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SimulatedClock } from "#base";
import { DEFAULT_INFERENCE_LIMITS } from "#inference";
import { endpointState, FOR_TASK, inferenceWorld, QUESTION, replyOf } from "../../support/inference-world.ts";
import { bodyField } from "../../support/models/recorded-request.ts";
import { refusal, reply, status } from "../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../support/models/scripted-server.ts";

const MODELS = ["a:latest", "b:latest", "c:latest"];
const CHAIN = { ...FOR_TASK, models: MODELS };

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

const one = () => endpointState("first", first.url, {}, MODELS);
const other = () => endpointState("second", second.url, {}, MODELS);
const asked = (server: ScriptedServer) => server.chats.map((chat) => bodyField(chat, "model"));

describe("within one request, the next model of the chain", () => {
  test.each([
    ["is not there", refusal.modelNotFound("a"), "neutral"],
    ["cannot be loaded", status(500, "model requires more system memory (9 GiB) than is available"), "modelFault"],
    ["crashes", status(500, "broken"), "modelFault"],
    ["cannot do what is asked", refusal.doesNotSupport("a", "chat"), "neutral"],
  ] as const)("answers at the same endpoint when the first %s", async (_name, answer, outcome) => {
    first.enqueue(answer, reply().text("42"));
    const world = inferenceWorld([one()]);

    const events = await replyOf(world.service, QUESTION, CHAIN);

    expect(events[0]).toMatchObject({ kind: "routed", endpoint: "first", model: "b:latest" });
    expect(asked(first)).toEqual(["a:latest", "b:latest"]);
    expect(world.directory.outcomes).toEqual([
      ["first", outcome],
      ["first", "ok"],
    ]);
  });

  test("is not asked at an endpoint that is itself at fault", async () => {
    first.enqueue(refusal.serverBusy());
    second.enqueue(reply().text("42"));
    const world = inferenceWorld([one(), other()]);

    const events = await replyOf(world.service, QUESTION, CHAIN);

    expect(events[0]).toMatchObject({ kind: "routed", endpoint: "second", model: "a:latest" });
    expect(asked(first)).toEqual(["a:latest"]);
  });

  test("is not asked where two models failed alike: then it is the server", async () => {
    first.enqueue(status(500, "broken"), status(500, "broken"));
    second.enqueue(reply().text("42"));
    const world = inferenceWorld([one(), other()]);

    const events = await replyOf(world.service, QUESTION, CHAIN);

    expect(events[0]).toMatchObject({ kind: "routed", endpoint: "second" });
    expect(asked(first)).toEqual(["a:latest", "b:latest"]);
  });

  test("is told of with what the others said, when all have failed", async () => {
    first.enqueue(...MODELS.map((name) => refusal.modelNotFound(name)));
    const world = inferenceWorld([one()]);

    const events = await replyOf(world.service, QUESTION, CHAIN);

    expect(asked(first)).toEqual(MODELS);
    const message = events[0]?.kind === "failed" ? events[0].failure.message : "";
    expect(events).toMatchObject([{ kind: "failed", failure: { kind: "notFound" } }]);
    for (const name of ["a", "b"]) expect(message.split(`${name}:latest on first`)).toHaveLength(2);
  });

  test("answers after one whose first token did not come in time only at another endpoint", async () => {
    first.enqueue(reply().silence());
    second.enqueue(reply().text("42"));
    const clock = new SimulatedClock();
    const world = inferenceWorld([one(), other()], { clock });

    const running = replyOf(world.service, QUESTION, CHAIN);
    await first.chat(1);
    clock.advance(DEFAULT_INFERENCE_LIMITS.firstTokenMs);
    const events = await running;

    expect(events[0]).toMatchObject({ kind: "routed", endpoint: "second", model: "a:latest" });
  });
});
