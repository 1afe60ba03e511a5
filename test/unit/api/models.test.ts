import { describe, expect, it } from "vitest";
import type { ModelPorts } from "#api";
import { err, ok, refused, retryable } from "#base";
import type { EndpointState, HostCapacity, Model } from "#hw";
import { hardwareView } from "../../../src/api/hardware-view.ts";
import { endpointState, MODEL } from "../../support/inference-world.ts";
import { CAPACITY } from "../../support/model-ports.ts";
import { anyText } from "./api-harness.ts";
import { answer, faultsOf, modelWorld } from "./models-world.ts";

const DAY_MS = 86_400_000;

describe("what the host has", () => {
  it("is told with what is free on each card, and without the processes of strangers", async () => {
    const { harness } = modelWorld();

    const { status, body } = await answer(harness, "GET", "/api/hw");

    expect(status).toBe(200);
    expect(body).toMatchObject({
      cpu: { availableCount: 4, loadRatio: 0.5 },
      gpus: [{ id: "GPU-1", vramFreeBytes: 20 * 1024 ** 3 }],
      notes: ["a card did not say its power"],
    });
    expect(JSON.stringify(body)).not.toContain("processes");
  });

  it("is null where it is unknown, and an unknown number is never counted as none", async () => {
    const [card] = CAPACITY.gpus;
    if (card === undefined) throw new Error("the capacity of the tests has a card");
    const unknown: HostCapacity = {
      atMs: 0,
      cpu: { model: null, logicalCount: null, availableCount: null, loadRatio: null, loadAverage: null },
      ram: { totalBytes: null, availableBytes: null, limitedBy: "host" },
      gpus: [
        { ...card, vramBytes: null },
        { ...card, vramUsedBytes: null },
      ],
      gpusKnown: false,
      disk: null,
      notes: [],
    };
    const { harness } = modelWorld([], { capacity: () => unknown });

    const { body } = await answer(harness, "GET", "/api/hw");

    expect(body).toMatchObject({ cpu: { availableCount: null, loadAverage: null }, ram: { totalBytes: null } });
    expect(body).toMatchObject({ gpus: [{ vramFreeBytes: null }, { vramFreeBytes: null }], gpusKnown: false });
  });

  it("counts memory that card and processor share once", () => {
    const [card] = CAPACITY.gpus;
    if (card === undefined) throw new Error("the capacity of the tests has a card");
    const shared: HostCapacity = { ...CAPACITY, gpus: [{ ...card, unified: true, vramUsedBytes: 0 }] };

    expect(hardwareView(shared).gpus[0]?.vramFreeBytes).toBe(CAPACITY.ram.availableBytes);
  });

  it("has a history of a day unless told otherwise, in which an odd sample is shown as an object", async () => {
    const asked: unknown[] = [];
    const capacityHistory: ModelPorts["capacityHistory"] = async (...given) => {
      asked.push(given);
      return ok([
        { atMs: 1, sample: { load: 0.5 } },
        { atMs: 2, sample: "odd" },
        { atMs: 3, sample: null },
      ]);
    };
    const { harness } = modelWorld([], { capacityHistory });
    const nowMs = harness.clock.nowMs();

    const usual = await answer(harness, "GET", "/api/hw/history");
    await answer(harness, "GET", "/api/hw/history?window=15m&limit=3");

    expect(usual.body).toMatchObject({
      windowMs: DAY_MS,
      points: [{ atMs: 1, sample: { load: 0.5 } }, { sample: {} }, { sample: {} }],
    });
    expect(asked).toEqual([
      [nowMs - DAY_MS, 10_080],
      [nowMs - 900_000, 3],
    ]);
  });

  it("of which the storage says nothing is the storage's failure", async () => {
    const { harness } = modelWorld([], {
      capacityHistory: async () => err(retryable("corrupt", "node.db is damaged")),
    });

    const { status, body } = await answer(harness, "GET", "/api/hw/history");

    expect(status).toBe(503);
    expect(body).toMatchObject({ code: "corrupt", detail: "node.db is damaged" });
  });

  it.each([
    ["window", "window=1"],
    ["window", "window=0s"],
    ["window", "window=31d"],
    ["limit", "limit=0"],
    ["limit", "limit=10081"],
    ["since", "since=1h"],
  ])("is not told for a wrong %s (%s)", async (field, query) => {
    const { harness } = modelWorld();

    const refusal = await answer(harness, "GET", `/api/hw/history?${query}`);

    expect(refusal.status).toBe(400);
    expect(Object.keys(faultsOf(refusal))).toEqual([field]);
  });
});

