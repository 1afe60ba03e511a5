/** Every setting there is: its schema, its default and what it does. Files, environment, flags and documents follow. */

import { z } from "zod";
import { isReservedVariable, LOG_LEVELS, MAX_ATTEMPTS, MAX_OPEN_TASKS, RETRY_BASE_MS, RETRY_MAX_MS } from "#base";
import { FAILOVER_SETTINGS, NODE_ROLES } from "../fleet/role.ts";
import { GOAL_SETTINGS } from "./goal-settings.ts";
import { HOOK_SETTINGS } from "./hook-settings.ts";
import { IMPROVEMENT_SETTINGS } from "./improvement-settings.ts";
import { MIND_SETTINGS } from "./mind-settings.ts";
import { MODEL_SETTINGS } from "./model-settings.ts";
import { NOTIFY_SETTINGS } from "./notify-settings.ts";
import { REPOSITORY_SETTINGS } from "./repository-settings.ts";
import { count, DAY_MS, durationMs, label, name, setting } from "./setting.ts";
import { TELEMETRY_SETTINGS } from "./telemetry-settings.ts";
import { WATCHDOG_SETTINGS } from "./watchdog-settings.ts";

const variableName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "use the name of an environment variable")
  .refine((given) => !isReservedVariable(given), "is reserved and cannot be handed to commands");

const keyPolicy = z.strictObject({
  max_concurrent: z.int().min(0).max(10_000).optional(),
  rate_per_second: z.number().positive().max(1_000_000).optional(),
  burst: z.number().min(1).max(1_000_000).optional(),
  weight: z.number().positive().max(1_000).optional(),
});

/** Nodes look at what they owe the hub twice a second; a shorter lease would run out in the pause of a garbage collection. */
const MIN_LEASE_MS = 3_000;

/** Less than a pause of a busy machine would depose hubs that live; an hour without a hub is a matter for a person. */
const MIN_FAILOVER_LEASE_MS = 1_000;
const MAX_FAILOVER_LEASE_MS = 3_600_000;

