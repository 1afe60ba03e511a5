import { z } from "zod";
import { err, type Logger, ok, type Result, silentLogger } from "#base";
import { ENDPOINT_KINDS, EndpointRegistry, type EndpointSpec, HttpEndpointProbe } from "#hw";
import type { Config } from "../config/settings.ts";
import { realClock, realRandom } from "../real-clock.ts";

/** What was added through the API may have been written by another version. */
const keptSchema = z.object({
  id: z.string(),
  kind: z.enum(ENDPOINT_KINDS),
  url: z.string(),
  apiKeyFile: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  parallel: z.number().nullable(),
  models: z.array(z.string()),
  vramBytes: z.number().optional(),
});

/** Adds the endpoints of the configuration. @returns the first that cannot be one, or that is there twice. */
export function addConfigured(registry: EndpointRegistry, config: Config): Result<void> {
  for (const { name, api_key_file: apiKeyFile, ...given } of config.endpoints) {
    const spec: EndpointSpec = {
      kind: given.kind,
      url: given.url,
      labels: given.labels,
      models: given.models,
      origin: "config",
      apiKeyFile: apiKeyFile ?? null,
      parallel: given.parallel ?? null,
      vramBytes: given.vram_bytes ?? null,
      ...(name === undefined ? {} : { id: name }),
    };
    const added = registry.add(spec);
    if (!added.ok) return err({ ...added.error, message: `configuration: endpoints: ${added.error.message}` });
  }
  return ok(undefined);
}

/** Adds endpoints that were kept; one that the configuration names meanwhile is the configuration's. */
export function addKept(registry: EndpointRegistry, kept: readonly unknown[], logger: Logger): void {
  for (const one of kept) {
    const parsed = keptSchema.safeParse(one);
    if (parsed.success) {
      const { vramBytes = null, ...spec } = parsed.data;
      registry.add({ ...spec, vramBytes, origin: "api" });
    } else logger.warn("an endpoint that was added cannot be read by this version", { endpoint: one });
  }
}

/** @returns what is wrong with the endpoints of a configuration, without asking anything of them. */
export function checkEndpoints(config: Config): Result<void> {
  const clock = realClock;
  const probe = new HttpEndpointProbe(clock);
  return addConfigured(
    new EndpointRegistry({ clock, random: realRandom(), logger: silentLogger, probe, candidates: [] }),
    config,
  );
}
