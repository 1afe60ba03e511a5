import { Ollama } from "ollama";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type HttpServer, serveApi } from "#api";
import { present, silentLogger } from "#base";
import { endpointState, MODEL } from "../../support/inference-world.ts";
import { modelPorts } from "../../support/model-ports.ts";
import { bodyField } from "../../support/models/recorded-request.ts";
import { gate, refusal, reply } from "../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../support/models/scripted-server.ts";
import { containing, createHarness, TOKEN } from "./api-harness.ts";

const TOOL = {
  type: "function",
  function: {
    name: "read_file",
    description: "Reads a file.",
    parameters: { type: "object", properties: { path: { type: "string" } } },
  },
} as const;
const HELLO = [{ role: "user" as const, content: "hello" }];

let backend: ScriptedServer;
let server: HttpServer;
let ollama: Ollama;
let openai: OpenAI;

beforeEach(async () => {
  backend = await startScriptedServer();
  server = await serve();
  const headers = { Authorization: `Bearer ${TOKEN}` };
  ollama = new Ollama({ host: `${server.url}/ollama`, headers });
  openai = new OpenAI({ baseURL: `${server.url}/openai/v1`, apiKey: TOKEN, maxRetries: 0 });
});

afterEach(async () => {
  await server.stop({ graceMs: 0 });
  await backend.stop();
});

async function serve(kind: "ollama" | "openai" = "ollama", isGatewayOpen = true): Promise<HttpServer> {
  const models = modelPorts([endpointState("one", backend.url, { kind })], { isGatewayOpen });
  const { api } = createHarness({ ports: { models } });
  const served = await serveApi(api, { host: "127.0.0.1", port: 0, logger: silentLogger });
  if (!served.ok) throw new Error(served.error.message);
  return served.value;
}

describe("the unmodified client of Ollama", () => {
  test("lists models, loaded ones and the version, and asks what a model can do", async () => {
    const [tags, ps, shown, version] = await Promise.all([
      ollama.list(),
      ollama.ps(),
      ollama.show({ model: MODEL }),
      ollama.version(),
    ]);

    expect(tags.models.at(-1)).toMatchObject({ name: MODEL, size: 1_000, details: { quantization_level: "F16" } });
    expect(ps.models).toEqual([]);
    expect(shown.capabilities).toContain("tools");
    expect(version.version).toBe("1.2.3");
  });

  test("streams a chat with thinking, text and a tool call, and gets the figures at its end", async () => {
    backend.enqueue(
      reply()
        .thinking("hm")
        .tokens("a", "b")
        .toolCall("read_file", { path: "x" })
        .ending({ promptTokens: 7, completionTokens: 5, prefillMs: 2, decodeMs: 4 }),
    );

    const parts = [];
    for await (const part of await ollama.chat({ model: MODEL, messages: HELLO, tools: [TOOL], stream: true }))
      parts.push(part);

    const said = parts.map(({ message }) => message);
    expect(said.map(({ content }) => content).join("")).toBe("ab");
    expect(said.find(({ thinking }) => thinking !== undefined)?.thinking).toBe("hm");
    expect(said.flatMap(({ tool_calls: calls }) => calls ?? [])).toMatchObject([
      { function: { name: "read_file", arguments: { path: "x" } } },
    ]);
    expect(parts.at(-1)).toMatchObject({
      done: true,
      done_reason: "stop",
      prompt_eval_count: 7,
      eval_count: 5,
      prompt_eval_duration: 2_000_000,
      eval_duration: 4_000_000,
    });
  });

  test("gets a whole reply without a stream, in the form it asked for", async () => {
    backend.enqueue(reply().tokens('{"a"', ":1}"));
    const format = { type: "object", properties: { a: { type: "integer" } } };

    const whole = await ollama.chat({ model: MODEL, messages: HELLO, format, options: { num_ctx: 2_048, seed: 4 } });

    expect(whole.message.content).toBe('{"a":1}');
    const [sent] = backend.chats;
    expect(bodyField(present(sent, "chat"), "format")).toEqual(format);
    expect(bodyField(present(sent, "chat"), "options")).toEqual({ seed: 4 });
  });

  test("generates, also with a suffix, and loads a model by an empty prompt", async () => {
    backend.enqueue(reply().text("between"), reply());

    const generated = await ollama.generate({ model: MODEL, prompt: "before", suffix: "after" });
    const loaded = await ollama.generate({ model: MODEL, prompt: "" });

    expect(generated.response).toBe("between");
    expect(bodyField(present(backend.chats[0], "chat"), "suffix")).toBe("after");
    expect(loaded.done_reason).toBe("load");
  });

  test("gets one vector per text", async () => {
    const embedded = await ollama.embed({ model: MODEL, input: ["a", "b"] });

    expect(embedded.embeddings).toHaveLength(2);
  });

  test("has its wishes for vectors handed on", async () => {
    await ollama.embed({ model: MODEL, input: "a", dimensions: 64, truncate: false, options: { num_thread: 2 } });

    const sent = present(backend.requests.at(-1), "request");
    expect(bodyField(sent, "dimensions")).toBe(64);
    expect(bodyField(sent, "truncate")).toBe(false);
    expect(bodyField(sent, "options")).toEqual({ num_thread: 2 });
  });

  test("that would unload a model is refused, and nothing is loaded instead", async () => {
    const asked = await Promise.allSettled([
      ollama.generate({ model: MODEL, prompt: "", keep_alive: 0 }),
      ollama.chat({ model: MODEL, messages: [], keep_alive: "0s" }),
    ]);

    for (const one of asked)
      expect(one).toMatchObject({ reason: { message: containing("unloaded at the endpoints") } });
    expect(backend.chats).toHaveLength(0);
  });

  test("hears of a model that no endpoint has, with status 404", async () => {
    const asked = ollama.chat({ model: "none", messages: HELLO });

    await expect(asked).rejects.toMatchObject({ name: "ResponseError", status_code: 404 });
  });

  test("hears of a reply that broke off as an error, never as an end", async () => {
    backend.enqueue(reply().text("so far").errorInStream("the runner has died"));
    const seen: string[] = [];

    const reading = (async () => {
      for await (const part of await ollama.chat({ model: MODEL, messages: HELLO, stream: true })) {
        seen.push(part.message.content);
      }
    })();

    await expect(reading).rejects.toThrow("the runner has died");
    expect(seen).toEqual(["so far"]);
  });

  test("ends the request at the endpoint when it goes away", async () => {
    const never = gate();
    backend.enqueue(reply().text("a").waitFor(never.opened).text("b"));

    const stream = await ollama.chat({ model: MODEL, messages: HELLO, stream: true });
    for await (const part of stream) if (part.message.content === "a") break;
    stream.abort();
    const seen = await backend.chat(1);

    expect(await seen.ended).toBe("abandoned");
  });
});

