/** Settings of alerts, the audit log and what is exported of both. */
import { z } from "zod";
import { DAY_MS, durationMs, setting } from "./setting.ts";

/** Of a busy mind for years; at half a kilobyte a row it is half a gigabyte. */
const MAX_AUDIT_ROWS = 1_000_000;
/** Retention cuts in steps of some hundred rows. */
const MIN_AUDIT_ROWS = 1_000;

export const TELEMETRY_SETTINGS = {
  "audit.keep_ms": setting(durationMs, 400 * DAY_MS, "how long decisions are kept; the old end goes in steps of 500"),
  "audit.max_rows": setting(
    z.int().min(MIN_AUDIT_ROWS).max(MAX_AUDIT_ROWS),
    200_000,
    "decisions that are kept; the oldest go first",
  ),
  "alerts.keep_ms": setting(durationMs, 90 * DAY_MS, "how long alerts are kept after they are over"),
  "alerts.max_resolved": setting(z.int().min(10).max(100_000), 10_000, "alerts that are kept after they are over"),
} as const;
