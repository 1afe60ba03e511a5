import { describe, expect, it } from "vitest";
import type { ModelPorts } from "#api";
import { err, ok, refused, retryable } from "#base";
import type { EndpointState, HostCapacity } from "#hw";
import { widthOf } from "../../../src/cli/output/text.ts";
import { endpointState, MODEL } from "../../support/inference-world.ts";
import { CAPACITY } from "../../support/model-ports.ts";
import { createHarness } from "../api/api-harness.ts";
import { createCli, parsed, parsedLines } from "./cli-harness.ts";
import { createModelCli } from "./models-cli.ts";

const LOADED = { name: MODEL, digest: null, sizeBytes: 9, vramBytes: 9, contextLength: null, expiresAtMs: null };

function fleet(): readonly EndpointState[] {
  const near = endpointState("ollama-11434", "http://127.0.0.1:11434", { origin: "localhost" });
  const far = endpointState("gaming-pc", "http://gaming-pc:11434", { origin: "api" });
  return [
    { ...near, loaded: [LOADED, { ...LOADED, name: "big:70b", isExpected: true }], outsiders: 0 },
    { ...far, health: { kind: "open", retryAtMs: 9, reason: "connection refused", faults: 4 } },
    { ...endpointState("cloud", "https://api.example.org", { kind: "anthropic" }), health: { kind: "unknown" } },
  ];
}

describe("hw", () => {
  it("shows processor, memory and cards, and what is not known beside the result", async () => {
    const { run } = createModelCli([]);

    const outcome = await run("hw");

    expect(outcome).toMatchInlineSnapshot(`
      {
        "exit": 0,
        "stderr": "a card did not say its power
      ",
        "stdout": "  processor  Toy, 4 of 8 threads
        load       50 % (average 1, 2, 3)
        memory     8.0 GiB free of 16.0 GiB, by its cgroup
        graphics   Toy GPU: 20.0 GiB free of 24.0 GiB
      ",
      }
    `);
  });

  it("says unknown where nothing is known, and never none", async () => {
    const unknown: HostCapacity = {
      atMs: 0,
      cpu: { model: null, logicalCount: null, availableCount: null, loadRatio: null, loadAverage: null },
      ram: { totalBytes: null, availableBytes: null, limitedBy: "host" },
      gpus: [],
      gpusKnown: false,
      disk: null,
      notes: [],
    };
    const later = { ...unknown, gpusKnown: true };

    const first = await createModelCli([], { models: { capacity: () => unknown } }).run("hw");
    const then = await createModelCli([], { models: { capacity: () => later } }).run("hw");

    expect(first.stdout).toMatchInlineSnapshot(`
      "  processor  unknown
        load       unknown
        memory     unknown
        graphics   not known yet
      "
    `);
    expect(then.stdout).toContain("graphics   none found\n");
  });

  it("shows a shared card as that, a part of the processors and the disk", async () => {
    const [card] = CAPACITY.gpus;
    if (card === undefined) throw new Error("the capacity of the tests has a card");
    const apu = { ...card, unified: true, loadRatio: 0.255, powerWatts: 14.6, temperatureCelsius: 51 };
    const capacity: HostCapacity = {
      ...CAPACITY,
      cpu: { ...CAPACITY.cpu, availableCount: 1.504, loadAverage: null },
      gpus: [apu, { ...card, vramUsedBytes: null }],
      disk: { totalBytes: 2 ** 40, availableBytes: 2 ** 39 },
      notes: [],
    };

    const { stdout, stderr } = await createModelCli([], { models: { capacity: () => capacity } }).run("hw");

    expect(stdout).toContain("Toy, 1.5 of 8 threads\n");
    expect(stdout).toContain("512.0 GiB free of 1.0 TiB\n");
    expect(stdout).toContain("8.0 GiB free of 24.0 GiB, shared with the processor, 26 % busy, 15 W, 51 °C\n");
    expect(stdout).toContain("Toy GPU: 24.0 GiB in all\n");
    expect(stderr).toBe("");
  });

  it("is the API's document with --json", async () => {
    const { run, harness } = createModelCli([]);

    const outcome = await run("hw", "--json");

    const said: unknown = await (await harness.send("GET", "/api/hw")).json();
    expect(parsed(outcome.stdout)).toEqual(said);
    expect(outcome).toMatchObject({ exit: 0, stderr: "" });
  });
});

