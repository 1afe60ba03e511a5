/** Endpoints and their models as the API returns them. */
import { z } from "zod";
import { MAX_LABELS } from "#base";
import { ENDPOINT_KINDS, type EndpointState, LEASE_BOUNDS_MS, type LoadedModel, type Model, TIERS } from "#hw";

import { announcedHostSchema, announcementSchema, announcementView } from "./announcement.ts";
import type { ModelPassRate } from "./model-ports.ts";

/** The longest name of a host, so that every host can be an id. */
const MAX_ID_CHARS = 63;
const MAX_URL_CHARS = 2_048;
const MAX_PATH_CHARS = 4_096;
const MAX_NAMES = 100;
const MAX_NAME_CHARS = 200;
/** No server of models answers more at once. */
const MAX_PARALLEL = 1_024;

export const endpointIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "must be letters, digits, . _ -")
  .max(MAX_ID_CHARS);

/** An endpoint as people add it, or as another node announces it. */
export const newEndpointSchema = z
  .strictObject({
    url: z.string().min(1).max(MAX_URL_CHARS),
    kind: z.enum(ENDPOINT_KINDS).default("ollama"),
    id: endpointIdSchema.optional(),
    /** Path on the node's host of a file that holds the key; the key itself never travels. */
    apiKeyFile: z.string().min(1).max(MAX_PATH_CHARS).startsWith("/", "must be an absolute path").optional(),
    labels: z
      .record(z.string().max(MAX_NAME_CHARS), z.string().max(MAX_NAME_CHARS))
      .refine((entries) => Object.keys(entries).length <= MAX_LABELS, `must have at most ${MAX_LABELS} labels`)
      .default({}),
    parallel: z.int().min(1).max(MAX_PARALLEL).optional(),
    models: z.array(z.string().min(1).max(MAX_NAME_CHARS)).max(MAX_NAMES).default([]),
    /** Memory of its graphics cards, 0 without any; for a server elsewhere, of which nothing is known. */
    vramBytes: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
    /** A node, or a program beside the server, that announces it: it counts until the lease ends and is not kept. */
    announcedBy: z.string().min(1).max(MAX_ID_CHARS).optional(),
    leaseMs: z.int().min(LEASE_BOUNDS_MS.least).max(LEASE_BOUNDS_MS.most).optional(),
    host: announcedHostSchema.optional(),
  })
  .superRefine(({ announcedBy, leaseMs, host, apiKeyFile, vramBytes }, context) => {
    const misplaced =
      announcedBy === undefined
        ? { leaseMs: leaseMs !== undefined, host: host !== undefined }
        : // A file of this node is not read for a stranger's address, and memory is announced by card.
          { apiKeyFile: apiKeyFile !== undefined, vramBytes: vramBytes !== undefined };
    const message = announcedBy === undefined ? "belongs to an announcement: say announcedBy" : "cannot be announced";
    for (const [field, isThere] of Object.entries(misplaced)) {
      if (isThere) context.addIssue({ code: "custom", path: [field], message });
    }
  });

const modelSchema = z.object({
  name: z.string(),
  digest: z.string().nullable(),
  sizeBytes: z.number().nullable(),
  /** Runs elsewhere and uses no memory of the endpoint's host. */
  isRemote: z.boolean(),
  family: z.string().nullable(),
  parameterSize: z.string().nullable(),
  quantization: z.string().nullable(),
  capabilities: z.array(z.string()).nullable(),
  contextLength: z.number().nullable(),
});

const loadedSchema = z.object({
  name: z.string(),
  sizeBytes: z.number(),
  /** Less than `sizeBytes`: partly on the processor, which is slow. */
  vramBytes: z.number(),
  contextLength: z.number().nullable(),
  expiresAtMs: z.number().nullable(),
  /** On its way: its server does not report it yet, and the sizes are those of its file. */
  isExpected: z.boolean(),
});

