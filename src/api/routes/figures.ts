/** Where the time goes. */

import { Hono } from "hono";
import { z } from "zod";
import type { Result } from "#base";
import { type AttemptSample, LANES } from "#queue";
import {
  type BottleneckReport,
  bottleneckReport,
  type NamedFigures,
  nodeFigures,
  PROMETHEUS_MEDIA_TYPE,
  ratesPerSecond,
} from "#telemetry";
import type { ApiEnv } from "../environment.ts";
import { exampleBottlenecks, exampleNodeFigures } from "../examples.ts";
import { type BottlenecksView, bottlenecksSchema, type NodeFiguresView, nodeFiguresSchema } from "../node-view.ts";
import { integerField, spanField } from "../parameters.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";
import { json, route, text } from "../route.ts";

/** Attempts that one report looks at: some hundred milliseconds of work, and enough for a steady p99. */
export const MAX_SAMPLES = 20_000;
const DAY_MS = 86_400_000;
const MAX_WINDOW_MS = 30 * DAY_MS;
const DEFAULT_SLOWEST = 10;
const MAX_SLOWEST = 100;
const RATE_WINDOWS_MS = [60_000, 300_000, 3_600_000] as const;
const MAX_NAME_CHARS = 200;

export function figureRoutes(ports: ApiPorts) {
  const { clock } = ports;
  return new Hono<ApiEnv>()
    .get(
      "/api/bottlenecks",
      route({
        tag: "figures",
        summary: "Slowest attempts, and how long attempts ran and waited per node and executor",
        description:
          "Percentiles are by nearest rank over the attempts that ended within the window (24h unless told).",
        query: z.strictObject({ window: spanField(MAX_WINDOW_MS), limit: integerField(1, MAX_SLOWEST) }),
        responses: { 200: json("The report", bottlenecksSchema, exampleBottlenecks) },
      }),
      async (c) => {
        const { window = DAY_MS, limit = DEFAULT_SLOWEST } = c.req.valid("query");
        const samples = await samplesSince(ports, clock.nowMs() - window);
        if (!samples.ok) return answerProblem(c, samples.error);
        const report = bottleneckReport(samples.value.map(figures), limit);
        const view: BottlenecksView = {
          windowMs: window,
          isWhole: samples.value.length < MAX_SAMPLES,
          ...report,
          outcomes: { ...report.outcomes },
          groups: report.groups.map((group) => ({ ...group, outcomes: { ...group.outcomes } })),
          by: namedViews(report.by),
          slowest: [...report.slowest],
          longestWaits: [...report.longestWaits],
        };
        return c.json(view, 200);
      },
    )
    .get(
      "/api/metrics",
      route({
        tag: "figures",
        summary: "Figures per node, of the last hour unless told otherwise",
        query: z.strictObject({
          node: z.string().min(1).max(MAX_NAME_CHARS).optional(),
          window: spanField(MAX_WINDOW_MS),
        }),
        responses: { 200: json("Per node", nodeFiguresSchema, exampleNodeFigures) },
      }),
      async (c) => {
        const { node, window = 3_600_000 } = c.req.valid("query");
        const nowMs = clock.nowMs();
        const offers = ports.offers();
        const wanted = node === undefined ? undefined : (offers.find((offer) => offer.name === node)?.node ?? node);
        if (wanted !== undefined && !offers.some((offer) => offer.node === wanted)) {
          const message = `there is no node ${node}`;
          return answerProblem(c, { code: "not_found", message, remedy: "List nodes with: drover node list" });
        }
        const samples = await samplesSince(ports, nowMs - window);
        if (!samples.ok) return answerProblem(c, samples.error);
        const own = samples.value.filter((sample) => wanted === undefined || sample.node === wanted);
        return c.json(nodesView(ports, own, window, samples.value.length < MAX_SAMPLES, wanted), 200);
      },
    )
    .get(
      "/metrics",
      route({
        tag: "figures",
        summary: "Metrics in the Prometheus text format",
        responses: { 200: text("All metrics", PROMETHEUS_MEDIA_TYPE, "# TYPE drover_up gauge\ndrover_up 1\n") },
      }),
      async (c) => c.body(await ports.metrics.scrape(), 200, { "content-type": PROMETHEUS_MEDIA_TYPE }),
    );
}

function samplesSince(ports: ApiPorts, sinceMs: number): Promise<Result<readonly AttemptSample[]>> {
  return ports.queue.store.recentAttempts(sinceMs, MAX_SAMPLES);
}

function namedViews({ executor, model, node, lane }: BottleneckReport["by"]) {
  return { executor: executor.map(named), model: model.map(named), node: node.map(named), lane: lane.map(named) };
}

function named(one: NamedFigures) {
  return { ...one, outcomes: { ...one.outcomes } };
}

/** Only what is shown: a sample may carry more. */
function figures(sample: AttemptSample) {
  const { taskId, n, title, node, executor, model, outcome, endedAtMs, durationMs, waitMs, tokens, costMicrodollars } =
    sample;
  const lane = sample.lane === null ? null : (LANES[sample.lane] ?? null);
  const whose = { taskId, n, title, node, executor, model, lane };
  return { ...whose, outcome, endedAtMs, durationMs, waitMs, tokens, costMicrodollars };
}

/** Every node of the fleet is named, also those that ended nothing within the window. */
function nodesView(
  ports: ApiPorts,
  samples: readonly AttemptSample[],
  windowMs: number,
  isWhole: boolean,
  wanted: string | undefined,
): NodeFiguresView {
  const offers = ports.offers().filter((offer) => wanted === undefined || offer.node === wanted);
  const names = new Map<string, string>(offers.map((offer) => [offer.node, offer.name]));
  const instants = samples.map((sample) => sample.endedAtMs);
  return {
    windowMs,
    isWhole,
    nodes: nodeFigures(samples.map(figures), windowMs, [...names.keys()]).map((one) => ({
      ...one,
      name: names.get(one.node) ?? null,
      running: one.node === ports.node.id ? ports.workers().length : null,
      outcomes: { ...one.outcomes },
    })),
    rates: ratesPerSecond(instants, ports.clock.nowMs(), RATE_WINDOWS_MS).map((rate) => ({ ...rate })),
  };
}