describe("endpoints list", () => {
  it("shows health, models and load of each, and why one is not well", async () => {
    const { run } = createModelCli(fleet());

    const outcome = await run("endpoints", "list");

    expect(outcome).toMatchInlineSnapshot(`
      {
        "exit": 0,
        "stderr": "gaming-pc: connection refused
      ",
        "stdout": "ID            KIND       URL                      HEALTH   MODELS  LOADED                       RUNNING  OTHERS  FROM
      ollama-11434  ollama     http://127.0.0.1:11434   healthy       1  m:latest, big:70b (loading)        0       0  localhost
      gaming-pc     ollama     http://gaming-pc:11434   down          1  -                                  0       ?  api
      cloud         anthropic  https://api.example.org  unknown       1  -                                  0       ?  config
      ",
      }
    `);
  });

  it("is what the group alone means", async () => {
    const { run } = createModelCli(fleet());

    expect(await run("endpoints")).toEqual(await run("endpoints", "list"));
  });

  it("without an endpoint says what to do, and prints an empty list for programs", async () => {
    const { run } = createModelCli([], { columns: 100 });

    const outcome = await run("endpoints", "list");
    const json = await run("endpoints", "list", "--json");

    expect(outcome).toMatchObject({ exit: 0, stdout: "" });
    expect(outcome.stderr).toContain("There is no endpoint");
    expect(outcome.stderr).toContain("drover endpoints add URL");
    expect(json).toMatchObject({ exit: 0, stderr: "" });
    expect(parsed(json.stdout)).toEqual({ endpoints: [], elsewhere: [] });
  });
});