describe("the unmodified client of OpenAI", () => {
  test("lists models", async () => {
    const listed = await openai.models.list();
    const one = await openai.models.retrieve(MODEL);

    expect(listed.data.at(-1)?.id).toBe(MODEL);
    expect(one.id).toBe(MODEL);
  });

  test("streams a chat of an Ollama endpoint, tool calls and usage included", async () => {
    backend.enqueue(
      reply().tokens("a", "b").toolCall("read_file", { path: "x" }).ending({ promptTokens: 7, completionTokens: 5 }),
    );

    const stream = await openai.chat.completions.create({
      model: MODEL,
      messages: HELLO,
      tools: [{ ...TOOL, function: { ...TOOL.function } }],
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);

    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
    expect(deltas.map(({ content }) => content ?? "").join("")).toBe("ab");
    const call = deltas.flatMap(({ tool_calls: calls }) => calls ?? [])[0];
    expect(call).toMatchObject({
      index: 0,
      type: "function",
      function: { name: "read_file", arguments: '{"path":"x"}' },
    });
    expect(chunks.flatMap(({ choices }) => choices).at(-1)?.finish_reason).toBe("tool_calls");
    expect(chunks.at(-1)?.usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 });
  });

  test("gets a whole reply, and sends back a tool's result that the endpoint understands", async () => {
    backend.enqueue(reply().toolCall("read_file", { path: "x" }, "call_9"), reply().text("done"));
    const tools = [{ ...TOOL, function: { ...TOOL.function } }];

    const asked = await openai.chat.completions.create({ model: MODEL, messages: HELLO, tools });
    const message = present(asked.choices[0], "choice").message;
    const [call] = message.tool_calls ?? [];
    const final = await openai.chat.completions.create({
      model: MODEL,
      messages: [...HELLO, message, { role: "tool", tool_call_id: call?.id ?? "", content: "its text" }],
    });

    expect(asked.choices[0]?.finish_reason).toBe("tool_calls");
    expect(final.choices[0]?.message.content).toBe("done");
    const sent = JSON.stringify(present(backend.chats[1], "chat").body);
    expect(sent).toContain('"tool_name":"read_file"');
    expect(sent).toContain('"arguments":{"path":"x"}');
  });

  test("has its penalties and its choice of a tool handed on, as far as each dialect has them", async () => {
    backend.otherwise(reply().text("x"));
    const other = { ...TOOL, function: { ...TOOL.function, name: "other" } };
    const choice = { type: "function", function: { name: "read_file" } } as const;
    const asked = {
      model: MODEL,
      messages: HELLO,
      tools: [TOOL, other].map((tool) => ({ ...tool, function: { ...tool.function } })),
      frequency_penalty: 0.5,
      presence_penalty: 0.25,
    };
    const served = await serve("openai");
    const direct = new OpenAI({ baseURL: `${served.url}/openai/v1`, apiKey: TOKEN, maxRetries: 0 });

    await openai.chat.completions.create({ ...asked, tool_choice: choice });
    await direct.chat.completions.create({ ...asked, tool_choice: choice });
    await direct.chat.completions.create({ ...asked, tool_choice: "required" });
    await served.stop({ graceMs: 0 });

    const [toOllama, named, required] = backend.chats.map((chat) => (name: string) => bodyField(chat, name));
    expect(toOllama?.("options")).toMatchObject({ frequency_penalty: 0.5, presence_penalty: 0.25 });
    expect(toOllama?.("tools")).toMatchObject([{ function: { name: "read_file" } }]);
    expect(named?.("tool_choice")).toEqual(choice);
    expect(named?.("tools")).toHaveLength(2);
    expect(named?.("frequency_penalty")).toBe(0.5);
    expect(required?.("tool_choice")).toBe("required");
  });

  test("gets vectors in the form that it asks for by itself", async () => {
    const embedded = await openai.embeddings.create({ model: MODEL, input: ["a", "b"] });

    expect(embedded.data).toHaveLength(2);
    expect(embedded.data[0]?.embedding.length).toBeGreaterThan(0);
  });

  test("gets vectors of the length that it asks for, from endpoints of both dialects", async () => {
    await openai.embeddings.create({ model: MODEL, input: ["a"], dimensions: 64 });
    const served = await serve("openai");
    const other = new OpenAI({ baseURL: `${served.url}/openai/v1`, apiKey: TOKEN, maxRetries: 0 });
    await other.embeddings.create({ model: MODEL, input: ["a"], dimensions: 32 });
    await served.stop({ graceMs: 0 });

    const asked = backend.requests.map((request) => [request.path, bodyField(request, "dimensions")]);
    expect(asked).toEqual([
      ["/api/embed", 64],
      ["/v1/embeddings", 32],
    ]);
  });

  test("hears of refusals in its own form", async () => {
    backend.enqueue(refusal.serverBusy());

    const asked = await Promise.allSettled([
      openai.chat.completions.create({ model: "none", messages: HELLO }),
      openai.chat.completions.create({ model: MODEL, messages: HELLO }),
      openai.chat.completions.create({ model: MODEL, messages: [] }),
    ]);

    const reasons = asked.map((one): unknown => (one.status === "rejected" ? one.reason : one));
    expect(reasons).toMatchObject([
      { status: 404, code: "notFound" },
      { status: 503 },
      { status: 400, message: containing("messages") },
    ]);
  });

  test("hears of a reply that broke off", async () => {
    backend.enqueue(reply().text("so far").cut());

    const reading = (async () => {
      const stream = await openai.chat.completions.create({ model: MODEL, messages: HELLO, stream: true });
      for await (const chunk of stream) if (chunk.choices.length > 1) break;
    })();

    await expect(reading).rejects.toThrow(/broke off|ended|terminated|error/i);
  });
});

