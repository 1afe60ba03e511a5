/** hw: what this host has, and the servers that run models: their models, memory and health. */
export {
  type CapacityHistory,
  type CapacityMinute,
  type CapacitySample,
  type GpuMinute,
} from "./capacity/capacity-history.ts";
export type { EnergyUse } from "./capacity/capacity-monitor.ts";
export { CapacityMonitor } from "./capacity/capacity-monitor.ts";

export {
  type CpuCapacity,
  freeVramBytes,
  type Gpu,
  type GpuProcess,
  type GpuVendor,
  type HostCapacity,
  type RamCapacity,
} from "./capacity/host-capacity.ts";
export type { CapacityProbes, GpuSource } from "./capacity/probes.ts";
export { type AnnouncedEndpoint, DEFAULT_LEASE_MS, LEASE_BOUNDS_MS } from "./endpoints/announce.ts";
export { wellKnownAddresses } from "./endpoints/discover.ts";
export {
  type Announcement,
  type CallOutcome,
  ENDPOINT_KINDS,
  type Endpoint,
  type EndpointDirectory,
  type EndpointKind,
  type EndpointOrigin,
  type EndpointState,
  type Health,
  type LoadedModel,
  type Model,
  type ModelShape,
  type Ticket,
} from "./endpoints/endpoint.ts";
export { EndpointRegistry, type RegistryOptions } from "./endpoints/endpoint-registry.ts";
export type { EndpointSpec } from "./endpoints/endpoint-spec.ts";
export { hasFlashAttention, kvTypeOf } from "./endpoints/loaded-sizes.ts";
export { canonicalModelName, modelOf } from "./endpoints/model-name.ts";
export type { EndpointProbe, Identity, ModelDetails, ProbeFault, Sighting } from "./endpoints/probe.ts";
export { endpointMemory, hasOwnMemory } from "./fit/endpoint-memory.ts";
export type { HeldMemory } from "./fit/fit-memory.ts";
export { pinContext } from "./fit/pin-context.ts";
export {
  type FitGpu,
  type FitMemory,
  type FitPlan,
  type FitRequest,
  type FitTerms,
  planFit,
} from "./fit/plan-fit.ts";
export { ResidencyHistory } from "./fit/residency-history.ts";
export { hostProbes } from "./io/capacity/host-probes.ts";
export { printInventory } from "./io/capacity/inventory-program.ts";
export { readApiKey } from "./io/endpoints/api-key.ts";
export { HttpEndpointProbe } from "./io/endpoints/http-endpoint-probe.ts";
export { TIERS, type Tier } from "./tier.ts";
