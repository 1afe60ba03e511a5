import { describe, expect, it } from "vitest";
import {
  encodeMetrics,
  encodeSpans,
  MetricRegistry,
  type ModelCall,
  modelCallSpan,
  Outlet,
  type Span,
} from "#telemetry";
import { sha256 } from "../../support/telemetry.ts";

describe("what waits to be sent", () => {
  const limits = { maxWaiting: 5, maxBatch: 2, tries: 3 };

  it("OT1: gives way when too much waits, the oldest first, and is counted", () => {
    const outlet = new Outlet<number>(limits);
    for (let n = 1; n <= 8; n += 1) outlet.add(n);

    expect(outlet.next(0)).toEqual([4, 5]);
    expect(outlet.figures).toEqual({ waiting: 5, sent: 0, dropped: 3, rejected: 0 });
  });

  it("OT2, OT3: is tried again after a time that grows, and given up after its last try", () => {
    const outlet = new Outlet<number>(limits);
    for (let n = 1; n <= 3; n += 1) outlet.add(n);

    expect(outlet.next(0)).toEqual([1, 2]);
    outlet.settle({ kind: "later", afterMs: null }, 0, 1);
    expect([outlet.next(999), outlet.next(1_000)]).toEqual([undefined, [1, 2]]);
    outlet.settle({ kind: "later", afterMs: 30_000 }, 1_000, 1);
    expect([outlet.next(30_999), outlet.next(31_000)]).toEqual([undefined, [1, 2]]);
    outlet.settle({ kind: "later", afterMs: null }, 31_000, 1);
    expect(outlet.next(36_000)).toEqual([3]);
    outlet.settle({ kind: "taken", rejected: 0 }, 36_000, 1);

    expect(outlet.figures).toEqual({ waiting: 0, sent: 1, dropped: 2, rejected: 0 });
  });

  it("OT2: is dropped at once when it was refused, and counts what was not taken of it", () => {
    const outlet = new Outlet<number>(limits);
    for (let n = 1; n <= 4; n += 1) outlet.add(n);

    outlet.next(0);
    outlet.settle({ kind: "refused" }, 0, 0);
    outlet.next(0);
    outlet.settle({ kind: "taken", rejected: 1 }, 0, 0);

    expect(outlet.figures).toEqual({ waiting: 0, sent: 1, dropped: 2, rejected: 1 });
  });
});

const call: ModelCall = {
  taskId: "t_1",
  attempt: 2,
  goal: "g_1",
  endpoint: "local",
  model: "m:latest",
  startedAtMs: 1_000,
  endedAtMs: 3_000,
  firstTokenAtMs: 1_500,
  promptTokens: 10,
  completionTokens: 3,
  costMicrodollars: 16,
  maxTokens: null,
  temperature: 0.5,
  toolCalls: ["read_file"],
  outcome: "ok",
  failure: null,
  texts: null,
};

/** @returns the attributes of a span, by name. */
function attributesOf(span: Span): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(span.attributes).filter(([, value]) => value !== null && value !== undefined),
  );
}

describe("a request to a model, as a span", () => {
  it("says what the conventions and Langfuse read, and no prompt unless it is wanted", () => {
    const span = modelCallSpan(call, "1", sha256);

    expect(span).toMatchObject({ name: "chat m:latest", kind: "client", startMs: 1_000, endMs: 3_000, error: null });
    expect(attributesOf(span)).toMatchObject({
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "m:latest",
      "gen_ai.usage.input_tokens": 10,
      "gen_ai.usage.output_tokens": 3,
      "langfuse.observation.type": "generation",
      "langfuse.observation.usage_details": '{"input":10,"output":3,"total":13}',
      "langfuse.observation.cost_details": '{"total":0.000016}',
      "langfuse.observation.completion_start_time": "1970-01-01T00:00:01.500Z",
      "session.id": "g_1",
    });
    expect(Object.keys(attributesOf(span))).not.toContain("langfuse.observation.input");
  });

  it("holds no secret of a prompt, a reply or a failure", () => {
    const secret = ["ghp", "b".repeat(36)].join("_");
    const told = { ...call, texts: { prompt: `use ${secret}`, reply: secret }, outcome: "failed" as const };
    const span = modelCallSpan({ ...told, failure: { kind: "denied", message: `key ${secret}` } }, "1", sha256);

    expect(JSON.stringify(encodeSpans([span], { attributes: {}, version: "1" }))).not.toContain(secret);
    expect(attributesOf(span)["langfuse.observation.input"]).toBe("use [redacted]");
    expect(span.error).toBe("key [redacted]");
  });
});

describe("figures, as OTLP has them", () => {
  it("keep counters as sums, and buckets that count for themselves", async () => {
    const metrics = new MetricRegistry();
    metrics.counter("tasks_total", "Tasks").add({ outcome: "passed" }, 3);
    metrics.gauge("waiting", "Waiting").set(1.5);
    const seconds = metrics.histogram("took_seconds", "Time", [1, 5]);
    for (const value of [0.5, 0.7, 3, 10]) seconds.observe(value, { executor: "shell" });

    const teller = { attributes: { "service.name": "drover" }, version: "1" };
    const body = encodeMetrics(await metrics.collect(), teller, { startMs: 1, nowMs: 2 });

    const times = { startTimeUnixNano: "1000000", timeUnixNano: "2000000" };
    expect(body).toMatchObject({
      resourceMetrics: [
        {
          resource: { attributes: [{ key: "service.name", value: { stringValue: "drover" } }] },
          scopeMetrics: [
            {
              metrics: [
                { name: "tasks_total", sum: { dataPoints: [{ ...times, asDouble: 3 }], isMonotonic: true } },
                { name: "waiting", gauge: { dataPoints: [{ asDouble: 1.5 }] } },
                {
                  name: "took_seconds",
                  histogram: {
                    aggregationTemporality: 2,
                    dataPoints: [
                      {
                        count: "4",
                        sum: 14.2,
                        explicitBounds: [1, 5],
                        bucketCounts: ["2", "1", "1"],
                        attributes: [{ key: "executor", value: { stringValue: "shell" } }],
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
    });
  });
});