export const endpointSchema = z.object({
  id: z.string(),
  kind: z.enum(ENDPOINT_KINDS),
  url: z.string(),
  origin: z.enum(["config", "api", "localhost", "node"]),
  labels: z.record(z.string(), z.string()),
  isLocal: z.boolean(),
  hasKey: z.boolean(),
  health: z.enum(["unknown", "healthy", "open", "halfOpen"]),
  /** Why it is not healthy; null when it is. */
  reason: z.string().nullable(),
  retryAtMs: z.number().nullable(),
  version: z.string().nullable(),
  latencyMs: z.number().nullable(),
  polledAtMs: z.number().nullable(),
  models: z.array(modelSchema),
  loaded: z.array(loadedSchema),
  inFlight: z.record(z.string(), z.int()),
  /** Requests of other programs, where they can be seen. */
  outsiders: z.number().nullable(),
  penalty: z.number(),
  /** As a person stated it; null when nobody did. */
  vramBytes: z.number().nullable(),
  /** What another node says of its host now. */
  announcement: announcementSchema.nullable(),
});
export type EndpointView = z.output<typeof endpointSchema>;

export function endpointView(state: EndpointState): EndpointView {
  const { endpoint, health } = state;
  return {
    id: endpoint.id,
    kind: endpoint.kind,
    url: endpoint.url,
    origin: endpoint.origin,
    labels: { ...endpoint.labels },
    isLocal: endpoint.isLocal,
    hasKey: endpoint.apiKeyFile !== null,
    health: health.kind,
    reason: reasonOf(state),
    retryAtMs: health.kind === "open" ? health.retryAtMs : null,
    version: state.version,
    latencyMs: state.latencyMs,
    polledAtMs: state.polledAtMs,
    models: state.models.map(modelView),
    loaded: state.loaded.map(loadedView),
    inFlight: { ...state.inFlight },
    outsiders: state.outsiders,
    penalty: state.penalty,
    vramBytes: endpoint.vramBytes ?? null,
    announcement: state.announcement === undefined ? null : announcementView(state.announcement),
  };
}

function reasonOf({ health, lastError }: EndpointState): string | null {
  switch (health.kind) {
    case "healthy":
      return null;
    case "unknown":
      return lastError;
    case "open":
    case "halfOpen":
      return health.reason;
  }
}

function modelView({
  shape: _shape,
  serverName: _said,
  capabilities,
  ...shown
}: Model): EndpointView["models"][number] {
  return { ...shown, capabilities: capabilities === null ? null : [...capabilities] };
}

function loadedView({ digest: _digest, isExpected, ...shown }: LoadedModel): EndpointView["loaded"][number] {
  return { ...shown, isExpected: isExpected === true };
}

const passRateSchema = z.object({
  /** What the tasks were classed as. */
  tier: z.enum(TIERS),
  /** Attempts that verification judged; fewer than there were once there are many, for older ones fade. */
  samples: z.int(),
  /** As it is estimated, one pass and one failure counted in beforehand; and one standard deviation below and above. */
  passRatio: z.number(),
  lowRatio: z.number(),
  highRatio: z.number(),
});

/** One model of the fleet, wherever it is. */
export const fleetModelSchema = z.object({
  ...modelSchema.shape,
  endpoints: z.array(z.object({ id: z.string(), isHealthy: z.boolean(), isLoaded: z.boolean() })),
  /** By tier, of those in which it was judged on this node. */
  passRates: z.array(passRateSchema),
});
export type FleetModelView = z.output<typeof fleetModelSchema>;

/** @returns every model by name, with the endpoints that offer it. What differs between them is the first one's. */
export function fleetModels(
  states: readonly EndpointState[],
  rates: readonly ModelPassRate[],
): readonly FleetModelView[] {
  const found = new Map<string, FleetModelView>();
  for (const { endpoint, health, models, loaded } of states) {
    for (const model of models) {
      const known = found.get(model.name) ?? {
        ...modelView(model),
        endpoints: [],
        passRates: passRatesOf(model.name, rates),
      };
      const isLoaded = loaded.some(({ name, isExpected }) => name === model.name && isExpected !== true);
      known.endpoints.push({ id: endpoint.id, isHealthy: health.kind === "healthy", isLoaded });
      found.set(model.name, known);
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** In the order of tiers. */
function passRatesOf(name: string, rates: readonly ModelPassRate[]): FleetModelView["passRates"] {
  return TIERS.flatMap((tier) =>
    rates
      .filter((rate) => rate.model === name && rate.tier === tier)
      .map(({ samples, mean, low, high }) => ({ tier, samples, passRatio: mean, lowRatio: low, highRatio: high })),
  );
}
