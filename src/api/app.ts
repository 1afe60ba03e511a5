/** The API as one app: guard, routes, and an answer for everything that goes wrong. */

import { Hono } from "hono";
import type { Clock } from "#base";
import { publishAlertMetrics } from "./alert-metrics.ts";
import type { ApiEnv } from "./environment.ts";
import type { StreamLimits } from "./event-stream.ts";
import { EventStreams } from "./event-streams.ts";
import { createGuard, type GuardOptions } from "./guard.ts";
import { LogStreams } from "./log-streams.ts";
import { publishMindMetrics } from "./mind-metrics.ts";
import { publishModelMetrics } from "./model-metrics.ts";
import { type DescribedRoute, describedRoutes, openApiDocument } from "./openapi.ts";
import type { ApiPorts } from "./ports.ts";
import { answerProblem } from "./problem.ts";
import { publishQueueMetrics } from "./queue-metrics.ts";
import { RateTiers } from "./rate-tiers.ts";
import { alertRoutes, alertRuleRoutes } from "./routes/alerts.ts";
import { auditRoutes } from "./routes/audit.ts";
import { breakerRoutes } from "./routes/breakers.ts";
import { costRoutes } from "./routes/costs.ts";
import { deadLetterRoutes } from "./routes/dead-letters.ts";
import { docRoutes } from "./routes/docs.ts";
import { endpointRoutes, modelRoutes, routingRoutes } from "./routes/endpoints.ts";
import { eventRoutes } from "./routes/events.ts";
import { figureRoutes } from "./routes/figures.ts";
import { departureRoutes, joinRoutes, membershipRoutes, peerRoutes } from "./routes/fleet.ts";
import { fleetNodeRoutes, tokenRoutes } from "./routes/fleet-nodes.ts";
import { fleetBlobRoutes, fleetPartRoutes } from "./routes/fleet-parts.ts";
import { fleetPresenceRoutes, fleetQueueRoutes } from "./routes/fleet-queue.ts";
import { fleetSettingRoutes } from "./routes/fleet-settings.ts";
import { ollamaGateway, openaiGateway } from "./routes/gateway.ts";
import { goalRoutes } from "./routes/goals.ts";
import { hardwareRoutes } from "./routes/hardware.ts";
import { healthRoutes } from "./routes/health.ts";
import { findingRoutes, improvementRoutes } from "./routes/improvements.ts";
import { limitRoutes } from "./routes/limits.ts";
import { mindRoutes } from "./routes/mind.ts";
import { controlRoutes, nodeRoutes } from "./routes/node.ts";
import { noticeRoutes } from "./routes/notices.ts";
import { proposalDecisionRoutes, proposalRoutes } from "./routes/proposals.ts";
import { quarantineRoutes } from "./routes/quarantine.ts";
import { keyRoutes, queueRoutes, scheduleRoutes } from "./routes/queue.ts";
import { releaseRoutes, updateRoutes, watchdogRoutes } from "./routes/releases.ts";
import { replicaRoutes } from "./routes/replica.ts";
import { deliveryRoutes, repositoryActionRoutes, repositoryRoutes } from "./routes/repositories.ts";
import { releasePieceRoutes, rolloutRoutes } from "./routes/rollout.ts";
import { submissionRoutes } from "./routes/submissions.ts";
import { successionRoutes } from "./routes/succession.ts";
import { taskHistoryRoutes } from "./routes/task-history.ts";
import { taskLogRoutes } from "./routes/task-log.ts";
import { taskResultRoutes } from "./routes/task-result.ts";
import { taskRoutes } from "./routes/tasks.ts";
import { voteRoutes } from "./routes/vote.ts";
import { webhookDeliveryRoutes, webhookIntakeRoutes, webhookRoutes } from "./routes/webhooks.ts";

export type ApiOptions = GuardOptions & { readonly streamLimits?: StreamLimits };

type Streams = { readonly events: EventStreams; readonly logs: LogStreams };

function allRoutes(ports: ApiPorts, streams: Streams, tiers: RateTiers, describe: () => unknown) {
  return new Hono<ApiEnv>()
    .route("/", submissionRoutes(ports))
    .route("/", taskRoutes(ports))
    .route("/", taskHistoryRoutes(ports))
    .route("/", taskLogRoutes(ports, streams.logs))
    .route("/", taskResultRoutes(ports))
    .route("/", goalRoutes(ports))
    .route("/", deadLetterRoutes(ports))
    .route("/", queueRoutes(ports))
    .route("/", keyRoutes(ports))
    .route("/", scheduleRoutes(ports))
    .route("/", figureRoutes(ports))
    .route("/", costRoutes(ports))
    .route("/", eventRoutes(ports, streams.events))
    .route("/", hardwareRoutes(ports))
    .route("/", endpointRoutes(ports))
    .route("/", modelRoutes(ports))
    .route("/", routingRoutes(ports))
    .route("/", nodeRoutes(ports))
    .route("/", controlRoutes(ports))
    .route("/", watchdogRoutes(ports))
    .route("/", releaseRoutes(ports))
    .route("/", updateRoutes(ports))
    .route("/", joinRoutes(ports))
    .route("/", peerRoutes(ports))
    .route("/", membershipRoutes(ports))
    .route("/", departureRoutes(ports))
    .route("/", successionRoutes(ports))
    .route("/", quarantineRoutes(ports))
    .route("/", voteRoutes(ports))
    .route("/", tokenRoutes(ports))
    .route("/", fleetNodeRoutes(ports))
    .route("/", fleetSettingRoutes(ports))
    .route("/", repositoryRoutes(ports))
    .route("/", repositoryActionRoutes(ports))
    .route("/", deliveryRoutes(ports))
    .route("/", rolloutRoutes(ports))
    .route("/", releasePieceRoutes(ports))
    .route("/", fleetQueueRoutes(ports))
    .route("/", fleetPresenceRoutes(ports))
    .route("/", fleetBlobRoutes(ports))
    .route("/", fleetPartRoutes(ports))
    .route("/", breakerRoutes(ports))
    .route("/", alertRuleRoutes(ports))
    .route("/", alertRoutes(ports))
    .route("/", auditRoutes(ports))
    .route("/", limitRoutes(ports, tiers))
    .route("/", noticeRoutes(ports))
    .route("/", webhookRoutes(ports))
    .route("/", webhookDeliveryRoutes(ports))
    .route("/", webhookIntakeRoutes(ports))
    .route("/", mindRoutes(ports))
    .route("/", improvementRoutes(ports))
    .route("/", findingRoutes(ports))
    .route("/", proposalRoutes(ports))
    .route("/", proposalDecisionRoutes(ports))
    .route("/", healthRoutes(ports))
    .route("/", docRoutes(ports, describe));
}

