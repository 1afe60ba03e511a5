/** telemetry: metrics, percentiles, bottlenecks. Pure; imports base only. */
export {
  type AttemptFigures,
  type BottleneckReport,
  bottleneckReport,
  type GroupFigures,
  type NodeFigures,
  nodeFigures,
  ratesPerSecond,
} from "./bottlenecks.ts";
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
export { type Distribution, distributionOf, nearestRank } from "./percentile.ts";
export { type MetricFamily, type MetricSample, PROMETHEUS_MEDIA_TYPE, renderFamilies } from "./prometheus-text.ts";
