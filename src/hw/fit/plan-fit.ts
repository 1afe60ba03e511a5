/** Whether a model with a given context fits into the memory at hand, and what of it would spill to the CPU. Pure. */
import type { Model } from "../endpoints/endpoint.ts";
import { type Calibration, calibratedBytes } from "./calibration.ts";
import { type ContextUse, computeBytes, DEFAULT_BATCH_TOKENS, type KvType, kvBytes } from "./context-memory.ts";

/** What a runner takes on each GPU beside the model: CUDA context, kernels, scratch. 0.4 to 0.6 GiB were seen. */
export const RUNTIME_BYTES = 512 * 1024 * 1024;
/**
 * Share of free memory that may be planned with. Ollama evicts other models above 0.8 and uses up to all; the rest is
 * for what else moves: a desktop, a prediction that is too low. 0.9 lies between the 0.80 and 0.92 of its peers.
 */
export const USABLE_RATIO = 0.9;
/**
 * The same where loads of the model were measured: what is left is for a desktop, not for a prediction that is too low.
 * At 0.9 the simulated fleet refused 70B models that its hosts had run before, and big models took 14 % longer.
 */
export const MEASURED_USABLE_RATIO = 0.95;

export type FitRequest = {
  readonly model: Pick<Model, "sizeBytes" | "isRemote" | "shape">;
  readonly contextTokens: number;
  readonly parallel: number;
  readonly kvType: KvType;
  /** Null: {@link DEFAULT_BATCH_TOKENS}. */
  readonly batchTokens: number | null;
  readonly flashAttention: boolean;
  /** What loads of this digest and KV type really took; null before the first. */
  readonly calibration: Calibration | null;
};

/** Memory a model could be loaded into. What idle models would give back when evicted is to be added by the caller. */
export type FitMemory = {
  /** Null: nobody knows whether there are GPUs. */
  readonly gpus: readonly FitGpu[] | null;
  readonly ramAvailableBytes: number | null;
  readonly ramTotalBytes: number | null;
};
export type FitGpu = {
  readonly id: string;
  readonly freeBytes: number | null;
  /** Of the card; null when unknown. */
  readonly totalBytes: number | null;
  /** Its memory is part of the RAM. */
  readonly unified: boolean;
};

export type FitTerms = {
  readonly weightsBytes: number;
  readonly contextBytes: number;
  /** On each device that takes part. */
  readonly computeBytes: number;
  readonly runtimeBytes: number;
  /** What measured loads add to the prediction; negative when they needed less; 0 before the first. */
  readonly correctionBytes: number;
};

/**
 * - `fits`: wholly on graphics cards. `cpuOnly`: there is no graphics card, and it fits into RAM.
 * - `spills`: partly on the CPU, many times slower; only for those who asked for it.
 * - `tooLarge`: not at all. `unknown`: a size is not known, and `reason` says which.
 */
export type FitPlan = {
  readonly kind: "fits" | "spills" | "tooLarge" | "cpuOnly" | "unknown";
  /** On all devices together; null when unknown. */
  readonly needBytes: number | null;
  readonly perGpu: readonly { readonly id: string; readonly bytes: number }[];
  /** Share of weights and context that lies in RAM: 0 fits, 1 all of it. */
  readonly spillRatio: number;
  readonly terms: FitTerms | null;
  /** One clause for a person. */
  readonly reason: string;
};

/** The use of a context as {@link kvBytes} takes it. */
export function contextUse(request: Omit<FitRequest, "model" | "calibration">): ContextUse {
  const { contextTokens, parallel, kvType, flashAttention, batchTokens } = request;
  return { contextTokens, parallel, kvType, flashAttention, batchTokens: batchTokens ?? DEFAULT_BATCH_TOKENS };
}

/** What measured and predicted sizes of a model are compared by: bytes of context, or tokens without a shape. */
export function calibrationScale(
  model: Pick<Model, "shape">,
  use: ContextUse,
): { predicted: number; isInBytes: boolean } {
  return model.shape === null
    ? { predicted: use.contextTokens * use.parallel, isInBytes: false }
    : { predicted: kvBytes(model.shape, use), isInBytes: true };
}

/**
 * The terms of the memory a model needs: weights (the file, projector included), context, compute buffers, runtime.
 * @returns null when the size of the file or, without measured loads, the shape is unknown.
 */
export function needTerms(request: FitRequest): FitTerms | null {
  const { model, calibration } = request;
  if (model.sizeBytes === null) return null;
  const use = contextUse(request);
  const weightsBytes = model.sizeBytes;
  const runtimeBytes = RUNTIME_BYTES;
  const scale = calibrationScale(model, use);
  if (model.shape === null) {
    if (calibration === null || !reaches(calibration, scale.predicted)) return null;
    const contextBytes = Math.max(0, calibratedBytes(calibration, scale.predicted) - weightsBytes);
    return { weightsBytes, contextBytes, computeBytes: 0, runtimeBytes, correctionBytes: 0 };
  }
  const contextBytes = scale.predicted;
  const compute = computeBytes(model.shape, use);
  const correctionBytes =
    calibration === null ? 0 : calibratedBytes(calibration, contextBytes) - weightsBytes - contextBytes - compute;
  return { weightsBytes, contextBytes, computeBytes: compute, runtimeBytes, correctionBytes };
}

/** Without a shape one point has no slope: it only speaks for contexts up to its own. */
function reaches(calibration: Calibration, predicted: number): boolean {
  return calibration.slope > 0 || calibration.points.some((point) => point.predicted >= predicted);
}

