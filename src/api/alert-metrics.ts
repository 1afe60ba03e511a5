/** What a scraper sees of alerts and the audit log. */
import { SEVERITIES } from "#telemetry";
import type { ApiPorts } from "./ports.ts";

export function publishAlertMetrics({ metrics, alerts, audit }: ApiPorts): void {
  const open = metrics.gauge("drover_alerts", "Alerts that are open, by severity and state");
  const rows = metrics.gauge("drover_audit_rows", "Number of the last row of the audit log");
  metrics.onScrape(() => {
    const found = alerts.open();
    for (const severity of SEVERITIES) {
      for (const state of ["firing", "acknowledged"] as const) {
        const count = found.filter((alert) => alert.severity === severity && alert.state === state).length;
        open.set(count, { severity, state });
      }
    }
    const bounds = audit.bounds();
    if (bounds.ok) rows.set(bounds.value.head.seq);
  });
}
