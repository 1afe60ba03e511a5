/**
 * The JSON form of OTLP 1.x (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding"): ids are hexadecimal, 64-bit
 * numbers are texts, enumerations are numbers, names are lowerCamelCase. Pure.
 */
import type { MetricFamily, MetricSample } from "../prometheus-text.ts";

export type AttributeValue = string | number | boolean | readonly string[] | null | undefined;
/** What has no value is left out. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

export type Span = {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 of them. */
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly name: string;
  /** `client`: it asks another program. */
  readonly kind: "internal" | "client";
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  /** Null: it went well. */
  readonly error: string | null;
};

/** Who tells: the same for everything of a node. */
export type Teller = { readonly attributes: Attributes; readonly version: string };

type AnyValue =
  | { readonly stringValue: string }
  | { readonly boolValue: boolean }
  | { readonly intValue: string }
  | { readonly doubleValue: number }
  | { readonly arrayValue: { readonly values: readonly AnyValue[] } };
type KeyValue = { readonly key: string; readonly value: AnyValue };

const SCOPE = "drover";
const KINDS = { internal: 1, client: 3 } as const;
const STATUS = { ok: 1, error: 2 } as const;
/** AGGREGATION_TEMPORALITY_CUMULATIVE */
const CUMULATIVE = 2;

/** @returns the body of a request to `/v1/traces`. */
export function encodeSpans(spans: readonly Span[], teller: Teller): object {
  return {
    resourceSpans: [
      {
        resource: { attributes: encodeAttributes(teller.attributes) },
        scopeSpans: [{ scope: { name: SCOPE, version: teller.version }, spans: spans.map(encodeSpan) }],
      },
    ],
  };
}

function encodeSpan({ traceId, spanId, parentSpanId, name, kind, startMs, endMs, attributes, error }: Span): object {
  return {
    traceId,
    spanId,
    ...(parentSpanId === null ? {} : { parentSpanId }),
    name,
    kind: KINDS[kind],
    startTimeUnixNano: nanos(startMs),
    endTimeUnixNano: nanos(Math.max(startMs, endMs)),
    attributes: encodeAttributes(attributes),
    status: error === null ? { code: STATUS.ok } : { code: STATUS.error, message: error },
  };
}

/** @returns the body of a request to `/v1/metrics`. @param startMs since when counters count */
export function encodeMetrics(
  families: readonly MetricFamily[],
  teller: Teller,
  { startMs, nowMs }: { readonly startMs: number; readonly nowMs: number },
): object {
  const times = { startTimeUnixNano: nanos(startMs), timeUnixNano: nanos(nowMs) };
  const metrics = families
    .filter(({ samples }) => samples.length > 0)
    .map((family) => ({ name: family.name, description: family.help, ...encodeFamily(family, times) }));
  return {
    resourceMetrics: [
      {
        resource: { attributes: encodeAttributes(teller.attributes) },
        scopeMetrics: [{ scope: { name: SCOPE, version: teller.version }, metrics }],
      },
    ],
  };
}

type Times = { readonly startTimeUnixNano: string; readonly timeUnixNano: string };

function encodeFamily({ type, name, samples }: MetricFamily, times: Times): object {
  const points = (): readonly object[] =>
    samples
      .filter(({ value }) => Number.isFinite(value))
      .map(({ labels, value }) => ({ ...times, asDouble: value, attributes: encodeAttributes(labels) }));
  switch (type) {
    case "gauge":
      return { gauge: { dataPoints: points() } };
    case "counter":
      return { sum: { dataPoints: points(), aggregationTemporality: CUMULATIVE, isMonotonic: true } };
    case "histogram":
      return { histogram: { dataPoints: histogramPoints(name, samples, times), aggregationTemporality: CUMULATIVE } };
  }
}

/** In Prometheus' form buckets add up and are samples of their own; here each counts for itself. */
function histogramPoints(name: string, samples: readonly MetricSample[], times: Times): readonly object[] {
  const series = new Map<
    string,
    { labels: Attributes; bounds: number[]; below: number[]; sum: number; count: number }
  >();
  for (const sample of samples) {
    const { le, ...labels } = sample.labels;
    const key = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
    const one = series.get(key) ?? { labels, bounds: [], below: [], sum: 0, count: 0 };
    series.set(key, one);
    if (sample.name === `${name}_sum`) one.sum = sample.value;
    else if (sample.name === `${name}_count`) one.count = sample.value;
    else if (le !== undefined && le !== "+Inf") {
      one.bounds.push(Number(le));
      one.below.push(sample.value);
    }
  }
  return [...series.values()].map(({ labels, bounds, below, sum, count }) => ({
    ...times,
    count: String(count),
    sum,
    explicitBounds: bounds,
    bucketCounts: [...below, count].map((value, index) => String(value - (index === 0 ? 0 : (below[index - 1] ?? 0)))),
    attributes: encodeAttributes(labels),
  }));
}

function encodeAttributes(attributes: Attributes): readonly KeyValue[] {
  return Object.entries(attributes).flatMap(([key, value]) => {
    const encoded = encodeValue(value);
    return encoded === undefined ? [] : [{ key, value: encoded }];
  });
}

function encodeValue(value: AttributeValue): AnyValue | undefined {
  if (value === null || value === undefined) return undefined;
  if (typeof value === "string") return { stringValue: value.toWellFormed() };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value !== "number")
    return { arrayValue: { values: value.map((text) => ({ stringValue: text.toWellFormed() })) } };
  if (!Number.isFinite(value)) return undefined;
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

function nanos(ms: number): string {
  return `${Math.max(0, Math.round(ms))}000000`;
}
