import { chmodSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { ok, seededRandom, silentLogger } from "#base";
import { MetricRegistry, type ModelCall, modelCallSpan, type Span } from "#telemetry";
import { realClock } from "../../../../src/runtime/real-clock.ts";
import { OtlpExporter } from "../../../../src/runtime/telemetry/otlp-exporter.ts";
import { ToldTasks } from "../../../../src/runtime/telemetry/told-tasks.ts";
import { sha256 } from "../../../support/telemetry.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { waitUntil } from "../../../support/wait-until.ts";
import { createHarness, submit } from "../../api/api-harness.ts";

/** The published shape: opentelemetry-proto, trace.proto and common.proto, in the JSON form of the specification. */
const anyValue: z.ZodType = z.lazy(() =>
  z.union([
    z.strictObject({ stringValue: z.string() }),
    z.strictObject({ boolValue: z.boolean() }),
    z.strictObject({ intValue: z.string().regex(/^-?\d+$/) }),
    z.strictObject({ doubleValue: z.number() }),
    z.strictObject({ arrayValue: z.strictObject({ values: z.array(anyValue) }) }),
  ]),
);
const attributes = z.array(z.strictObject({ key: z.string().min(1), value: anyValue }));
const nanos = z.string().regex(/^\d{1,19}$/);
const spanShape = z.strictObject({
  traceId: z.string().regex(/^[0-9a-f]{32}$/),
  spanId: z.string().regex(/^[0-9a-f]{16}$/),
  parentSpanId: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  name: z.string().min(1),
  kind: z.int().min(1).max(5),
  startTimeUnixNano: nanos,
  endTimeUnixNano: nanos,
  attributes,
  status: z.strictObject({ code: z.int().min(0).max(2), message: z.string().optional() }),
});
const scope = z.strictObject({ name: z.string(), version: z.string() });
const tracesShape = z.strictObject({
  resourceSpans: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes }),
      scopeSpans: z.array(z.strictObject({ scope, spans: z.array(spanShape).min(1) })),
    }),
  ),
});

type Told = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: unknown };
type Answer = { readonly status: number; readonly body?: string; readonly headers?: Record<string, string> };

const folder = temporaryFolders();
let server: Server | undefined;
let exporter: OtlpExporter | undefined;

afterEach(async () => {
  await exporter?.stop();
  server?.close();
  server?.closeAllConnections();
  exporter = undefined;
  server = undefined;
});

/** A collector on loopback that answers as it is told, and then well. */
async function collector(answers: Answer[] = []): Promise<{ url: string; told: Told[] }> {
  const told: Told[] = [];
  const made = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      told.push({
        path: request.url ?? "",
        headers: request.headers,
        body: JSON.parse(Buffer.concat(chunks).toString()) as unknown,
      });
      const { status, body = "{}", headers = {} } = answers.shift() ?? { status: 200 };
      response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
    });
  });
  server = made;
  await new Promise<void>((resolve) => void made.listen(0, "127.0.0.1", resolve));
  // `as`: it listens on a port.
  return { url: `http://127.0.0.1:${(made.address() as AddressInfo).port}/otel/`, told };
}

/** Time goes twenty times as fast: what waits seconds is over soon. */
const quick = {
  ...realClock,
  after: (ms: number, act: () => void) => realClock.after(ms / 20, act),
  monotonicMs: () => realClock.monotonicMs() * 20,
};

function exporterTo(url: string, more: Partial<ConstructorParameters<typeof OtlpExporter>[0]> = {}): OtlpExporter {
  exporter = new OtlpExporter({
    url,
    headersFile: "",
    metricsEveryMs: 0,
    teller: { attributes: { "service.name": "drover" }, version: "1.2.3" },
    families: () => new MetricRegistry().collect(),
    clock: quick,
    random: seededRandom(3),
    logger: silentLogger,
    fetch: (to, init) => fetch(to, init),
    ...more,
  });
  exporter.start();
  return exporter;
}

const call: ModelCall = {
  taskId: null,
  attempt: null,
  goal: null,
  endpoint: "local",
  model: "m",
  startedAtMs: 1_000,
  endedAtMs: 3_000,
  firstTokenAtMs: null,
  promptTokens: 10,
  completionTokens: 3,
  costMicrodollars: 0,
  maxTokens: 100,
  temperature: null,
  toolCalls: [],
  outcome: "ok",
  failure: null,
  texts: null,
};
const aSpan = (n: number): Span => modelCallSpan(call, String(n), sha256);

