/** Query fields as they are written in a URL. Pure. */
import { z } from "zod";
import { err, ok, parseScheduleId, parseTaskId, type Result, refused, type ScheduleId, type TaskId } from "#base";

/** A whole number in a query. */
export function integerField(minimum: number, maximum: number) {
  return z
    .string()
    .regex(/^-?\d{1,16}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.int().min(minimum).max(maximum))
    .optional();
}

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A span of time in a query: `90s`, `15m`, `24h`, `7d`. Read as milliseconds. */
export function spanField(maximumMs: number) {
  return z
    .string()
    .regex(/^\d{1,6}[smhd]$/, 'must be a number with s, m, h or d, such as "15m"')
    .transform((value) => Number(value.slice(0, -1)) * UNITS_MS[value.slice(-1) as keyof typeof UNITS_MS]) // `as`: the pattern ends in a unit
    .pipe(z.int().min(1_000).max(maximumMs))
    .optional();
}

/** Several values of a closed list, separated by commas. */
export function listField<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z
    .string()
    .transform((value) => value.split(",").map((item) => item.trim()))
    .pipe(z.array(z.enum(values)).min(1).max(values.length))
    .optional();
}

export function taskIdFrom(given: string): Result<TaskId> {
  const id = parseTaskId(given);
  if (id !== undefined) return ok(id);
  return err(
    refused("not_found", `"${given.slice(0, 64)}" is not the id of a task`, "Ids begin with t_: drover task list"),
  );
}

export function scheduleIdFrom(given: string): Result<ScheduleId> {
  const id = parseScheduleId(given);
  if (id !== undefined) return ok(id);
  return err(
    refused(
      "not_found",
      `"${given.slice(0, 64)}" is not the id of a schedule`,
      "Ids begin with s_: drover schedule list",
    ),
  );
}
