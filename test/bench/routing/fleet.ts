/** The simulated machines and models. Figures are of the order of real ones; none is taken from a benchmark. */
import { type Random, seededRandom } from "#base";
import type { ModelShape } from "#hw";

export type HostSpec = {
  readonly id: string;
  readonly accelerator: "gpu" | "unified" | "cpu";
  /** What its inventory says is in it. */
  readonly acceleratorName: string | null;
  /** Cards that share the memory evenly; 0 without any. */
  readonly cards: number;
  /** Memory that models can use at full speed: VRAM, the GPU's part of unified memory, or RAM without a GPU. */
  readonly memoryBytes: number;
  /** RAM that takes what does not fit into VRAM. */
  readonly ramBytes: number;
  /** What decoding really reaches, in bytes of weights a second. */
  readonly decodeBytesPerSecond: number;
  /** Bytes of weights times prompt tokens a second. */
  readonly prefillBytesPerSecond: number;
  /** The same on its CPU, for what spills. */
  readonly cpuBytesPerSecond: number;
  readonly diskBytesPerSecond: number;
  /** OLLAMA_NUM_PARALLEL. */
  readonly parallel: number;
  /** OLLAMA_MAX_LOADED_MODELS. */
  readonly maxLoaded: number;
  /** Part of a token's time that each further request in a runner adds. */
  readonly batchCost: number;
};

export type ModelSpec = {
  readonly name: string;
  readonly sizeBytes: number;
  readonly kvBytesPerToken: number;
  /** One context for everybody, as pinning gives; the simulator itself reloads on any other. */
  readonly contextTokens: number;
  /** As `/api/show` tells it, in agreement with `kvBytesPerToken`; null: not told. */
  readonly shape: ModelShape | null;
};

const GB = 1e9;

export const MODELS = {
  tiny: model("llama3.2:1b", 1.3, 8_192, [16, 2_048, 32, 8, 64]),
  small: model("llama3.1:8b", 4.9, 8_192, [32, 4_096, 32, 8, 128]),
  middle: model("qwen3:14b", 9.3, 8_192, [40, 5_120, 40, 8, 128]),
  large: model("qwen3:32b", 20.2, 8_192, [64, 5_120, 64, 8, 128]),
  huge: model("llama3.3:70b", 40, 4_096, [80, 8_192, 64, 8, 128]),
} as const satisfies Readonly<Record<string, ModelSpec>>;

/** @param layout layers, embedding, heads, key-value heads, length of a key and of a value. */
function model(
  name: string,
  sizeGb: number,
  contextTokens: number,
  layout: readonly [number, number, number, number, number],
): ModelSpec {
  const [blockCount, embeddingLength, headCount, headsKv, length] = layout;
  const shape: ModelShape = {
    architecture: "llama",
    blockCount,
    embeddingLength,
    headCount,
    headCountKv: Array.from({ length: blockCount }, () => headsKv),
    keyLength: length,
    valueLength: length,
    slidingWindow: null,
    fullAttentionEvery: null,
    vocabularySize: 128_256,
    expertCount: null,
    expertUsedCount: null,
    parameterCount: null,
  };
  // Two bytes for each element of a key and a value.
  const kvBytesPerToken = blockCount * headsKv * 2 * length * 2;
  return { name, sizeBytes: sizeGb * GB, kvBytesPerToken, contextTokens, shape };
}

/** Stated memory speeds times what llama.cpp makes of them, and prompt speeds of an 8B model times its bytes. */
export const HOSTS: readonly HostSpec[] = [
  host("rtx4090", "NVIDIA GeForce RTX 4090", "gpu", 24, 64, 650, 4_800, 2.5, 2, 0.1),
  host("rtx3060", "NVIDIA GeForce RTX 3060", "gpu", 12, 32, 230, 1_300, 0.5, 1, 0.2),
  host("two-3090", "NVIDIA GeForce RTX 3090", "gpu", 48, 128, 560, 2_600, 1.5, 2, 0.12),
  host("mac-64", "Apple M2 Max", "unified", 48, 64, 260, 650, 3, 1, 0.25),
  host("cpu-only", null, "cpu", 56, 64, 35, 45, 0.5, 1, 0.6),
];

function host(
  id: string,
  acceleratorName: string | null,
  accelerator: HostSpec["accelerator"],
  memoryGb: number,
  ramGb: number,
  decodeGb: number,
  prefillOf8b: number,
  diskGb: number,
  parallel: number,
  batchCost: number,
): HostSpec {
  return {
    id,
    accelerator,
    acceleratorName,
    cards: acceleratorName === null ? 0 : id.startsWith("two-") ? 2 : 1,
    memoryBytes: memoryGb * GB,
    ramBytes: ramGb * GB * 0.8,
    decodeBytesPerSecond: decodeGb * GB,
    prefillBytesPerSecond: prefillOf8b * MODELS.small.sizeBytes,
    cpuBytesPerSecond: 35 * GB,
    diskBytesPerSecond: diskGb * GB,
    parallel,
    maxLoaded: 3,
    batchCost,
  };
}

/** Runner memory beside weights and context: compute buffers, CUDA context. */
const RUNTIME_BYTES = 0.8 * GB;

/** @returns what a model takes in memory on a host. */
export function needBytes(model: ModelSpec, contextTokens: number, parallel: number): number {
  return model.sizeBytes + model.kvBytesPerToken * contextTokens * parallel + RUNTIME_BYTES;
}

/** How far each pair of host and model is from what its figures say. Nobody is told; a log-normal of 15 %. */
export function hiddenFactors(seed: number): (hostId: string, model: string) => number {
  const known = new Map<string, number>();
  for (const { id } of HOSTS) {
    for (const { name } of Object.values(MODELS)) {
      const random = seededRandom(seed * 7_919 + hashOf(`${id} ${name}`));
      known.set(`${id} ${name}`, logNormal(random, 0.15));
    }
  }
  return (hostId, model) => known.get(`${hostId} ${model}`) ?? 1;
}

/** @returns a factor whose logarithm is normal around 0 (Box and Muller). */
export function logNormal(random: Random, sigma: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
  return Math.exp(sigma * radius * Math.cos(2 * Math.PI * random.next()));
}

function hashOf(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0;
  return hash >>> 0;
}