function spansOf(told: readonly Told[]): readonly z.output<typeof spanShape>[] {
  return told
    .filter(({ path }) => path === "/otel/v1/traces")
    .flatMap(({ body }) => tracesShape.parse(body).resourceSpans)
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

describe("what is sent to a collector", () => {
  it("has the published shape, and the headers of a file that its owner alone may read", async () => {
    const { url, told } = await collector();
    const headersFile = join(folder(), "headers");
    writeFileSync(headersFile, "Authorization: Basic abc\nx-scope: one\n");
    chmodSync(headersFile, 0o644);
    const sender = exporterTo(url, { headersFile });
    for (let n = 0; n < 3; n += 1) sender.add(aSpan(n));

    await new Promise((resolve) => void setTimeout(resolve, 200));
    expect(told).toEqual([]);
    chmodSync(headersFile, 0o600);
    await waitUntil("it was told", () => sender.figures.sent === 3);

    // On a slow machine an answer may come too late, and the same is sent again.
    expect(new Set(spansOf(told).map(({ spanId }) => spanId)).size).toBe(3);
    expect(told[0]?.headers).toMatchObject({
      authorization: "Basic abc",
      "x-scope": "one",
      "content-type": "application/json",
    });
  });

  it("goes with no header over a line that others can read", async () => {
    const headersFile = join(folder(), "headers");
    writeFileSync(headersFile, "Authorization: Basic abc\n", { mode: 0o600 });
    const asked: string[] = [];
    const said: string[] = [];
    const sender = exporterTo("http://collector.example:4318", {
      headersFile,
      logger: { ...silentLogger, warn: (_message, fields) => said.push(String(fields?.["why"])) },
      fetch: async (to) => {
        asked.push(to);
        return new Response("{}");
      },
    });

    sender.add(aSpan(1));
    await waitUntil("it was said", () => said.length > 0);

    expect(asked).toEqual([]);
    expect(said[0]).toContain("by https alone");
  });

  it("is taken with the beginning of an answer that never ends", async () => {
    let sent = 0;
    const flood = (): ReadableStream<Uint8Array> =>
      new ReadableStream({
        pull: (out) => {
          sent += 1;
          out.enqueue(new Uint8Array(8_192).fill(32));
        },
      });
    const sender = exporterTo("http://127.0.0.1:1", { fetch: async () => new Response(flood()) });

    sender.add(aSpan(1));
    await waitUntil("it was told", () => sender.figures.sent === 1);

    expect(sent).toBeLessThan(10);
  });

  it("is sent again after a failure that may pass, and given up after one that will not", async () => {
    const { url, told } = await collector([{ status: 503 }, { status: 200 }, { status: 400 }]);
    const sender = exporterTo(url);

    sender.add(aSpan(1));
    await waitUntil("it was told", () => sender.figures.sent === 1);
    sender.add(aSpan(2));
    await waitUntil("it was told", () => sender.figures.dropped === 1);

    expect(spansOf(told).map(({ spanId }) => spanId)).toEqual(
      [aSpan(1), aSpan(1), aSpan(2)].map(({ spanId }) => spanId),
    );
  });

  it("counts what the collector did not take, and follows it nowhere else", async () => {
    const rejected = JSON.stringify({ partialSuccess: { rejectedSpans: "1", errorMessage: "too old" } });
    const { url } = await collector([
      { status: 200, body: rejected },
      { status: 302, headers: { location: "/else" } },
    ]);
    const sender = exporterTo(url);

    sender.add(aSpan(1));
    sender.add(aSpan(2));
    await waitUntil("it was told", () => sender.figures.rejected === 1);
    sender.add(aSpan(3));
    await waitUntil("it was told", () => sender.figures.dropped === 1);

    expect(sender.figures).toEqual({ waiting: 0, sent: 1, dropped: 1, rejected: 1 });
  });

  it("is sent once more when the node stops", async () => {
    const { url, told } = await collector();
    const sender = exporterTo(url);

    sender.add(aSpan(1));
    await sender.stop();

    expect(spansOf(told)).toHaveLength(1);
  });

  it("has the figures of /metrics", async () => {
    const { url, told } = await collector();
    const metrics = new MetricRegistry();
    metrics.gauge("drover_up", "Up").set(1);
    exporterTo(url, { metricsEveryMs: 1_000, families: () => metrics.collect() });

    await waitUntil("it was told", () => told.length >= 2);

    expect(told[0]).toMatchObject({
      path: "/otel/v1/metrics",
      body: { resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: "drover_up" }] }] }] },
    });
  });
});

describe("a task as a trace", () => {
  it("has its attempt below it, and its requests and tools below that", async () => {
    const harness = createHarness();
    const spans: Span[] = [];
    const listeners: ((one: ModelCall) => void)[] = [];
    const steps = [
      { atMs: 5_000, kind: "called", tool: "read_file", call: "read_file a" },
      { atMs: 5_400, kind: "observed", tool: "read_file", summary: "", error: null, tookMs: 400 },
      { atMs: 6_000, kind: "observed", tool: "bash", summary: "", error: "exit 1", tookMs: 100 },
    ];
    const bytes = new TextEncoder().encode(`${steps.map((step) => JSON.stringify(step)).join("\n")}\n{"kind":"obs`);
    const told = new ToldTasks({
      queue: harness.queue,
      self: harness.node,
      isWriter: true,
      steps: { read: async () => ok({ bytes, sizeBytes: bytes.byteLength, isWhole: true }) },
      onCall: (listener) => {
        listeners.push(listener);
        return () => undefined;
      },
      add: (span) => spans.push(span),
      logger: silentLogger,
    });

    const id = await submit(harness, { title: "mend it", labels: { team: "a" } });
    listeners[0]?.({ ...call, taskId: id, attempt: 1 });
    await harness.work({ outcome: "failed", consequence: "terminal", executor: "ollama", error: "no" });
    await waitUntil("all of it was told", () => spans.length === 5);
    told.stop();

    const byName = Object.fromEntries(spans.map((span) => [span.name, span]));
    expect(spans.map(({ name }) => name).sort()).toEqual([
      "attempt 1",
      "chat m",
      "execute_tool bash",
      "execute_tool read_file",
      "mend it",
    ]);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(5);
    expect(byName["mend it"]).toMatchObject({ parentSpanId: null, error: "dead" });
    expect(byName["attempt 1"]).toMatchObject({ parentSpanId: byName["mend it"]?.spanId, error: "no" });
    expect(byName["chat m"]?.parentSpanId).toBe(byName["attempt 1"]?.spanId);
    expect(byName["execute_tool bash"]).toMatchObject({ error: "exit 1", startMs: 5_900, endMs: 6_000 });
  });
});
