import { Cron } from "croner";
import type { Result, ScheduleId } from "#base";
import { err, ok, refused } from "#base";

/** What to do when a schedule falls due while the task of its last run has not ended. */
export type OverlapPolicy = "skip" | "allow";

export type ScheduleRow = {
  readonly id: ScheduleId;
  readonly name: string;
  /** Five or six fields, or a nickname such as `@hourly`. */
  readonly cron: string;
  /** IANA name; times of the expression are in this zone. */
  readonly timezone: string;
  readonly overlap: OverlapPolicy;
  readonly paused: boolean;
  readonly nextAtMs: number;
  readonly lastAtMs: number | null;
  readonly lastTaskId: string | null;
  /** A NewTask without its id, as JSON text. */
  readonly template: string;
  readonly createdAtMs: number;
};

/** How far ahead a due time is looked for; an expression with none (30 February) is refused. */
const HORIZON_MS = 5 * 366 * 86_400_000;

/**
 * @returns the first instant after `afterMs` at which the expression is due, in epoch milliseconds. Missed instants
 * are not made up for: after a pause or a clock jump a schedule fires once and goes on from the present.
 */
export function nextDueMs(cron: string, timezone: string, afterMs: number): Result<number> {
  try {
    const next = new Cron(cron, { timezone, paused: true }).nextRun(new Date(afterMs));
    if (next === null || next.getTime() - afterMs > HORIZON_MS) {
      return err(refused("invalid", `cron expression "${cron}" is never due`, "Check day and month"));
    }
    return ok(next.getTime());
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return err(
      refused(
        "invalid",
        `cannot read cron expression "${cron}" in zone "${timezone}": ${reason}`,
        'Use five fields such as "0 3 * * *" and an IANA zone such as "Europe/Berlin"',
      ),
    );
  }
}
