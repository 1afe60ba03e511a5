import { createHash } from "node:crypto";
import { type Clock, silentLogger } from "#base";
import { AlertBook, MemoryAlertStore, MemoryAuditStore, RuleWatch, rulesWith } from "#telemetry";

export function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/** Alerts and audit log of an API whose node keeps nothing. */
export function telemetryPorts(clock: Clock) {
  const alerts = new AlertBook({ store: new MemoryAlertStore(), clock, logger: silentLogger });
  const rules = new RuleWatch(rulesWith({}), alerts, []);
  return { alerts, rules, stateSpending: { view: () => [] }, audit: new MemoryAuditStore(sha256) };
}
