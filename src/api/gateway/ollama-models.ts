/** The fleet's models as Ollama lists them. Pure but for the hash. */
import { createHash } from "node:crypto";
import type { EndpointState, LoadedModel, Model } from "#hw";
import type { TierModel } from "./tier-models.ts";

/** The names of tiers, then every model once; a model on several endpoints is one. */
export function ollamaTags(states: readonly EndpointState[], tiers: readonly TierModel[]): object {
  const found = new Map<string, object>();
  for (const { models, polledAtMs } of states) {
    for (const model of models) {
      if (!found.has(model.name)) found.set(model.name, tag(model, polledAtMs));
    }
  }
  return { models: [...tiers.map(tierTag), ...found.values()] };
}

/** What is loaded anywhere, endpoint by endpoint. */
export function ollamaPs(states: readonly EndpointState[]): object {
  return {
    models: states.flatMap(({ models, loaded }) =>
      loaded.map((one) =>
        running(
          one,
          models.find(({ name }) => name === one.name),
        ),
      ),
    ),
  };
}

/** @returns what is known of the model, or of the one that would answer for a tier; undefined when there is none. */
export function ollamaShow(
  states: readonly EndpointState[],
  tiers: readonly TierModel[],
  name: string,
): object | undefined {
  const tier = tiers.find((one) => one.name === name);
  if (tier !== undefined) {
    return shown({ ...tier.first, capabilities: tier.capabilities }, tierDetails(tier));
  }
  const model = states
    .flatMap(({ models }) => models)
    .find((one) => one.name === name || one.name === `${name}:latest`);
  return model === undefined ? undefined : shown(model, details(model));
}

function shown(model: Model, said: object): object {
  const { shape } = model;
  const parameterCount = shape?.parameterCount ?? null;
  const architecture = shape?.architecture ?? model.family ?? "unknown";
  return {
    details: said,
    model_info: {
      "general.architecture": architecture,
      ...(parameterCount === null ? {} : { "general.parameter_count": parameterCount }),
      ...(model.contextLength === null ? {} : { [`${architecture}.context_length`]: model.contextLength }),
      ...(shape === null
        ? {}
        : {
            [`${architecture}.block_count`]: shape.blockCount,
            [`${architecture}.embedding_length`]: shape.embeddingLength,
            [`${architecture}.attention.head_count`]: shape.headCount,
          }),
    },
    capabilities: model.capabilities ?? ["completion"],
    template: "",
    parameters: "",
    modelfile: "",
  };
}

/** Without a size: the memory it takes is another model's. */
function tierTag(tier: TierModel): object {
  const { name, first, capabilities, seenAtMs } = tier;
  const model: Model = { ...first, name, digest: null, sizeBytes: null, capabilities };
  return { ...tag(model, seenAtMs), details: tierDetails(tier) };
}

function tierDetails({ first }: TierModel): object {
  return { ...details(first), parent_model: first.name };
}

function tag(model: Model, seenAtMs: number | null): object {
  return {
    name: model.name,
    model: model.name,
    // Endpoints do not all say when a model changed; when it was last seen is what the fleet knows.
    modified_at: new Date(seenAtMs ?? 0).toISOString(),
    size: model.sizeBytes ?? 0,
    digest: model.digest ?? standInDigest(model.name),
    details: details(model),
    ...(model.capabilities === null ? {} : { capabilities: model.capabilities }),
  };
}

function running(loaded: LoadedModel, model: Model | undefined): object {
  return {
    name: loaded.name,
    model: loaded.name,
    size: loaded.sizeBytes,
    size_vram: loaded.vramBytes,
    digest: loaded.digest ?? standInDigest(loaded.name),
    details: model === undefined ? {} : details(model),
    ...(loaded.expiresAtMs === null ? {} : { expires_at: new Date(loaded.expiresAtMs).toISOString() }),
    ...(loaded.contextLength === null ? {} : { context_length: loaded.contextLength }),
  };
}

function details(model: Model): object {
  const family = model.family ?? "";
  return {
    parent_model: "",
    format: "gguf",
    family,
    families: family === "" ? [] : [family],
    parameter_size: model.parameterSize ?? "",
    quantization_level: model.quantization ?? "",
  };
}

/** Ollama's own command shows the first twelve characters of every digest, and ends in a fault where there are fewer. */
function standInDigest(name: string): string {
  return createHash("sha256").update(name).digest("hex");
}
