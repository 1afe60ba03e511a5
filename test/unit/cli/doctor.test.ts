import { describe, expect, it } from "vitest";
import { type JsonValue, ok } from "#base";
import { contextFindings } from "../../../src/cli/diagnosis/context-findings.ts";
import { type Endpoint, hardwareFindings, watchdogFindings } from "../../../src/cli/diagnosis/node-findings.ts";
import { containing, createCli, parsed } from "./cli-harness.ts";

const GIB = 1024 ** 3;

function endpoint(changed: Partial<Endpoint> = {}): Endpoint {
  return {
    id: "local",
    kind: "ollama",
    url: "http://127.0.0.1:11434",
    origin: "localhost",
    labels: {},
    isLocal: true,
    hasKey: false,
    health: "healthy",
    reason: null,
    retryAtMs: null,
    version: null,
    latencyMs: null,
    polledAtMs: null,
    models: [model(40_960)],
    loaded: [],
    inFlight: {},
    outsiders: null,
    penalty: 0,
    vramBytes: null,
    announcement: null,
    ...changed,
  };
}

function model(contextLength: number | null): Endpoint["models"][number] {
  return {
    name: "qwen3:8b",
    digest: null,
    sizeBytes: null,
    isRemote: false,
    family: null,
    parameterSize: null,
    quantization: null,
    capabilities: null,
    contextLength,
  };
}

function loaded(contextLength: number | null): Endpoint["loaded"][number] {
  return { name: "qwen3:8b", sizeBytes: 1, vramBytes: 1, contextLength, expiresAtMs: null, isExpected: false };
}

function card(vramBytes: number | null) {
  return {
    vendor: "nvidia",
    id: "0",
    name: "card",
    vramBytes,
    vramUsedBytes: null,
    vramFreeBytes: null,
    loadRatio: null,
    powerWatts: null,
    temperatureCelsius: null,
    unified: false,
    driver: null,
  } as const;
}

describe("the risk that a prompt is cut", () => {
  it.each<[string, Partial<Endpoint>, readonly (number | null)[], string | undefined]>([
    ["a model is loaded with less", { loaded: [loaded(4_096)] }, [80 * GIB], "loaded with 4096 tokens"],
    ["a model is loaded with enough", { loaded: [loaded(8_192)] }, [8 * GIB], undefined],
    ["a small card gives a short default", {}, [8 * GIB], "gives models 4096 tokens"],
    ["two cards together give a longer one", {}, [16 * GIB, 16 * GIB], undefined],
    ["no card gives a short default", {}, [], "gives models 4096 tokens"],
    ["the memory of a card is unknown", {}, [null], undefined],
    ["a server elsewhere says nothing of its memory", { isLocal: false }, [8 * GIB], undefined],
    ["a server elsewhere was given its memory", { isLocal: false, vramBytes: 8 * GIB }, [], "gives models 4096"],
    ["no model was made for so much", { models: [model(2_048)] }, [80 * GIB], "was for 2048"],
    ["one model was", { models: [model(2_048), model(40_960)] }, [80 * GIB], undefined],
    ["it is no Ollama", { kind: "openai" }, [8 * GIB], undefined],
    ["it does not answer", { health: "open", loaded: [loaded(4_096)] }, [8 * GIB], undefined],
  ])("when %s", (_what, changed, sizes, says) => {
    const found = contextFindings([endpoint(changed)], 8_192, sizes.map(card));

    expect(found).toMatchObject(says === undefined ? [] : [{ level: "warn", detail: containing(says) }]);
    expect(found).toHaveLength(says === undefined ? 0 : 1);
  });
});

describe("of the watchdog", () => {
  const fault = (atMs: number) => ({ kind: "killed", reason: "it was killed", generation: 1, uptimeMs: 1, atMs });
  const watchdog = {
    pid: 40,
    version: "1.2.3",
    startedAtMs: 1,
    sharesSocket: true,
    node: { phase: "running", pid: 42, generation: 3, phaseMs: 5 },
    lastFault: null,
    faults: [] as readonly ReturnType<typeof fault>[],
    log: "/state/logs/node.log",
  };
  const NOW_MS = 100 * 60_000;

  it.each<[string, readonly number[], string, string]>([
    ["no fault", [], "ok", "no fault"],
    ["one that is old", [60 * 60_000], "ok", "no fault"],
    ["one", [90 * 60_000], "warn", "one fault in the last half hour, the last: it was killed"],
    ["two", [90 * 60_000, 91 * 60_000, 60 * 60_000], "warn", "2 faults"],
  ])("%s is told", (_what, atMs, level, says) => {
    const found = watchdogFindings({ ...watchdog, faults: atMs.map(fault) }, NOW_MS);

    expect(found).toMatchObject([{ level, detail: containing(says) }]);
  });

  it("a node without one is told", () => {
    expect(watchdogFindings(null, NOW_MS)).toMatchObject([{ level: "warn", detail: containing("nobody watches") }]);
  });
});

describe("doctor", () => {
  it("says that cards were not heard of", () => {
    const found = hardwareFindings({ gpusKnown: false, notes: ["nvidia-smi did not answer"] });

    expect(found.map(({ detail }) => detail)).toEqual([containing("not heard of"), "nvidia-smi did not answer"]);
  });

  it("ends with 4 when something fails, and with 0 for warnings alone", async () => {
    const finding = (level: "warn" | "fail") => [{ name: "port", level, detail: "taken", remedy: "Stop it" }];
    const cli = (level: "warn" | "fail") => createCli({ local: { diagnose: async () => finding(level) } });

    const [bad, mild] = [await cli("fail").run("doctor"), await cli("warn").run("doctor", "--json")];

    expect(bad.exit).toBe(4);
    expect(bad.stdout).toContain("FAIL     port: taken\n         next: Stop it\n");
    expect(mild.exit).toBe(0);
    expect(parsed(mild.stdout)).toMatchObject({
      ok: true,
      findings: expect.arrayContaining([finding("warn")[0]]) as unknown,
    });
  });

  it("asks the watchdog of the node", async () => {
    const said: JsonValue = {
      pid: 40,
      version: "1.2.3",
      startedAtMs: 1,
      sharesSocket: true,
      node: { phase: "running", pid: 42, generation: 1, phaseMs: 5 },
      lastFault: null,
      faults: [],
      log: "/log",
    };
    const { stdout } = await createCli({ ports: { watchdog: { ask: async () => ok(said) } } }).run("doctor");

    expect(stdout).toContain("watchdog: the node is running, no fault in the last half hour (process 40)");
  });
});
