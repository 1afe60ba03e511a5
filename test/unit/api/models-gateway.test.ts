/** What clients other than the two official ones send to the gateway, and what its errors look like. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { present } from "#base";
import type { ModelShape } from "#hw";
import { endpointState, MODEL } from "../../support/inference-world.ts";
import { bodyField } from "../../support/models/recorded-request.ts";
import { reply } from "../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../support/models/scripted-server.ts";
import { anyText, bodyOf, containing } from "./api-harness.ts";
import { modelWorld } from "./models-world.ts";

const HELLO = [{ role: "user", content: "hello" }];
const NAMESPACED = "hf.co/someone/a-model:Q4_K_M";

const SHAPE: ModelShape = {
  architecture: "qwen3",
  blockCount: 36,
  embeddingLength: 4_096,
  headCount: 32,
  headCountKv: [8],
  keyLength: 128,
  valueLength: 128,
  slidingWindow: null,
  fullAttentionEvery: null,
  vocabularySize: null,
  expertCount: null,
  expertUsedCount: null,
  parameterCount: 8_190_735_360,
};

let backend: ScriptedServer;

beforeEach(async () => {
  backend = await startScriptedServer();
  backend.otherwise(reply().text("hi"));
});

afterEach(() => backend.stop());

function gateway(more: Parameters<typeof modelWorld>[1] = {}) {
  const state = endpointState("one", backend.url);
  const [model] = state.models;
  const models = [
    present(model, "model"),
    { ...present(model, "model"), name: NAMESPACED, capabilities: null, shape: SHAPE },
  ];
  const world = modelWorld([{ ...state, models }], more);
  return Object.assign(world.harness.send, { asked: world.asked });
}

/** @returns what reached the endpoint. */
function sent(): (name: string) => unknown {
  const request = present(backend.chats[0], "chat");
  return (name) => bodyField(request, name);
}

describe("clients of Ollama", () => {
  it.each(["GET", "HEAD"])("find it running by %s, with and without a slash at the end", async (method) => {
    const send = gateway();

    const answers = await Promise.all(["/ollama", "/ollama/"].map((path) => send(method, path)));

    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    expect(texts).toEqual(Array.from({ length: 2 }, () => (method === "GET" ? "Ollama is running" : "")));
  });

  it("may send null for whatever they leave open", async () => {
    const send = gateway();
    const call = { function: { name: "f", arguments: { a: 1 } } };

    const chat = await send("POST", "/ollama/api/chat", {
      model: MODEL,
      stream: false,
      format: null,
      think: null,
      options: { num_ctx: 0, num_predict: null, stop: null, seed: 3 },
      messages: [...HELLO, { role: "assistant", content: null, tool_calls: [call] }, { role: "tool", content: "x" }],
      tools: [{ type: "function", function: { name: "f", description: null, parameters: null } }],
    });
    const others = await Promise.all([
      send("POST", "/ollama/api/generate", { model: MODEL, prompt: null, suffix: null, options: null, stream: false }),
      send("POST", "/ollama/api/chat", { model: MODEL, messages: null, stream: false }),
      send("POST", "/ollama/api/embed", { model: MODEL, input: null, prompt: null }),
      send("POST", "/ollama/api/show", { model: null, name: MODEL }),
    ]);

    expect(chat.status).toBe(200);
    expect(sent()("options")).toEqual({ seed: 3 });
    // 0 is no size: it leaves the context to the server.
    expect(send.asked[0]?.contextTokens).toBeGreaterThan(0);
    expect(sent()("tools")).toMatchObject([{ function: { name: "f", description: "" } }]);
    expect(others.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });

  it("that say null for the stream get one, as without a word", async () => {
    const send = gateway();

    const answers = await Promise.all(
      [{ stream: null }, {}].map((more) =>
        send("POST", "/ollama/api/chat", { model: MODEL, messages: HELLO, ...more }),
      ),
    );

    expect(answers.map(({ headers }) => headers.get("content-type"))).toEqual([
      "application/x-ndjson",
      "application/x-ndjson",
    ]);
    const lines = (await present(answers[0], "answer").text()).trim().split("\n");
    expect(JSON.parse(present(lines.at(-1), "line"))).toMatchObject({ done: true });
  });

  it("are told of a model what decides its memory, and that it can complete where nothing is known", async () => {
    const send = gateway();

    const shown = await bodyOf(await send("POST", "/ollama/api/show", { model: NAMESPACED }));

    expect(shown["capabilities"]).toEqual(["completion"]);
    expect(shown["model_info"]).toEqual({
      "general.architecture": "qwen3",
      "general.parameter_count": 8_190_735_360,
      "qwen3.context_length": 8_192,
      "qwen3.block_count": 36,
      "qwen3.embedding_length": 4_096,
      "qwen3.attention.head_count": 32,
    });
  });

  it("hear what is wrong with a field in Ollama's form", async () => {
    const send = gateway();
    const options = { options: { temperature: "hot" } };

    const answer = await send("POST", "/ollama/api/chat", { model: MODEL, messages: HELLO, ...options });

    expect(answer.status).toBe(400);
    expect(await bodyOf(answer)).toEqual({ error: containing("options.temperature: ") });
    expect(backend.chats).toHaveLength(0);
  });
});

describe("clients of OpenAI", () => {
  it("may send null for whatever they leave open", async () => {
    const send = gateway();

    const answer = await send("POST", "/openai/v1/chat/completions", {
      model: MODEL,
      messages: [{ role: "system", content: null }, ...HELLO],
      stream: null,
      stream_options: { include_usage: null },
      tools: [{ type: "function", function: { name: "f", description: null, parameters: null } }],
      tool_choice: null,
      response_format: null,
      max_tokens: null,
      stop: null,
    });
    const vectors = await send("POST", "/openai/v1/embeddings", { model: MODEL, input: "a", encoding_format: null });

    expect(answer.status).toBe(200);
    expect(await bodyOf(answer)).toMatchObject({ choices: [{ message: { content: "hi" }, finish_reason: "stop" }] });
    expect(sent()("tools")).toMatchObject([{ function: { parameters: { type: "object" } } }]);
    expect(vectors.status).toBe(200);
  });

  it("find a model whose name has slashes", async () => {
    const send = gateway();

    const answer = await send("GET", `/openai/v1/models/${encodeURIComponent(NAMESPACED)}`);

    expect(await bodyOf(answer)).toMatchObject({ id: NAMESPACED, object: "model" });
  });

  it.each([
    ["n", { n: 2 }],
    ["logprobs", { logprobs: true }],
    [
      "images",
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "http://a/b.png" } }] }] },
    ],
    ["messages.0.role", { messages: [{ role: "function", content: "x" }] }],
    ["tools.0.type", { tools: [{ type: "custom", name: "x" }] }],
    ["response_format", { response_format: { type: "xml" } }],
    ["max_tokens", { max_tokens: 0 }],
  ])("hear of %s that is not taken, and no model is asked", async (what, more) => {
    const send = gateway();

    const answer = await send("POST", "/openai/v1/chat/completions", { model: MODEL, messages: HELLO, ...more });

    expect(answer.status).toBe(400);
    expect(await bodyOf(answer)).toMatchObject({ error: { message: containing(what), code: "refused" } });
    expect(backend.chats).toHaveLength(0);
  });
});

