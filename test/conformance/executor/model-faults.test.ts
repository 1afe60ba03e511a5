import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Model } from "#hw";
import type { ChatModel } from "#inference";
import { endpointState, MODEL } from "../../support/inference-world.ts";
import { lastOf, ModelWorld, messagesIn, worldAt } from "../../support/model-attempt-world.ts";
import { bodyField } from "../../support/models/recorded-request.ts";
import { gate, refusal, reply } from "../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../support/models/scripted-server.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const WRITE = { name: "write_file", arguments: { path: "a.txt", content: "written\n" } };
const SPEC = { title: "Write a.txt", verify: [{ kind: "file_contains", path: "a.txt", pattern: "written" }] };

let server: ScriptedServer;
let world: ModelWorld;

beforeEach(async () => {
  server = await startScriptedServer();
  world = worldAt(folder(), server.url);
  await world.startNode();
});

afterEach(async () => {
  await world.stop();
  await server.stop();
});

describe("an attempt whose model", () => {
  test("writes its calls as text, in pieces of a byte, has them executed all the same", async () => {
    const asText = `Now I write it.\n<tool_call>\n${JSON.stringify(WRITE)}\n</tool_call>`;
    server.enqueue(reply().text(asText).inPiecesOf(1), reply().text("Written."));

    const request = await world.launch(SPEC);
    const result = await world.resultOf(request);

    expect(result).toMatchObject({ outcome: "passed", model: { replies: 2 } });
    expect(readFileSync(join(world.workspaceOf(request), "a.txt"), "utf8")).toBe("written\n");
    expect(messagesIn(server.chats[1]).at(-2)?.content).not.toContain("tool_call");
  });

  test("calls a tool that does not exist has nothing executed, and is told which there are", async () => {
    server.enqueue(
      reply().toolCall("shell", { command: "touch evil.txt" }),
      reply().toolCall(WRITE.name, WRITE.arguments),
      reply().text("Written."),
    );

    const request = await world.launch(SPEC);
    const result = await world.resultOf(request);

    expect(result.outcome).toBe("passed");
    expect(existsSync(join(world.workspaceOf(request), "evil.txt"))).toBe(false);
    expect(world.logOf(request)).not.toContain("call shell");
    expect(lastOf(server.chats[1]).content).toMatch(/shell.*read_file, write_file/s);
  });

  test("has calls that its server cannot read is asked for a constrained reply, and works by that", async () => {
    const done = { final: "Written." };
    server.enqueue(
      refusal.badToolCall('{"name": "write_file", "arg'),
      refusal.badToolCall('{"name": "write_file", "arg'),
      reply().text(JSON.stringify(WRITE)),
      reply().text(JSON.stringify(done)),
    );

    const result = await world.run(SPEC);

    expect(result).toMatchObject({ outcome: "passed", model: { lastWords: "Written." } });
    expect(server.chats.map((chat) => bodyField(chat, "tools") !== undefined)).toEqual([true, true, false, false]);
    expect(server.chats.map((chat) => bodyField(chat, "format") !== undefined)).toEqual([false, false, true, true]);
  });

  test("has no tools is asked for a constrained reply at once, also when its server ignores the form", async () => {
    server.enqueue(
      refusal.doesNotSupport(MODEL, "tools"),
      reply().text(`Sure! Here it is:\n\`\`\`json\n${JSON.stringify(WRITE)}\n\`\`\``),
      reply().text("All done, a.txt has the text."),
      reply().text(JSON.stringify({ final: "Written." })),
    );

    const result = await world.run(SPEC);

    expect(result.outcome).toBe("passed");
    expect(JSON.stringify(bodyField(server.chats[1] ?? never(), "format"))).toContain('"enum":["write_file"]');
  });

  test("only replies with nothing is urged, constrained, and given up with its partial work", async () => {
    server.enqueue(reply().toolCall(WRITE.name, WRITE.arguments)).otherwise(reply());

    const result = await world.run(
      { title: "Two files", verify: [...SPEC.verify, { kind: "file_exists", path: "b.txt" }] },
      { corrections: 0 },
    );

    expect(result).toMatchObject({ outcome: "partial_pass", consequence: "retryable" });
    expect(result.error).toContain("the model went round in circles");
    expect(server.chats.length).toBeLessThan(10);
    expect(server.chats.some((chat) => bodyField(chat, "format") !== undefined)).toBe(true);
  });

  test("breaks off within a reply is asked again, and a call of the half reply is not executed", async () => {
    const seen = gate();
    server.enqueue(
      reply().toolCall("run_command", { command: "echo half >> ran.txt" }).text("And").waitFor(seen.opened).cut(),
      reply().toolCall("run_command", { command: "echo whole >> ran.txt" }),
      reply().text("Ran."),
    );

    await world.closeModels();
    world.openModels(watched(world.inference.service, () => seen.open()));

    const request = await world.launch({ title: "Run it" });
    const result = await world.resultOf(request);

    expect(result.outcome).toBe("passed");
    expect(readFileSync(join(world.workspaceOf(request), "ran.txt"), "utf8")).toBe("whole\n");
    expect(world.logOf(request)).toContain("no reply (ask again)");
    // The prompt of the half reply is charged by estimate, and its two pieces are.
    expect(result.model).toMatchObject({ replies: 2, completionTokens: 16 });
    expect(result.model?.promptTokens).toBeGreaterThan(22 + 500);
  });
});

describe("an attempt with a second model", () => {
  test("goes on with it in the same conversation when the first one gets nowhere", async () => {
    const other = await startScriptedServer();
    const [model] = endpointState("two", other.url).models;
    const second: Model = { ...(model ?? never()), name: "n:latest" };
    const endpoints = [endpointState("one", server.url), { ...endpointState("two", other.url), models: [second] }];
    const both = new ModelWorld({ stateDir: folder(), endpoints });
    await both.startNode();
    try {
      server.enqueue(reply().toolCall(WRITE.name, WRITE.arguments)).otherwise(reply());
      other.enqueue(reply().text("It was written before."));

      const result = await both.run(SPEC, { models: [MODEL, "n:latest"] });

      expect(result).toMatchObject({ outcome: "passed", model: { endpoint: "two", model: "n:latest" } });
      expect(messagesIn(other.chats[0])).toContainEqual(expect.objectContaining({ role: "tool" }));
    } finally {
      await both.stop();
      await other.stop();
    }
  });
});

/** Tells when a call of a reply has reached the worker's socket, so that a cut after it loses no more than the rest. */
function watched(model: ChatModel, seen: () => void): ChatModel {
  return {
    async *chat(request, context, signal) {
      for await (const event of model.chat(request, context, signal)) {
        yield event;
        if (event.kind === "toolCall") seen();
      }
    },
  };
}

function never(): never {
  throw new Error("there must be one");
}