describe("endpoints list in a fleet", () => {
  it("shows those of other nodes apart, with whose they are and how old that is", async () => {
    const { ports } = createHarness();
    const told = { id: "ollama-11434", kind: "ollama", url: "http://127.0.0.1:11434", health: "healthy", models: 3 };
    const more = { loaded: [{ name: MODEL, sizeBytes: 9, vramBytes: 9 }], requests: 2, outsiders: null };
    const other = {
      id: ports.ids.node(),
      name: "gpu1",
      role: "member",
      publicKey: "k",
      state: "active",
      url: null,
      version: "1",
      featureLevel: 1,
      leaseClass: "strict",
      joinedAtMs: 0,
      seenAtMs: ports.clock.nowMs() - 3_000,
      announced: { endpoints: [{ ...told, ...more }] },
    } as const;
    const fleet = { ...ports.fleet, nodes: () => [other] };

    const { exit, stdout } = await createCli({ ports: { fleet } }).run("endpoints", "list");

    expect(exit).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "
      Of other nodes, as they said last
      NODE  ID            KIND    HEALTH   MODELS  LOADED    RUNNING     SAID
      gpu1  ollama-11434  ollama  healthy       3  m:latest        2  3 s ago
      "
    `);
  });
});

describe("endpoints add", () => {
  it("sends what was written and shows what was found; one that does not answer is added all the same", async () => {
    const added: unknown[] = [];
    const [, down] = fleet();
    const addEndpoint: ModelPorts["addEndpoint"] = async (given) => {
      added.push(given);
      return down === undefined ? err(refused("invalid", "no")) : ok(down);
    };
    const { run } = createModelCli([], { models: { addEndpoint } });

    const outcome = await run(
      "endpoints",
      "add",
      "gaming-pc",
      "--kind",
      "openai",
      "--name",
      "gaming-pc",
      "--key-file",
      "/keys/one",
      "--parallel",
      "2",
      "--vram",
      "1.5G",
      "--model",
      "a",
      "--model",
      "b:7b",
      "--label",
      "room=attic",
    );
    await run("endpoints", "add", "gaming-pc");
    const json = await run("endpoints", "add", "gaming-pc", "--json");

    expect(added).toEqual([
      {
        url: "gaming-pc",
        kind: "openai",
        id: "gaming-pc",
        apiKeyFile: "/keys/one",
        parallel: 2,
        vramBytes: 1.5 * 2 ** 30,
        models: ["a", "b:7b"],
        labels: { room: "attic" },
      },
      { url: "gaming-pc", kind: "ollama", id: null, apiKeyFile: null, parallel: null, models: [], labels: {} },
      expect.anything(),
    ]);
    expect(outcome).toMatchObject({ exit: 0, stderr: "gaming-pc: connection refused\n" });
    expect(outcome.stdout).toContain("gaming-pc  ollama  http://gaming-pc:11434  down");
    expect(parsed(json.stdout)).toMatchObject({ id: "gaming-pc", health: "open", reason: "connection refused" });
  });

  it("ends with 1 when the node refuses, and says which field is wrong", async () => {
    const { run } = createModelCli([]);

    const known = await run("endpoints", "add", "http://a");
    const wrong = await run("endpoints", "add", "http://a", "--name", "../x", "--key-file", "key");

    expect(known).toMatchObject({
      exit: 1,
      stdout: "",
      stderr: "drover: add the endpoint: http://a is known already\n",
    });
    expect(wrong.exit).toBe(1);
    expect(wrong.stderr).toContain("  id: must be letters, digits, . _ -\n");
    expect(wrong.stderr).toContain("  apiKeyFile: must be an absolute path\n");
  });

  it.each([
    [["add"], "endpoints add needs URL"],
    [["add", "a", "b"], 'endpoints add does not take "b"'],
    [["add", "a", "--kind", "llama"], "--kind must be one of ollama, openai, anthropic"],
    [["add", "a", "--vram", "much"], '--vram must be a size such as 24G or 512M, not "much"'],
    [["add", "a", "--parallel", "0"], "--parallel must be a whole number from 1 to 1024"],
    [["add", "a", "--label", "room"], "--label must be NAME=VALUE"],
    [["remove"], "endpoints remove needs ID"],
  ])("is a usage error for %j", async (words, message) => {
    const outcome = await createModelCli([]).run("endpoints", ...words);

    expect(outcome).toMatchObject({ exit: 2, stdout: "" });
    expect(outcome.stderr).toContain(message);
  });
});

describe("endpoints remove", () => {
  it("removes those it can, says what it cannot, and ends with 1", async () => {
    const { run } = createModelCli(fleet());

    const both = await run("endpoints", "remove", "gaming-pc", "no/../such", "cloud");
    const one = await run("endpoints", "remove", "cloud", "--json");
    const several = await run("endpoints", "remove", "cloud", "gaming-pc", "--json");

    expect(both).toEqual({
      exit: 1,
      stdout: "Removed gaming-pc\nRemoved cloud\n",
      stderr:
        "drover: remove endpoint no/../such: there is no endpoint no/../such\n  next: List them: drover endpoints list\n",
    });
    expect(parsed(one.stdout)).toEqual({ id: "cloud", removed: true });
    expect(parsedLines(several.stdout)).toEqual([
      { id: "cloud", removed: true },
      { id: "gaming-pc", removed: true },
    ]);
  });
});

describe("endpoints probe", () => {
  it("ends with 0 when all that were named are well", async () => {
    const outcome = await createModelCli(fleet()).run("endpoints", "probe", "ollama-11434");

    expect(outcome).toMatchObject({ exit: 0, stderr: "" });
    expect(outcome.stdout).toContain("healthy");
    expect(outcome.stdout).not.toContain("gaming-pc");
  });

  it("looks at all without a name, and ends with 4 when one is not well", async () => {
    const { run } = createModelCli(fleet());

    const outcome = await run("endpoints", "probe");
    const json = await run("endpoints", "probe", "--json");

    expect(outcome.exit).toBe(4);
    expect(outcome.stdout.split("\n")).toHaveLength(1 + 3 + 1);
    expect(outcome.stderr).toBe("gaming-pc: connection refused\n");
    expect(json.exit).toBe(4);
    expect(parsed(json.stdout)["endpoints"]).toMatchObject([
      { id: "ollama-11434", health: "healthy" },
      { id: "gaming-pc", health: "open" },
      { id: "cloud", health: "unknown" },
    ]);
  });

  it("of one that does not exist ends with 1, and still shows the others", async () => {
    const outcome = await createModelCli(fleet()).run("endpoints", "probe", "none", "gaming-pc", "nobody");

    expect(outcome.exit).toBe(1);
    expect(outcome.stdout).toContain("gaming-pc");
    expect(outcome.stderr.indexOf("no endpoint none")).toBeGreaterThan(-1);
    expect(outcome.stderr.indexOf("no endpoint nobody")).toBeGreaterThan(outcome.stderr.indexOf("no endpoint none"));
  });

  it("without any endpoint is well", async () => {
    const outcome = await createModelCli([]).run("endpoints", "probe");

    expect(outcome).toEqual({ exit: 0, stdout: "", stderr: "There is no endpoint to look at.\n" });
  });

  it("looks at several at once, because each may take seconds to give up", async () => {
    const waiting: (() => void)[] = [];
    const states = fleet();
    const probeEndpoint: ModelPorts["probeEndpoint"] = (id) =>
      new Promise((resolve) => {
        const state = states.find(({ endpoint }) => endpoint.id === id);
        waiting.push(() => resolve(state === undefined ? err(refused("not_found", "gone")) : ok(state)));
        if (waiting.length === states.length) for (const answer of waiting) answer();
      });

    const outcome = await createModelCli(states, { models: { probeEndpoint } }).run("endpoints", "probe");

    expect(outcome.exit).toBe(4);
  });
});

describe("models", () => {
  it("show where they are, and how often they passed verification", async () => {
    const passRates = () => [
      { model: MODEL, tier: "standard" as const, mean: 0.881, low: 0.8, high: 0.9, samples: 40 },
    ];
    const { run } = createModelCli(fleet().slice(0, 1), { models: { passRates } });

    const { stdout } = await run("models");

    expect(stdout).toMatch(new RegExp(`^${MODEL} .* standard 88 % of 40 .* ollama-11434 \\(loaded\\)$`, "m"));
  });
});

describe("every command about models", () => {
  const LINES = [
    ["hw"],
    ["endpoints", "list"],
    ["endpoints", "probe"],
    ["models"],
    ["usage"],
    ["route", "explain", "x"],
  ];

  it.each([30, 40, 60, 80, 120])("keeps its tables within %d columns", async (columns) => {
    const { run } = createModelCli(fleet(), { columns, env: { NO_COLOR: "1" } });

    const tooWide: string[] = [];
    for (const words of LINES.slice(1)) {
      const { stdout } = await run(...words);
      const tables = stdout.split("\n").filter((line) => !line.startsWith("Budget"));
      tooWide.push(...tables.filter((line) => widthOf(line) > columns));
    }

    expect(tooWide).toEqual([]);
  });

  it("ends with 1 and the node's words when the node cannot answer, as a document with --json", async () => {
    const broken = async () => err(retryable("corrupt", "fleet.db is damaged", "Restore a backup"));
    const { run } = createModelCli([], { models: { budgets: broken } });

    const plain = await run("usage");
    const json = await run("usage", "--json");

    expect(plain).toMatchObject({ exit: 1, stdout: "" });
    expect(plain.stderr).toBe("drover: sum the usage: fleet.db is damaged\n  next: Restore a backup\n");
    expect(json).toMatchObject({ exit: 1, stdout: "" });
    expect(parsed(json.stderr)).toMatchObject({ code: "corrupt", remedy: "Restore a backup" });
  });

  it.each(LINES.map((words) => words.join(" ")))("(%s) ends with 3 where no node answers", async (line) => {
    const refuse = () => Promise.reject(Object.assign(new Error("no"), { code: "ECONNREFUSED" }));
    const { run } = createModelCli([], { environment: { fetch: refuse } });

    const outcome = await run(...line.split(" "));

    expect(outcome).toMatchObject({ exit: 3, stdout: "" });
    expect(outcome.stderr).toContain("connection refused");
  });
});
