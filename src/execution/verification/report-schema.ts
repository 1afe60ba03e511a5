import { z } from "zod";
import type { VerificationReport } from "./report.ts";

const checkResultSchema = z.object({
  kind: z.enum(["file_exists", "file_contains", "command_succeeds", "test_passes", "git_clean", "json_schema"]),
  passed: z.boolean(),
  summary: z.string(),
  detail: z.string(),
  durationMs: z.number(),
  timedOut: z.boolean(),
});

/** A report as it is read back from disk, possibly by another release; unknown fields are dropped. */
export const reportSchema: z.ZodType<VerificationReport> = z.object({
  passed: z.boolean(),
  checks: z.array(checkResultSchema),
  skipped: z.string().exactOptional(),
});
