import { afterEach, describe, expect, it } from "vitest";
import { ollamaClient, unloadModel } from "#inference";
import { endpointState, inferenceWorld } from "../../support/inference-world.ts";
import { reply } from "../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../support/models/scripted-server.ts";
import { realClock } from "../../support/real-clock.ts";

let server: ScriptedServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

const LIMITS = { firstTokenMs: 5_000, betweenTokensMs: 5_000, totalMs: 10_000, queueMs: 1_000, keepAliveSeconds: null };

describe("a model that is to be given up", () => {
  it("is asked nothing, and kept for no time", async () => {
    server = await startScriptedServer();
    server.otherwise(reply().ending({ reason: "unload" }));
    const { directory } = inferenceWorld([endpointState("box", server.url)], { clock: realClock });

    const failure = await unloadModel(
      { directory, client: ollamaClient, limits: LIMITS, clock: realClock },
      "box",
      "m:1b",
    );
    const asked = server.requests.filter(({ path }) => path === "/api/chat").map(({ body }) => body);

    expect(failure).toBeUndefined();
    expect(asked).toEqual([expect.objectContaining({ messages: [], keep_alive: 0 })]);
  });

  it("of a server that loads none on demand is not", async () => {
    const { directory } = inferenceWorld([endpointState("api", "http://127.0.0.1:1", { kind: "openai" })], {
      clock: realClock,
    });
    const ports = { directory, client: ollamaClient, limits: LIMITS, clock: realClock };

    expect(await unloadModel(ports, "api", "m")).toMatchObject({ kind: "notSupported" });
    expect(await unloadModel(ports, "nowhere", "m")).toMatchObject({ kind: "notFound" });
  });
});
