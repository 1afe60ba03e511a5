/** Hands what models in memory really take to the calibration of the fit. */
import type { CalibrationTable } from "../fit/calibration.ts";
import { KV_TYPES, type KvType } from "../fit/context-memory.ts";
import { calibrationScale, contextUse } from "../fit/plan-fit.ts";
import type { Endpoint } from "./endpoint.ts";
import type { EndpointRecord } from "./endpoint-record.ts";

/** The label by which a person says how a server stores keys and values; its API does not tell. */
export const KV_TYPE_LABEL = "kv_type";

/** @returns how an endpoint stores keys and values, as its label says; f16, every server's default, without one. */
export function kvTypeOf(endpoint: Endpoint): KvType {
  const label = endpoint.labels[KV_TYPE_LABEL];
  return KV_TYPES.find((known) => known === label) ?? "f16";
}

/** The label by which a person says that a server works without flash attention; its API does not tell. */
const FLASH_ATTENTION_LABEL = "flash_attention";
const OFF = new Set(["off", "false", "0", "no"]);

/**
 * @returns whether an endpoint reads attention in tiles and needs no buffer that grows with the context. Servers switch
 * it on by themselves where card and model allow it, so it is off only where the label says so.
 */
export function hasFlashAttention(endpoint: Endpoint): boolean {
  return !OFF.has((endpoint.labels[FLASH_ATTENTION_LABEL] ?? "").toLowerCase());
}

/** Takes in the size of every model that is reported in memory with its context. */
export function observeSizes(
  record: Pick<EndpointRecord, "endpoint" | "models" | "reported">,
  calibrations: CalibrationTable,
): void {
  const { endpoint, models, reported } = record;
  for (const loaded of reported) {
    const model = models.find(({ name }) => name === loaded.name);
    const digest = loaded.digest ?? model?.digest ?? null;
    if (model === undefined || digest === null || loaded.contextLength === null || loaded.sizeBytes === 0) continue;
    const use = contextUse({
      contextTokens: loaded.contextLength,
      parallel: endpoint.parallel ?? 1,
      kvType: kvTypeOf(endpoint),
      batchTokens: null,
      flashAttention: hasFlashAttention(endpoint),
    });
    const { predicted, isInBytes } = calibrationScale(model, use);
    calibrations.observe(digest, use.kvType, { predicted, sizeBytes: loaded.sizeBytes }, isInBytes);
  }
}
