/** Settings of webhooks that come in. */
import { z } from "zod";
import type { SourceKind } from "#hooks";
import { count, setting } from "./setting.ts";

// Written out, and complete by its type: the watchdog reads these settings too, and loads no further rooms.
const SOURCE_KINDS = {
  github: "github",
  gitea: "gitea",
  forgejo: "forgejo",
  gitlab: "gitlab",
  generic: "generic",
} as const satisfies { readonly [K in SourceKind]: K };

const MAX_TEXT = 4_096;
/** Part of an address; `deliveries` is one of the API already. */
const sourceName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "use small letters, digits, dot, dash, underscore; at most 63")
  .refine((given) => given !== "deliveries", "is an address of the API already");

/** As much as one attempt at a complex task may use; what needs more is worth a person's look. */
const GOAL_TOKENS = 1_000_000;

const source = z.strictObject({
  name: sourceName,
  kind: z.enum(SOURCE_KINDS),
  secret_file: z.string().min(1).max(MAX_TEXT),
  repositories: z.array(z.string().min(1).max(200)).max(1_000).default([]),
  goal_label: z.string().min(1).max(100).optional(),
  goal_tokens: count(1_000_000_000_000).default(GOAL_TOKENS),
  senders: z.array(z.string().min(1).max(100)).max(1_000).default([]),
});

const uniqueName = [
  (all: readonly { readonly name: string }[]): boolean => new Set(all.map(({ name }) => name)).size === all.length,
  "names one twice",
] as const;

export const HOOK_SETTINGS = {
  "webhooks.sources": setting(
    z
      .array(source)
      .max(64)
      .refine(...uniqueName),
    [],
    "who may deliver webhooks to this node, and which issues become goals",
  ),
  "webhooks.max_body_bytes": setting(count(26_214_400), 2_097_152, "bytes of one webhook; longer ones are refused"),
  "webhooks.tolerance_ms": setting(
    count(3_600_000),
    300_000,
    "how far the clock of a sender of kind generic may be from this node's",
  ),
} as const;