describe("endpoints", () => {
  it("are listed with health, load and models, and with nothing that is not described", async () => {
    const plain = endpointState("one", "http://127.0.0.1:1", { apiKeyFile: "/keys/one", labels: { room: "attic" } });
    const [model] = plain.models;
    if (model === undefined) throw new Error("the endpoint of the tests has a model");
    const renamed: Model = { ...model, serverName: "m" };
    const loaded = { name: MODEL, digest: "d1", sizeBytes: 9, vramBytes: 4, contextLength: null, expiresAtMs: null };
    const state: EndpointState = {
      ...plain,
      models: [renamed],
      loaded: [{ ...loaded, isExpected: true }],
      health: { kind: "open", retryAtMs: 70, reason: "connection refused", faults: 3 },
      lastError: "an older one",
      pins: { [MODEL]: 4_096 },
      parallel: 2,
    };
    const { harness } = modelWorld([state]);

    const { body } = await answer(harness, "GET", "/api/endpoints");

    expect(body["endpoints"]).toMatchObject([
      {
        id: "one",
        hasKey: true,
        labels: { room: "attic" },
        health: "open",
        reason: "connection refused",
        retryAtMs: 70,
        loaded: [{ name: MODEL, sizeBytes: 9, vramBytes: 4, isExpected: true }],
        inFlight: { [MODEL]: 0 },
      },
    ]);
    expect(JSON.stringify(body)).not.toContain("/keys/one");
  });

  it.each([
    [{ kind: "unknown" }, "unknown", "an older one"],
    [{ kind: "healthy" }, "healthy", null],
    [{ kind: "halfOpen", reason: "503" }, "halfOpen", "503"],
  ] as const)("in health %j say why, with no time of a next try", async (health, shown, reason) => {
    const { harness } = modelWorld([
      { ...endpointState("one", "http://127.0.0.1:1"), health, lastError: "an older one" },
    ]);

    const { body } = await answer(harness, "GET", "/api/endpoints");

    expect(body["endpoints"]).toMatchObject([{ health: shown, reason, retryAtMs: null }]);
  });

  it("are added as they were described, with defaults for the rest", async () => {
    const added: unknown[] = [];
    const found = endpointState("new", "http://gpu:11434", { origin: "api" });
    const addEndpoint: ModelPorts["addEndpoint"] = async (given) => {
      added.push(given);
      return ok(found);
    };
    const { harness } = modelWorld([], { addEndpoint });
    const whole = {
      url: "https://gpu/v1",
      kind: "openai",
      id: "gpu-1.x_y",
      apiKeyFile: "/etc/key",
      labels: { room: "attic" },
      parallel: 8,
      models: ["qwen3:8b"],
      vramBytes: 24,
    };

    const short = await answer(harness, "POST", "/api/endpoints", { url: "gpu" });
    await answer(harness, "POST", "/api/endpoints", whole);

    expect(short).toMatchObject({ status: 201, body: { id: "new", origin: "api", hasKey: false } });
    expect(added).toEqual([
      { url: "gpu", kind: "ollama", id: null, apiKeyFile: null, labels: {}, parallel: null, models: [] },
      whole,
    ]);
  });

  it("are announced with their host, for a minute or as long as is said, and not kept", async () => {
    const heard: unknown[] = [];
    const addEndpoint: ModelPorts["addEndpoint"] = () => Promise.reject(new Error("it was added for good"));
    const announceEndpoint: ModelPorts["announceEndpoint"] = (announced) => {
      heard.push(announced);
      const { node, leaseMs, host } = announced;
      const announcement = { ...host, node, heardAtMs: 5, expiresAtMs: 5 + leaseMs };
      return ok({ ...endpointState("box", "http://box:11434", { origin: "node", isLocal: false }), announcement });
    };
    const { harness } = modelWorld([], { addEndpoint, announceEndpoint });
    const gpu = { name: "RTX 4090", vramBytes: 24, freeVramBytes: 20 };

    const short = await answer(harness, "POST", "/api/endpoints", { url: "box", announcedBy: "box" });
    const { body } = await answer(harness, "POST", "/api/endpoints", {
      url: "box",
      id: "box",
      announcedBy: "box",
      leaseMs: 30_000,
      host: { gpus: [gpu], cpu: "Ryzen", ramBytes: 64, freeRamBytes: 32 },
    });

    const spec = { url: "box", kind: "ollama", labels: {}, parallel: null, models: [] };
    const host = { gpus: [{ ...gpu, unified: false }], cpu: "Ryzen", ramBytes: 64, freeRamBytes: 32 };
    expect(short).toMatchObject({ status: 201, body: { origin: "node", announcement: { node: "box", gpus: null } } });
    expect(heard).toEqual([
      { spec, node: "box", leaseMs: 60_000, host: { gpus: null, cpu: null, ramBytes: null, freeRamBytes: null } },
      { spec: { ...spec, id: "box" }, node: "box", leaseMs: 30_000, host },
    ]);
    expect(body["announcement"]).toEqual({ node: "box", heardAtMs: 5, expiresAtMs: 30_005, ...host });
  });

  it.each([
    ["url", {}],
    ["url", { url: "" }],
    ["url", { url: "x".repeat(2_049) }],
    ["kind", { url: "a", kind: "llama" }],
    ["id", { url: "a", id: "../etc" }],
    ["id", { url: "a", id: "x".repeat(64) }],
    ["apiKeyFile", { url: "a", apiKeyFile: "keys/one" }],
    ["labels.room", { url: "a", labels: { room: 3 } }],
    ["labels", { url: "a", labels: Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`l${at}`, ""])) }],
    ["parallel", { url: "a", parallel: 0 }],
    ["parallel", { url: "a", parallel: 1_025 }],
    ["parallel", { url: "a", parallel: 1.5 }],
    ["models.0", { url: "a", models: [""] }],
    ["models", { url: "a", models: Array.from({ length: 101 }, (_, at) => `m${at}`) }],
    ["apiKey", { url: "a", apiKey: "secret" }],
    ["vramBytes", { url: "a", vramBytes: -1 }],
    ["leaseMs", { url: "a", leaseMs: 30_000 }],
    ["host", { url: "a", host: {} }],
    ["leaseMs", { url: "a", announcedBy: "n", leaseMs: 1 }],
    ["apiKeyFile", { url: "a", announcedBy: "n", apiKeyFile: "/etc/key" }],
    ["vramBytes", { url: "a", announcedBy: "n", vramBytes: 1 }],
    ["host.gpus.0.name", { url: "a", announcedBy: "n", host: { gpus: [{}] } }],
  ])("are not added with a wrong %s (case %#)", async (field, body) => {
    const addEndpoint: ModelPorts["addEndpoint"] = () => Promise.reject(new Error("it was not refused"));
    const { harness } = modelWorld([], { addEndpoint });

    const refusal = await answer(harness, "POST", "/api/endpoints", body);

    expect(refusal.status).toBe(400);
    expect(Object.keys(faultsOf(refusal))).toEqual([field]);
  });

  it("are added once", async () => {
    const { harness } = modelWorld([]);

    const again = await answer(harness, "POST", "/api/endpoints", { url: "gpu" });

    expect(again).toMatchObject({ status: 409, body: { code: "conflict", detail: "gpu is known already" } });
  });

  it("are removed and looked at by id; one that does not exist is not found", async () => {
    const { harness } = modelWorld();

    const probed = await answer(harness, "POST", "/api/endpoints/one/probe");
    const removed = await answer(harness, "DELETE", "/api/endpoints/one");
    const unknown = await Promise.all([
      answer(harness, "DELETE", "/api/endpoints/no%2F..%2Fsuch"),
      answer(harness, "POST", "/api/endpoints/no%2F..%2Fsuch/probe"),
    ]);

    expect(probed).toMatchObject({ status: 200, body: { id: "one", health: "healthy" } });
    expect(removed).toEqual({ status: 200, body: { removed: true } });
    for (const { status, body } of unknown) {
      expect(status).toBe(404);
      expect(body).toMatchObject({ code: "not_found", detail: "there is no endpoint no/../such", remedy: anyText });
    }
  });

  it("of the configuration are not removed", async () => {
    const removeEndpoint = async () => err(refused("conflict", "one is named in drover.toml", "Remove it there"));
    const { harness } = modelWorld(undefined, { removeEndpoint });

    const kept = await answer(harness, "DELETE", "/api/endpoints/one");

    expect(kept).toMatchObject({ status: 409, body: { remedy: "Remove it there" } });
  });

  it("and everything about them need the token", async () => {
    const { harness } = modelWorld();
    const paths = ["/api/hw", "/api/hw/history", "/api/endpoints", "/api/models", "/api/usage", "/ollama/api/tags"];

    const answers = await Promise.all(paths.map((path) => harness.send("GET", path, undefined, { authorization: "" })));

    expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 401));
  });
});

