/** What the parts of a release print that it is tried by. */
import { err, ok, type Result, terminal } from "#base";
import type { ReleaseCheck } from "../update/history.ts";
import type { SelftestReport } from "../update/swap-ports.ts";

export function reportOf(said: unknown): Result<SelftestReport> {
  const steps = fieldOf(said, "steps");
  if (!Array.isArray(steps)) return err(terminal("internal", "its selftest answered in a form that is not known"));
  const checks = steps.map((step: unknown): ReleaseCheck => {
    const [name, detail] = [fieldOf(step, "name"), fieldOf(step, "detail")];
    return { name: String(name), ok: fieldOf(step, "ok") === true, detail: typeof detail === "string" ? detail : "" };
  });
  return ok({ checks, changesState: fieldOf(said, "changesState") === true });
}

export function fieldOf(value: unknown, name: string): unknown {
  // `as`: any object may be read by name.
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