/** What `hono/client` needs to know of the API: `hc<AppType>(url)`. */
export type AppType = ReturnType<typeof allRoutes>;

/** The release that is being swapped in. */
export type Maintenance = { readonly version: string };

/** Holds the version that is being swapped in, while it is. */
export const MAINTENANCE_HEADER = "drover-maintenance";

export type Api = {
  readonly clock: Clock;
  readonly app: Hono<ApiEnv>;
  /** Every route with its description. */
  readonly routes: readonly DescribedRoute[];
  /** Event streams that are open. */
  readonly streams: () => number;
  /** Ends every event stream with a last frame, takes no new ones and stops following the queue. Idempotent. */
  readonly close: () => void;
  /** Tells clients, by a frame to every event stream and a header of every answer, that a swap is under way or over. */
  readonly announceMaintenance: (maintenance: Maintenance | undefined) => void;
};

/**
 * The API over the given ports. It answers every request, whatever happens, and never throws. `ports.metrics` gets
 * its metrics, so one registry serves one API.
 */
export function createApi(ports: ApiPorts, options: ApiOptions = { hosts: [] }): Api {
  const { clock, logger, queue } = ports;
  const events = new EventStreams({ store: queue.store, clock, logger }, options.streamLimits);
  const streams: Streams = { events, logs: new LogStreams() };
  const stopMetrics = publishQueueMetrics(ports, () => events.size);
  publishModelMetrics(ports);
  publishAlertMetrics(ports);
  publishMindMetrics(ports);
  const tiers = new RateTiers(options.rateLimits ?? {}, ports.rateLimits);
  const app = new Hono<ApiEnv>();
  const describe = (): unknown => openApiDocument(describedRoutes(app), ports.node.version);
  let announced: Maintenance | undefined;
  app.use("*", async (c, next) => {
    await next();
    if (announced !== undefined) c.res.headers.set(MAINTENANCE_HEADER, announced.version);
  });
  app.use("*", createGuard(ports, options, tiers));
  app.route("/", allRoutes(ports, streams, tiers, describe));
  app.route("/", replicaRoutes(ports));
  // Their clients are those of other APIs, so drover's own client need not know their types.
  app.route("/", ollamaGateway(ports));
  app.route("/", openaiGateway(ports));
  const routes = describedRoutes(app);
  app.notFound((c) => {
    const methods = methodsOf(routes, c.req.path);
    if (methods.length > 0) {
      const message = `${c.req.path} does not take ${c.req.method}`;
      const remedy = `Use ${methods.join(" or ")}`;
      return answerProblem(c, { code: "method_not_allowed", message, remedy }, { allow: methods.join(", ") });
    }
    const message = `there is nothing at ${c.req.path.slice(0, 200)}`;
    return answerProblem(c, { code: "not_found", message, remedy: "See /openapi.json for all paths" });
  });
  app.onError((cause, c) => {
    const incident = Buffer.from(ports.random.bytes(6)).toString("hex");
    // The stack goes to the log and only the number to the client: causes may quote paths, queries and secrets.
    ports.logger.error("a request failed unexpectedly", {
      incident,
      method: c.req.method,
      path: c.req.path,
      error: cause,
      stack: cause.stack ?? "",
    });
    return answerProblem(c, {
      code: "internal",
      message: "this is a fault of drover, not of the request",
      remedy: `Look for incident ${incident} in the node's log`,
      incident,
    });
  });
  return {
    clock: ports.clock,
    app,
    routes,
    streams: () => events.size + streams.logs.size,
    announceMaintenance: (maintenance) => {
      announced = maintenance;
      events.announce({ on: maintenance !== undefined, version: maintenance?.version ?? ports.node.version });
    },
    close: () => {
      streams.events.close();
      streams.logs.close();
      stopMetrics();
    },
  };
}

/** @returns the methods that the path takes, HEAD beside GET. */
function methodsOf(routes: readonly DescribedRoute[], path: string): readonly string[] {
  const found = routes.filter((route) => matches(route.path, path)).map((route) => route.method);
  return found.includes("GET") ? [...found, "HEAD"] : found;
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const given = path.split("/");
  return wanted.length === given.length && wanted.every((part, index) => part.startsWith(":") || part === given[index]);
}