/** @returns bytes on one device, or null as {@link needTerms}. */
export function needBytes(request: FitRequest): number | null {
  const terms = needTerms(request);
  return terms === null ? null : movableBytes(terms) + deviceBytes(terms);
}

/** What can be divided between devices, layer by layer. */
function movableBytes(terms: FitTerms): number {
  return Math.max(0, terms.weightsBytes + terms.contextBytes + terms.correctionBytes);
}

/** What every GPU that takes part must hold besides. */
function deviceBytes(terms: FitTerms): number {
  return terms.computeBytes + terms.runtimeBytes;
}

/**
 * Plans where a model would lie: on one GPU when one is large enough (as Ollama places it), else spread over several
 * with compute and runtime on each, else partly in RAM.
 */
export function planFit(request: FitRequest, memory: FitMemory): FitPlan {
  if (request.model.isRemote) {
    return { kind: "fits", needBytes: 0, perGpu: [], spillRatio: 0, terms: null, reason: "runs elsewhere" };
  }
  const terms = needTerms(request);
  if (terms === null) return unknownNeed(request, memory);
  if (memory.gpus === null) return unknown(terms, "nobody has said yet which graphics cards there are");
  const known = memory.gpus.filter((gpu): gpu is FitGpu & { freeBytes: number } => gpu.freeBytes !== null);
  const movable = movableBytes(terms);
  const each = deviceBytes(terms);
  const ratio = request.calibration === null ? USABLE_RATIO : MEASURED_USABLE_RATIO;
  const byRoom = known.toSorted((a, b) => b.freeBytes - a.freeBytes);
  const [roomiest] = byRoom;
  if (roomiest !== undefined && movable + each <= usable(roomiest.freeBytes, ratio)) {
    return plan("fits", terms, [{ id: roomiest.id, bytes: movable + each }], 0, `fits on ${roomiest.id}`);
  }
  const rooms = byRoom
    .map((gpu) => ({ ...gpu, roomBytes: usable(gpu.freeBytes, ratio) - each }))
    .filter(({ roomBytes }) => roomBytes > 0);
  const room = rooms.reduce((sum, { roomBytes }) => sum + roomBytes, 0);
  const share = (part: number) =>
    rooms.map(({ id, roomBytes }) => ({ id, bytes: Math.ceil((part * roomBytes) / room) + each }));
  if (rooms.length > 0 && room >= movable)
    return plan("fits", terms, share(movable), 0, `fits over ${rooms.length} graphics cards`);
  if (known.length < memory.gpus.length) return unknown(terms, "free memory of a graphics card is not known");
  return spilled(terms, memory, { movable, each, room, perGpu: room > 0 ? share(room) : [] });
}

type Placement = {
  readonly movable: number;
  readonly each: number;
  readonly room: number;
  readonly perGpu: FitPlan["perGpu"];
};

function spilled(terms: FitTerms, memory: FitMemory, { movable, each, room, perGpu }: Placement): FitPlan {
  const ram = memory.ramAvailableBytes;
  const gpus = memory.gpus ?? [];
  if (ram === null && gpus.length === 0) return unknown(terms, "there is no graphics card, and free RAM is not known");
  // What lies on a GPU that shares the RAM is gone from it.
  const shared = gpus.some(({ unified }) => unified) ? room + each * perGpu.length : 0;
  const rest = movable - room + (perGpu.length === 0 ? each : 0);
  const spillRatio = movable === 0 ? 0 : (movable - room) / movable;
  // Whether it fits at all is not known then; that it does not fit into VRAM is.
  if (ram !== null && rest > usable(ram - shared)) {
    return plan("tooLarge", terms, [], 1, `needs ${gib(movable + each)}, more than VRAM and RAM have free`);
  }
  if (gpus.length === 0) return plan("cpuOnly", terms, [], 1, "there is no graphics card; it fits into RAM");
  return plan("spills", terms, perGpu, spillRatio, `${Math.round(spillRatio * 100)} % of it would lie in RAM`);
}

/** Without a need there is one certain thing: weights alone that are larger than everything. */
function unknownNeed({ model }: FitRequest, memory: FitMemory): FitPlan {
  if (model.sizeBytes === null) return unknown(null, "the server does not say how large the model is");
  const { gpus, ramAvailableBytes } = memory;
  const separate = gpus?.filter(({ unified }) => !unified) ?? null;
  const all = separate?.reduce<number | null>(
    (sum, { freeBytes }) => (sum === null || freeBytes === null ? null : sum + freeBytes),
    ramAvailableBytes,
  );
  if (typeof all === "number" && model.sizeBytes > all) {
    const reason = `its weights alone, ${gib(model.sizeBytes)}, are more than VRAM and RAM have free`;
    return { kind: "tooLarge", needBytes: null, perGpu: [], spillRatio: 1, terms: null, reason };
  }
  return unknown(null, "the server does not say how the model is built, and it was not loaded yet");
}

function unknown(terms: FitTerms | null, reason: string): FitPlan {
  const need = terms === null ? null : movableBytes(terms) + deviceBytes(terms);
  return { kind: "unknown", needBytes: need, perGpu: [], spillRatio: 0, terms, reason };
}

function plan(
  kind: FitPlan["kind"],
  terms: FitTerms,
  perGpu: FitPlan["perGpu"],
  spillRatio: number,
  reason: string,
): FitPlan {
  const need = movableBytes(terms) + Math.max(1, perGpu.length) * deviceBytes(terms);
  return { kind, needBytes: need, perGpu, spillRatio, terms, reason };
}

function usable(freeBytes: number, ratio = USABLE_RATIO): number {
  return Math.max(0, freeBytes) * ratio;
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