describe("models", () => {
  it("are listed once each by name, with every endpoint that has them", async () => {
    const first = endpointState("one", "http://127.0.0.1:1");
    const [model] = first.models;
    if (model === undefined) throw new Error("the endpoint of the tests has a model");
    const loaded = { name: MODEL, digest: null, sizeBytes: 1, vramBytes: 1, contextLength: null, expiresAtMs: null };
    const second: EndpointState = {
      ...endpointState("two", "http://127.0.0.1:2"),
      health: { kind: "unknown" },
      loaded: [loaded, { ...loaded, name: "a:7b", isExpected: true }],
      models: [
        { ...model, capabilities: null, serverName: "m" },
        { ...model, name: "a:7b", capabilities: null, serverName: "a" },
      ],
    };
    const { harness } = modelWorld([first, second]);

    const { body } = await answer(harness, "GET", "/api/models");

    expect(body["models"]).toMatchObject([
      { name: "a:7b", capabilities: null, endpoints: [{ id: "two", isHealthy: false, isLoaded: false }] },
      {
        name: MODEL,
        capabilities: ["completion", "tools", "embedding"],
        endpoints: [
          { id: "one", isHealthy: true, isLoaded: false },
          { id: "two", isHealthy: false, isLoaded: true },
        ],
      },
    ]);
  });

  it("say by tier how often they passed verification, also to whoever scrapes", async () => {
    const rate = { mean: 0.75, low: 0.7, high: 0.8, samples: 40 };
    const passRates = () => [
      { model: MODEL, tier: "complex" as const, ...rate },
      { model: "gone:1b", tier: "standard" as const, ...rate },
      { model: MODEL, tier: "trivial" as const, ...rate, samples: 3 },
    ];
    const { harness } = modelWorld(undefined, { passRates });

    const { body } = await answer(harness, "GET", "/api/models");
    const metrics = await (await harness.send("GET", "/metrics")).text();

    const shown = { passRatio: 0.75, lowRatio: 0.7, highRatio: 0.8 };
    expect(body["models"]).toMatchObject([
      {
        name: MODEL,
        passRates: [
          { tier: "trivial", samples: 3, ...shown },
          { tier: "complex", samples: 40, ...shown },
        ],
      },
    ]);
    expect(metrics).toContain(`drover_model_pass_ratio{model="${MODEL}",tier="complex"} 0.75\n`);
    expect(metrics).toContain(`drover_model_judged_attempts{model="${MODEL}",tier="trivial"} 3\n`);
  });
});