export const SETTINGS = {
  "node.name": setting(name.or(z.literal("")), "", "name shown to people; empty: the host's name"),
  "node.state_dir": setting(
    z.string().max(4096),
    "",
    "folder of databases, logs and workspaces; empty: the usual place",
  ),
  "node.labels": setting(z.record(label, label), {}, "labels that tasks may require of a node"),
  "node.role": setting(
    z.enum(NODE_ROLES),
    "auto",
    "solo: alone; hub: other nodes may join; auto: a hub from its first invitation on",
  ),
  "http.host": setting(z.string().max(255), "127.0.0.1", "address to listen on"),
  "http.port": setting(z.int().min(0).max(65_535), 7433, "port to listen on; 0 takes a free one"),
  "http.allow_hosts": setting(
    z.array(z.string().max(255)).max(64),
    [],
    "names besides loopback that requests may be addressed to",
  ),
  "http.gateway": setting(z.boolean(), true, "answer /ollama and /openai, so that other programs can use the models"),
  "http.reads_per_second": setting(count(1_000_000), 1_000, "reads that one client may make; twice as many at once"),
  "http.writes_per_second": setting(count(1_000_000), 2_000, "changes that one client may make; twice as many at once"),
  "publication.watched_words": setting(
    z.array(z.string().min(2).max(128)).max(256),
    [],
    "names and words that must not leave a repository, in any case",
  ),
  "fleet.url": setting(
    z.union([z.literal(""), z.url({ protocol: /^https?$/ }).max(2_048)]),
    "",
    "address under which other nodes reach this one; empty: http.host and http.port, or the host's name",
  ),
  "fleet.ca_file": setting(
    z.string().max(4_096),
    "",
    "PEM file of the authorities that https hubs are checked against; empty: those of the system",
  ),
  "fleet.lease_ms": setting(
    z.int().min(MIN_LEASE_MS).max(DAY_MS),
    60_000,
    "how long a node that is always there may be silent before its hub gives its tasks to others",
  ),
  "blobs.max_bytes": setting(
    count(1_099_511_627_776),
    10_737_418_240,
    "logs and large results that are kept for a fleet, in bytes on the disk; the oldest logs go first",
  ),
  "blobs.max_blob_bytes": setting(
    count(1_099_511_627_776),
    268_435_456,
    "bytes of one of them, compressed; what is longer stays on the node that made it",
  ),
  "fleet.failover": setting(
    z.enum(FAILOVER_SETTINGS),
    "manual",
    "who replaces a lost hub: manual: a person; automatic: three voters or more elect one. Counts on the hub, for the fleet",
  ),
  "fleet.failover_lease_ms": setting(
    z.int().min(MIN_FAILOVER_LEASE_MS).max(MAX_FAILOVER_LEASE_MS),
    10_000,
    "how long a hub has to be silent before another one is elected; it stops by itself before. Counts on the hub",
  ),
  "executor.shell.concurrency": setting(
    z.int().min(0).max(4_096),
    0,
    "shell attempts at once; 0: one per CPU available to drover",
  ),
  "executor.shell.env": setting(
    z.array(variableName).max(100),
    [],
    "names of further variables of the node's environment that commands get",
  ),
  "executor.shell.output_bytes": setting(
    count(1_099_511_627_776),
    67_108_864,
    "bytes a command may print before it is ended",
  ),
  "limits.attempts": setting(count(MAX_ATTEMPTS), 3, "attempts of a task that does not say"),
  "limits.wall_time_ms": setting(durationMs, 1_800_000, "wall time of one attempt of a task that does not say"),
  "limits.retry_base_ms": setting(durationMs, RETRY_BASE_MS, "first delay between attempts"),
  "limits.retry_max_ms": setting(durationMs, RETRY_MAX_MS, "longest delay between attempts"),
  "limits.open_tasks": setting(count(MAX_OPEN_TASKS), MAX_OPEN_TASKS, "tasks that have not ended; more are refused"),
  "limits.low_lanes_percent": setting(
    count(100),
    80,
    "share of limits.open_tasks from which on the lanes low and background take no tasks; 100: never",
  ),
  "limits.disk_low_bytes": setting(
    z.int().min(0).max(1_099_511_627_776),
    536_870_912,
    "free disk below which no release is taken and less is kept; 0: only what a release needs",
  ),
  "limits.orphan_ms": setting(
    durationMs,
    600_000,
    "how long a worker whose node is away keeps its result before it leaves it on disk and exits",
  ),
  "queue.keys": setting(
    z.record(z.string().min(1).max(200), keyPolicy),
    {},
    "limits per concurrency key, applied at start",
  ),
  "queue.keep_done_ms": setting(durationMs, 14 * DAY_MS, "how long done and cancelled tasks are kept"),
  "queue.keep_dead_ms": setting(durationMs, 90 * DAY_MS, "how long dead letters are kept"),
  "queue.keep_events_ms": setting(durationMs, 14 * DAY_MS, "how long events are kept"),
  "queue.keep_idempotency_ms": setting(
    durationMs,
    30 * DAY_MS,
    "how long an idempotency key is remembered, at most as long as its task is kept",
  ),
  "store.url": setting(
    z.union([z.literal(""), z.url({ protocol: /^(?:https?|libsql)$/ }).max(2_048)]),
    "",
    "another libSQL server for a hub, in place of the one that it runs itself; on a member the one it takes over when promoted",
  ),
  "store.auth_token_file": setting(
    z.string().max(4_096),
    "",
    "file with the token for store.url, which its owner alone may read",
  ),
  "store.durability": setting(
    z.enum(["local", "replicated"]),
    "local",
    "when a hub answers a change: when it is on its own disk, or when other nodes have it too",
  ),
  "store.replicas": setting(count(100), 1, "other nodes that must have a change, with durability replicated"),
  "store.backup.every_ms": setting(
    z
      .int()
      .min(0)
      .max(3_650 * DAY_MS),
    DAY_MS,
    "time between backups; 0: none",
  ),
  "store.backup.keep": setting(count(1_000), 7, "backups kept"),
  "store.backup.dir": setting(z.string().max(4096), "", "folder of backups; empty: backups/ in the state folder"),
  "queue.keep_usage_ms": setting(durationMs, 400 * DAY_MS, "how long the use of models is kept"),
  "log.level": setting(z.enum(LOG_LEVELS), "info", "least level that is written"),
  "log.format": setting(z.enum(["auto", "json", "human"]), "auto", "auto: human on a terminal, else JSON lines"),
  ...TELEMETRY_SETTINGS,
  ...WATCHDOG_SETTINGS,
  ...GOAL_SETTINGS,
  ...MODEL_SETTINGS,
  ...HOOK_SETTINGS,
  ...MIND_SETTINGS,
  ...NOTIFY_SETTINGS,
  ...REPOSITORY_SETTINGS,
  ...IMPROVEMENT_SETTINGS,
} as const;

export type SettingPath = keyof typeof SETTINGS;
export type Config = { readonly [P in SettingPath]: z.output<(typeof SETTINGS)[P]["schema"]> };

// `as`: Object.keys forgets the literal types of its argument.
export const SETTING_PATHS = Object.keys(SETTINGS) as readonly SettingPath[];

export function isSettingPath(path: string): path is SettingPath {
  return Object.hasOwn(SETTINGS, path);
}

/** `http.port` → `DROVER_HTTP_PORT` */
export function environmentName(path: SettingPath): string {
  return `DROVER_${path.toUpperCase().replaceAll(".", "_")}`;
}
