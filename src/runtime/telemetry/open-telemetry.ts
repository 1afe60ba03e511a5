/** What a node writes down of its decisions, and what it tells a person. */
import { type Clock, describeFailure, type JsonObject, type Logger, type Timer } from "#base";
import { speaks } from "#fleet";
import type { Queue } from "#queue";
import type { Stores } from "#store";
import { AlertBook, type AlertNews, AuditTrail } from "#telemetry";
import type { Config } from "../config/settings.ts";

export type TelemetryParts = {
  readonly config: Config;
  readonly stores: Pick<Stores, "audit" | "alerts">;
  readonly queue: Pick<Queue, "announce">;
  /** This node, in the history of a fleet. */
  readonly nodeName: string;
  /** At which the fleet works now. */
  readonly featureLevel: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
};

export type NodeTelemetry = {
  readonly audit: AuditTrail;
  readonly alerts: AlertBook;
  readonly start: () => void;
  readonly stop: () => void;
};

/** What could not be written is tried again, and old rows go. */
const KEEP_EVERY_MS = 60_000;

export function openTelemetry(parts: TelemetryParts): NodeTelemetry {
  const { stores, clock, logger } = parts;
  const audit = new AuditTrail({ store: stores.audit, clock, logger });
  const alerts = new AlertBook({ store: stores.alerts, clock, logger });
  const loaded = alerts.load();
  if (!loaded.ok) logger.error("open alerts could not be read", { failure: describeFailure(loaded.error) });
  alerts.onChange((news) => tell(parts, audit, news));
  let timer: Timer | undefined;
  const later = (): void => {
    timer = clock.after(KEEP_EVERY_MS, () => {
      keep(parts, audit, alerts);
      later();
    });
  };
  return {
    audit,
    alerts,
    start: () => {
      const bounds = stores.audit.bounds();
      // Whoever keeps the node's log can tell later whether the chain was written anew.
      if (bounds.ok) logger.info("the audit log stands here", { ...bounds.value.head });
      later();
    },
    stop: () => {
      timer?.cancel();
      audit.flush();
      alerts.flush();
    },
  };
}

function keep({ config, stores, clock, logger }: TelemetryParts, audit: AuditTrail, alerts: AlertBook): void {
  const nowMs = clock.nowMs();
  audit.flush();
  alerts.flush();
  const cut = stores.audit.cut({ beforeMs: nowMs - config["audit.keep_ms"], maxRows: config["audit.max_rows"] }, nowMs);
  const pruned = stores.alerts.prune(nowMs - config["alerts.keep_ms"], config["alerts.max_resolved"]);
  for (const done of [cut, pruned]) {
    if (!done.ok) logger.warn("old rows were not removed", { failure: describeFailure(done.error) });
  }
}

function tell(parts: TelemetryParts, audit: AuditTrail, { change, alert }: AlertNews): void {
  const { queue, logger, nodeName, featureLevel } = parts;
  const { id, key, severity, title, message, source, acknowledgedBy, note } = alert;
  logger.warn(`alert ${change}: ${title}`, { alert: key, severity, why: message });
  if (change === "acknowledged") {
    const actor = acknowledgedBy ?? "operator";
    audit.append({ actor, action: "alert.acknowledged", subject: key, reason: note ?? title, detail: { id } });
  }
  // A hub of an older release would refuse the command.
  if (!speaks(featureLevel(), "alerts")) return;
  const data: JsonObject = { node: nodeName, id, key, severity, title, message, source };
  void queue.announce(`alert.${change}`, data).then((told) => {
    if (!told.ok) logger.warn("an alert is not in the history", { alert: key, failure: describeFailure(told.error) });
  });
}
