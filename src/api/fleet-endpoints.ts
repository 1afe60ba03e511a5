/** Endpoints of other nodes, as these told them last. */
import { z } from "zod";
import { ENDPOINT_KINDS } from "#hw";
import { FRESH_MS } from "./fleet-view.ts";
import type { ApiPorts } from "./ports.ts";

const toldSchema = z.object({
  id: z.string(),
  kind: z.enum(ENDPOINT_KINDS),
  /** As its own node reaches it; often an address of that host alone. */
  url: z.string(),
  health: z.enum(["unknown", "healthy", "open", "halfOpen"]),
  /** How many it offers; `GET /api/nodes` has their names. */
  models: z.int(),
  loaded: z.array(z.object({ name: z.string(), sizeBytes: z.number(), vramBytes: z.number() })),
  /** Of its node, under way. */
  requests: z.int(),
  outsiders: z.number().nullable(),
});

export const elsewhereSchema = z.object({
  ...toldSchema.shape,
  node: z.string(),
  nodeName: z.string(),
  /** When its node said it, and whether that was within a minute. */
  toldAtMs: z.int(),
  isFresh: z.boolean(),
});
export type ElsewhereView = z.output<typeof elsewhereSchema>;

/** One by one: a node of another version may tell one of them in a way that is not known here. */
const announcedSchema = z.object({ endpoints: z.array(z.unknown()).catch([]) });

/** @returns what the other nodes of the fleet have; this node asks none of it, but their tasks do. */
export function endpointsElsewhere({ fleet, node, clock }: ApiPorts): readonly ElsewhereView[] {
  const nowMs = clock.nowMs();
  return fleet.nodes().flatMap(({ id, name, state, seenAtMs, announced }): readonly ElsewhereView[] => {
    if (id === node.id || state === "removed") return [];
    const said = announcedSchema.safeParse(announced);
    const known = (said.success ? said.data.endpoints : []).flatMap((one) => {
      const told = toldSchema.safeParse(one);
      return told.success ? [told.data] : [];
    });
    const whose = { node: id, nodeName: name, toldAtMs: seenAtMs, isFresh: nowMs - seenAtMs <= FRESH_MS };
    return known.map((told) => ({ ...told, ...whose }));
  });
}
