/** From what people, discovery or other nodes say of an endpoint to the endpoint. */
import { err, type Failure, ok, type Result, refused } from "#base";
import type { Endpoint, EndpointKind, EndpointOrigin } from "./endpoint.ts";
import { parseEndpointUrl } from "./endpoint-url.ts";
import { canonicalModelName } from "./model-name.ts";

/** What has to be said of an endpoint; the rest has defaults. */
export type EndpointSpec = {
  readonly kind: EndpointKind;
  readonly url: string;
  readonly origin: EndpointOrigin;
  /** Letters, digits, dot, dash, underscore; made of the address when left out. */
  readonly id?: string;
  readonly apiKeyFile?: string | null;
  readonly labels?: Readonly<Record<string, string>>;
  readonly parallel?: number | null;
  readonly models?: readonly string[];
  /** Memory of its graphics cards, 0 without any. */
  readonly vramBytes?: number | null;
};

const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** More slots than any single server is known to run; above it the number is a slip. */
const MAX_PARALLEL = 1_024;
/** Names in one list of models; one page of a configuration file. */
const MAX_MODELS = 1_000;

/** @returns the endpoint and the key it is compared by, or what is wrong with its description. */
export function endpointFrom(
  spec: EndpointSpec,
): Result<{ readonly endpoint: Endpoint; readonly key: string }, Failure> {
  const address = parseEndpointUrl(spec.url, spec.kind);
  if (!address.ok) return address;
  if (spec.id !== undefined && !ID.test(spec.id)) {
    return err(refused("invalid", `endpoint name ${JSON.stringify(spec.id.slice(0, 80))} is not a name`, NAME_REMEDY));
  }
  const parallel = spec.parallel ?? null;
  if (parallel !== null && !(Number.isInteger(parallel) && parallel >= 1 && parallel <= MAX_PARALLEL)) {
    return err(refused("invalid", `endpoint parallel must be a whole number from 1 to ${MAX_PARALLEL}`));
  }
  const vramBytes = spec.vramBytes ?? null;
  if (vramBytes !== null && !(Number.isSafeInteger(vramBytes) && vramBytes >= 0)) {
    return err(refused("invalid", "the VRAM of an endpoint must be a whole number of bytes"));
  }
  const models = [...new Set((spec.models ?? []).map((name) => canonicalModelName(name, spec.kind)))];
  if (models.length > MAX_MODELS) return err(refused("limit", `endpoint lists more than ${MAX_MODELS} models`));
  const { url, key, id, isLocal } = address.value;
  const endpoint: Endpoint = {
    id: spec.id ?? id,
    kind: spec.kind,
    url,
    origin: spec.origin,
    apiKeyFile: spec.apiKeyFile ?? null,
    labels: spec.labels ?? {},
    isLocal,
    parallel,
    models,
    ...(vramBytes === null ? {} : { vramBytes }),
  };
  return ok({ endpoint, key });
}

const NAME_REMEDY = "Use letters, digits, dot, dash, underscore; at most 63";

/** Whose word counts more when two describe one server. */
export function rankOf(origin: EndpointOrigin): number {
  switch (origin) {
    case "config":
    case "api":
      return 2;
    case "localhost":
      return 1;
    case "node":
      return 0;
  }
}
