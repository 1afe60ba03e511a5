/** What answers about hardware and models look like; a test holds them against the schemas. */
import type { EndpointView, FleetModelView } from "./endpoint-view.ts";
import type { ElsewhereView } from "./fleet-endpoints.ts";
import type { HardwareView } from "./hardware-view.ts";
import type { DecisionView } from "./route-view.ts";

const AT_MS = 1_763_700_000_000;
const GIB = 1024 ** 3;
const MODEL = "qwen3:8b";

export const exampleHardware: HardwareView = {
  atMs: AT_MS,
  cpu: {
    model: "AMD Ryzen 9 7950X",
    logicalCount: 32,
    availableCount: 32,
    loadRatio: 0.07,
    loadAverage: [0.4, 0.6, 0.5],
  },
  ram: { totalBytes: 64 * GIB, availableBytes: 51 * GIB, limitedBy: "host" },
  gpus: [
    {
      vendor: "nvidia",
      id: "GPU-5f1c0f60-6a1e-4b7c-9d7e-2f2f6f1d2a3b",
      name: "NVIDIA GeForce RTX 4090",
      vramBytes: 24 * GIB,
      vramUsedBytes: 6 * GIB,
      vramFreeBytes: 18 * GIB,
      loadRatio: 0.31,
      powerWatts: 112.5,
      temperatureCelsius: 51,
      unified: false,
      driver: "570.86.15",
    },
  ],
  gpusKnown: true,
  disk: { totalBytes: 2_000 * GIB, availableBytes: 900 * GIB },
  notes: [],
};

const model = {
  name: MODEL,
  digest: "500a1f067a9f782620b40bee6f7b0c89e17ae61f686b92c24933e4ca4b2b8b41",
  sizeBytes: 5_225_376_047,
  isRemote: false,
  family: "qwen3",
  parameterSize: "8.2B",
  quantization: "Q4_K_M",
  capabilities: ["completion", "tools", "thinking"],
  contextLength: 40_960,
};

export const exampleEndpoint: EndpointView = {
  id: "ollama-11434",
  kind: "ollama",
  url: "http://127.0.0.1:11434",
  origin: "localhost",
  labels: {},
  isLocal: true,
  hasKey: false,
  health: "healthy",
  reason: null,
  retryAtMs: null,
  version: "0.12.3",
  latencyMs: 2,
  polledAtMs: AT_MS,
  models: [model],
  loaded: [
    {
      name: MODEL,
      sizeBytes: 6 * GIB,
      vramBytes: 6 * GIB,
      contextLength: 8_192,
      expiresAtMs: AT_MS + 300_000,
      isExpected: false,
    },
  ],
  inFlight: {},
  outsiders: 0,
  penalty: 0,
  vramBytes: null,
  announcement: null,
};

export const exampleElsewhere: ElsewhereView = {
  id: "ollama-11434",
  kind: "ollama",
  url: "http://127.0.0.1:11434",
  health: "healthy",
  models: 3,
  loaded: [{ name: MODEL, sizeBytes: 6 * GIB, vramBytes: 6 * GIB }],
  requests: 1,
  outsiders: 0,
  node: "n_06d3w4q000e7v9w2m5x1y3z6ac",
  nodeName: "gpu1",
  toldAtMs: AT_MS,
  isFresh: true,
};

export const exampleModel: FleetModelView = {
  ...model,
  endpoints: [{ id: "ollama-11434", isHealthy: true, isLoaded: true }],
  passRates: [{ tier: "standard", samples: 40, passRatio: 0.881, lowRatio: 0.831, highRatio: 0.931 }],
};

export const exampleDecision: DecisionView = {
  atMs: AT_MS,
  tier: "standard",
  candidates: [
    {
      endpoint: "ollama-11434",
      model: MODEL,
      rank: 0,
      refused: null,
      terms: { waitMs: 0, loadMs: 0, prefillMs: 210, decodeMs: 2_900, displacementMs: 0 },
      totalMs: 3_110,
      contextTokens: 8_192,
      fit: "loaded",
      basis: "measured",
    },
  ],
  chosen: { endpoint: "ollama-11434", model: MODEL, contextTokens: 8_192 },
  reason: "qwen3:8b is loaded on ollama-11434 and nothing waits there",
  retryAfterMs: null,
};
