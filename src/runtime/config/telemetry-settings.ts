/** Settings of alerts, the audit log and what is exported of both. */
import { z } from "zod";
import type { RuleName } from "#telemetry";
import { DAY_MS, durationMs, setting } from "./setting.ts";

/** Of a busy mind for years; at half a kilobyte a row it is half a gigabyte. */
const MAX_AUDIT_ROWS = 1_000_000;
/** Retention cuts in steps of some hundred rows. */
const MIN_AUDIT_ROWS = 1_000;

// Written out, and complete by their types: the watchdog reads these settings too, and does not load telemetry.
const RULES = [
  "queue_growing",
  "failure_rate",
  "stuck_tasks",
  "goals_waiting",
  "no_node",
  "hub_silent",
  "error_rate",
  "slow_p95",
  "utilisation",
  "budget",
  "disk",
  "audit_waiting",
] as const satisfies readonly RuleName[];
const level = z.number().min(0).max(1_000_000_000);
const span = z.int().min(0).max(DAY_MS);

const collector = z
  .url({ protocol: /^https?$/ })
  .max(2_048)
  .refine(
    (given) => !/^https?:\/\/[^/?#]*@/i.test(given),
    "must hold no user and password: use telemetry.otlp.headers_file",
  );

const ruleChange = z.strictObject({
  enabled: z.boolean().optional(),
  warn_at: level.nullable().optional(),
  critical_at: level.nullable().optional(),
  clear_at: level.optional(),
  for_ms: span.optional(),
  clear_for_ms: span.optional(),
});

export const TELEMETRY_SETTINGS = {
  "audit.keep_ms": setting(durationMs, 400 * DAY_MS, "how long decisions are kept; the old end goes in steps of 500"),
  "audit.max_rows": setting(
    z.int().min(MIN_AUDIT_ROWS).max(MAX_AUDIT_ROWS),
    200_000,
    "decisions that are kept; the oldest go first",
  ),
  "alerts.keep_ms": setting(durationMs, 90 * DAY_MS, "how long alerts are kept after they are over"),
  "alerts.max_resolved": setting(z.int().min(10).max(100_000), 10_000, "alerts that are kept after they are over"),
  "alerts.rules": setting(
    z.partialRecord(z.enum(RULES), ruleChange),
    {},
    "thresholds of the rules, as drover alert rules shows them: enabled, warn_at, critical_at, clear_at, for_ms, clear_for_ms",
  ),
  "telemetry.otlp.url": setting(
    z.union([z.literal(""), collector]),
    "",
    "collector that traces and figures are sent to by OTLP over HTTP, without /v1/traces; empty: nothing is sent",
  ),
  "telemetry.otlp.headers_file": setting(
    z.string().max(4_096),
    "",
    "file with headers for it, one a line, which its owner alone may read",
  ),
  "telemetry.otlp.metrics_every_ms": setting(
    z.int().min(0).max(DAY_MS),
    60_000,
    "time between figures that are sent; 0: traces alone",
  ),
  "telemetry.otlp.texts": setting(
    z.boolean(),
    false,
    "also send prompts and replies, redacted; without it only what they took",
  ),
} as const;
