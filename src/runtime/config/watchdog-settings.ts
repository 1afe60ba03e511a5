/** Settings of the watchdog: processes beside the node, and releases. */
import { z } from "zod";
import { count, DAY_MS, durationMs, setting } from "./setting.ts";

const MAX_TEXT = 4_096;

const probe = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("http"), url: z.url().max(MAX_TEXT) }),
  z.strictObject({
    kind: z.literal("tcp"),
    host: z.string().max(255).default("127.0.0.1"),
    port: z.int().min(1).max(65_535),
  }),
  z.strictObject({ kind: z.literal("command"), command: z.array(z.string().max(MAX_TEXT)).min(1).max(100) }),
]);

const supervised = z.strictObject({
  name: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/, "use a-z, 0-9 and -, at most 64"),
  command: z.array(z.string().max(MAX_TEXT)).min(1).max(100),
  env: z.record(z.string().min(1).max(128), z.string().max(MAX_TEXT)).default({}),
  cwd: z.string().startsWith("/", "must be an absolute path").max(MAX_TEXT).optional(),
  probe: probe.optional(),
  probe_every_ms: durationMs.optional(),
  start_limit_ms: durationMs.optional(),
  memory_limit_bytes: z.int().min(1).optional(),
  restarts: z.int().min(0).max(1_000).optional(),
});

const semanticVersion = z
  .string()
  .regex(/^(\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?)?$/, "use a version such as 1.2.3; empty for any");

/** A command; what stands in braces is filled in. */
const words = z.array(z.string().min(1).max(MAX_TEXT)).min(1).max(100);

export const WATCHDOG_SETTINGS = {
  "update.manifest_url": setting(
    z.union([z.literal(""), z.url({ protocol: /^https?$/ }).max(MAX_TEXT)]),
    "",
    "manifest.json of the releases that `drover update` looks at when it is given none",
  ),
  "update.public_keys": setting(
    z.array(z.string().max(200)).max(16),
    [],
    "public keys of roots whose releases are trusted, besides those compiled in",
  ),
  "update.channel": setting(z.string().max(64), "", "the one channel that releases are taken from; empty: any"),
  "update.pin": setting(semanticVersion, "", "the one version that may be installed; empty: any"),
  "update.auto": setting(z.boolean(), false, "look at update.manifest_url now and then, and install what is newer"),
  "update.check_every_ms": setting(
    z
      .int()
      .min(60_000)
      .max(30 * DAY_MS),
    DAY_MS / 4,
    "time between two looks with update.auto, by up to a fifth more or less",
  ),
  "update.window": setting(
    z.string().regex(/^$|^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/, "use a window such as 02:00-05:00"),
    "",
    "local time in which update.auto may install, such as 02:00-05:00; empty: always",
  ),
  "update.local_key_file": setting(
    z.string().max(MAX_TEXT),
    "",
    "key of drover release-key that signs releases built from source on this node; empty: none is built",
  ),
  "update.source_build": setting(
    words,
    ["{bun}", "build/main.ts", "--version", "{version}", "--out", "{out}", "--without-selftest", "{root_keys}"],
    "command that makes {out}/drover of a changed source, in a copy of it",
  ),
  "update.source_test": setting(
    words,
    ["{bun}", "build/check.ts", "confined"],
    "command that must succeed there before the release is signed",
  ),
  "update.source_build_ms": setting(durationMs, 600_000, "how long update.source_build may take"),
  "update.source_test_ms": setting(durationMs, 1_800_000, "how long update.source_test may take"),
  "update.probation_ms": setting(durationMs, 180_000, "how long a new release must be healthy before it is kept"),

  processes: setting(
    z
      .array(supervised)
      .max(32)
      .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, "two processes have the same name"),
    [],
    "processes that the watchdog keeps alive beside the node",
  ),
  "watchdog.restarts": setting(
    z.int().min(0).max(1_000),
    5,
    "faults of the node within 30 minutes that are answered with a restart",
  ),
  "watchdog.start_ms": setting(count(24 * 3_600_000), 60_000, "how long the node may take until it is ready"),
  "watchdog.heartbeat_ms": setting(count(3_600_000), 8_000, "silence of the node after which it is replaced"),
  "watchdog.hang_ms": setting(
    // The slowest of the loops that keep no time of their own turns once a second.
    z.int().min(2_000).max(DAY_MS),
    60_000,
    "how long an inner loop of the node may stand still before the node is replaced",
  ),
  "watchdog.healthy_ms": setting(
    durationMs,
    60_000,
    "how long the node must run before its next fault counts as a first one",
  ),
  "watchdog.memory_bytes": setting(z.int().min(0), 0, "resident memory at which the node is replaced; 0: no limit"),
};