describe("the gateway", () => {
  test("lets the fleet choose by tier under a name of its own", async () => {
    backend.enqueue(reply().text("a"));

    const whole = await ollama.chat({ model: "drover:complex", messages: HELLO });

    expect(whole.message.content).toBe("a");
    expect(bodyField(present(backend.chats[0], "chat"), "model")).toBe(MODEL);
  });

  test("translates between an OpenAI endpoint and a client of Ollama", async () => {
    await server.stop({ graceMs: 0 });
    server = await serve("openai");
    const client = new Ollama({ host: `${server.url}/ollama`, headers: { Authorization: `Bearer ${TOKEN}` } });
    backend.enqueue(reply().text("a").toolCall("read_file", { path: "x" }));

    const whole = await client.chat({ model: MODEL, messages: HELLO, tools: [TOOL] });

    expect(whole.message).toMatchObject({ content: "a", tool_calls: [{ function: { arguments: { path: "x" } } }] });
    expect(present(backend.chats[0], "chat").path).toBe("/v1/chat/completions");
  });

  test("answers nobody without the token, and nobody at all when it is closed", async () => {
    const stranger = await fetch(`${server.url}/ollama/api/tags`);
    await server.stop({ graceMs: 0 });
    server = await serve("ollama", false);
    const headers = { authorization: `Bearer ${TOKEN}` };
    const closed = await fetch(`${server.url}/ollama/api/tags`, { headers });

    expect(stranger.status).toBe(401);
    expect(closed.status).toBe(403);
    expect(await closed.json()).toMatchObject({ error: containing("http.gateway") });
  });

  test("does not manage models, and says so", async () => {
    const headers = { authorization: `Bearer ${TOKEN}` };

    const answer = await fetch(`${server.url}/ollama/api/pull`, { method: "POST", headers, body: "{}" });

    expect(answer.status).toBe(405);
  });

  test.each(["", "{", "[]", '{"model":3}', `{"model":"m","messages":[{"role":"king"}]}`])(
    "refuses the body %j in words, without asking a model",
    async (body) => {
      const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };

      const answers = await Promise.all(
        ["/ollama/api/chat", "/openai/v1/chat/completions"].map((path) =>
          fetch(`${server.url}${path}`, { method: "POST", headers, body }),
        ),
      );

      expect(answers.map(({ status }) => status)).toEqual([400, 400]);
      expect(backend.chats).toHaveLength(0);
    },
  );
});
