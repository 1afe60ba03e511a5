/** telemetry: metrics, percentiles, bottlenecks, alerts, the audit log. Imports base only. */
export {
  type Alert,
  type AlertChange,
  type AlertState,
  type Alerts,
  type Raise,
  SEVERITIES,
  type Severity,
} from "./alerts/alert.ts";
export { AlertBook, type AlertListener, type AlertNews, MAX_OPEN_ALERTS } from "./alerts/alert-book.ts";
export type { AlertQuery, AlertStore } from "./alerts/alert-store.ts";
export { MemoryAlertStore } from "./alerts/memory-alert-store.ts";
export {
  MIN_SAMPLES,
  type Reading,
  type Readings,
  RULE_NAMES,
  RULE_WINDOW_MS,
  RULES,
  type Rule,
  type RuleChange,
  type RuleName,
  ruleFault,
  rulesWith,
} from "./alerts/rules.ts";
export { RULES_SOURCE, type RuleState, RuleWatch } from "./alerts/watch.ts";
export {
  type AuditBounds,
  type AuditQuery,
  type AuditStore,
  CUT_STEPS,
  type CutSteps,
  cutAt,
} from "./audit/audit-store.ts";
export { AuditTrail } from "./audit/audit-trail.ts";
export {
  type Audit,
  type AuditEntry,
  type AuditPlace,
  type AuditRow,
  CUT_ACTION,
  NO_ROW,
  nextRow,
} from "./audit/chain.ts";
export { MemoryAuditStore } from "./audit/memory-audit-store.ts";
export { type AuditFault, ChainVerifier, type Verification } from "./audit/verification.ts";
export {
  type AttemptFigures,
  type BottleneckReport,
  bottleneckReport,
  type GroupFigures,
  type NamedFigures,
  type NodeFigures,
  nodeFigures,
  ratesPerSecond,
} from "./bottlenecks.ts";
export {
  budgetsOfState,
  isSpent,
  leftPercentOf,
  MIND_LABEL,
  NOTHING_SPENT,
  SPENDING_STATES,
  type SpendingState,
  type SpentInWindows,
  STATE_ACTIONS,
  type StateAction,
  type StateBudget,
  type StateBudgets,
  stateOfLabel,
} from "./costs/state-budgets.ts";
export {
  type Counter,
  type Gauge,
  type Histogram,
  type Labels,
  MAX_SERIES,
  MetricRegistry,
  REQUEST_BUCKETS_SECONDS,
  SPAN_BUCKETS_SECONDS,
} from "./metric-registry.ts";
export { CallWindow, type ModelCall, type ModelCallOutcome } from "./model-call.ts";
export { type Attributes, encodeMetrics, encodeSpans, type Span, type Teller } from "./otlp/encode.ts";
export { Outlet, type OutletFigures, type Sent } from "./otlp/outlet.ts";
export { attemptSpan, modelCallSpan, taskSpan, toolSpan } from "./otlp/spans.ts";
export { type Distribution, distributionOf, nearestRank } from "./percentile.ts";
export { type MetricFamily, type MetricSample, PROMETHEUS_MEDIA_TYPE, renderFamilies } from "./prometheus-text.ts";