describe("a body that is too long", () => {
  it.each(["/ollama/api/chat", "/openai/v1/chat/completions"])("is refused by %s in its own form", async (path) => {
    const send = gateway();

    const answer = await send("POST", path, "x".repeat(16 * 1024 * 1024 + 1));

    expect(answer.status).toBe(413);
    const { error } = await bodyOf(answer);
    expect(path.startsWith("/ollama") ? { message: error } : error).toMatchObject({
      message: containing("longer than"),
    });
  });
});

describe("the description of the API", () => {
  it("tells of the gateway, of hardware and of models", async () => {
    const document = await bodyOf(await modelWorld().harness.send("GET", "/openapi.json"));

    // `as`: made by this repository; the check below fails on another shape.
    const paths = document["paths"] as Record<string, Record<string, { readonly tags: readonly string[] }>>;
    const tagged = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { tags }]) => `${tags.join()} ${method} ${path}`),
    );
    expect(tagged.filter((line) => /^(gateway|hardware|models) /.test(line)).sort()).toMatchInlineSnapshot(`
      [
        "gateway get /ollama",
        "gateway get /ollama/api/ps",
        "gateway get /ollama/api/tags",
        "gateway get /ollama/api/version",
        "gateway get /openai/v1/models",
        "gateway get /openai/v1/models/{id}",
        "gateway post /ollama/api/chat",
        "gateway post /ollama/api/embed",
        "gateway post /ollama/api/embeddings",
        "gateway post /ollama/api/generate",
        "gateway post /ollama/api/show",
        "gateway post /openai/v1/chat/completions",
        "gateway post /openai/v1/embeddings",
        "hardware get /api/hw",
        "hardware get /api/hw/history",
        "models delete /api/endpoints/{id}",
        "models get /api/endpoints",
        "models get /api/models",
        "models get /api/usage",
        "models post /api/endpoints",
        "models post /api/endpoints/{id}/probe",
        "models post /api/route/explain",
      ]
    `);
    expect(document["info"]).toMatchObject({ description: anyText });
    expect(JSON.stringify(paths["/openai/v1/models/{id}"])).toContain('"name":"id"');
    expect(paths["/api/hw"]).toMatchObject({ get: { summary: containing("Processor") } });
  });
});
