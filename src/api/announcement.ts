/** What other nodes announce of an endpoint and its host, as it is sent and returned. */
import { z } from "zod";
import { type AnnouncedEndpoint, type Announcement, DEFAULT_LEASE_MS, type EndpointKind } from "#hw";

const MAX_NAME_CHARS = 200;
/** Cards of one host; the largest have sixteen. */
const MAX_GPUS = 64;
const bytes = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** What an announcement says of the host under an endpoint; what is left out is not known. */
export const announcedHostSchema = z.strictObject({
  /** Empty: the host has none. */
  gpus: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(MAX_NAME_CHARS),
        vramBytes: bytes.optional(),
        freeVramBytes: bytes.optional(),
        /** It shares the processor's memory. */
        unified: z.boolean().default(false),
      }),
    )
    .max(MAX_GPUS)
    .optional(),
  cpu: z.string().min(1).max(MAX_NAME_CHARS).optional(),
  ramBytes: bytes.optional(),
  freeRamBytes: bytes.optional(),
});

export const announcementSchema = z.object({
  node: z.string(),
  heardAtMs: z.number(),
  expiresAtMs: z.number(),
  gpus: z
    .array(
      z.object({
        name: z.string(),
        vramBytes: z.number().nullable(),
        freeVramBytes: z.number().nullable(),
        unified: z.boolean(),
      }),
    )
    .nullable(),
  cpu: z.string().nullable(),
  ramBytes: z.number().nullable(),
  freeRamBytes: z.number().nullable(),
});

/** @returns what is announced of a host, as the API returns it. */
export function announcementView({ gpus, ...said }: Announcement): z.output<typeof announcementSchema> {
  return { ...said, gpus: gpus?.map((gpu) => ({ ...gpu })) ?? null };
}

type NewAnnouncement = {
  readonly announcedBy: string;
  readonly leaseMs?: number | undefined;
  readonly host?: z.output<typeof announcedHostSchema> | undefined;
  readonly spec: {
    readonly url: string;
    readonly kind: EndpointKind;
    readonly id?: string | undefined;
    readonly labels: Readonly<Record<string, string>>;
    readonly parallel?: number | undefined;
    readonly models: readonly string[];
  };
};

/** @returns the announcement, with null for what was not said. */
export function announcedFrom({
  announcedBy,
  leaseMs = DEFAULT_LEASE_MS,
  host = {},
  spec,
}: NewAnnouncement): AnnouncedEndpoint {
  const { gpus, cpu = null, ramBytes = null, freeRamBytes = null } = host;
  const cards = gpus?.map(({ vramBytes = null, freeVramBytes = null, ...gpu }) => ({
    ...gpu,
    vramBytes,
    freeVramBytes,
  }));
  const { url, kind, id, labels, parallel = null, models } = spec;
  return {
    spec: { url, kind, labels, parallel, models, ...(id === undefined ? {} : { id }) },
    node: announcedBy,
    leaseMs,
    host: { gpus: cards ?? null, cpu, ramBytes, freeRamBytes },
  };
}
