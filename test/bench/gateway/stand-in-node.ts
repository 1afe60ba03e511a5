/**
 * Drover's API, gateway and inference service in a process of their own, over one endpoint that is taken as it is said:
 * no polling, no rating of endpoints, no database. What the executable adds to that is seen with --binary.
 */
import { createApi, type NodeOffer, serveApi, unwatched } from "#api";
import { createIdFactory, ok, present, silentLogger } from "#base";
import { MemoryQueueStore, QueueService } from "#queue";
import { MetricRegistry } from "#telemetry";
import { realRandom } from "../../../src/runtime/real-clock.ts";
import { Uploads } from "../../../src/runtime/uploads.ts";
import { memoryFleet } from "../../support/fleet.ts";
import { noRollouts } from "../../support/fleet-rollouts.ts";
import { hubSettings } from "../../support/fleet-settings.ts";
import { memoryGoals } from "../../support/goals.ts";
import { endpointState, inferenceWorld } from "../../support/inference-world.ts";
import { quietMind } from "../../support/mind-port.ts";
import { modelPorts } from "../../support/model-ports.ts";
import { noNotices, noWebhooks } from "../../support/no-hooks.ts";
import { noImprovements, noProposals } from "../../support/no-improvements.ts";
import { noRepositories } from "../../support/no-repositories.ts";
import { rateLimitsInMemory } from "../../support/rate-limits.ts";
import { realClock } from "../../support/real-clock.ts";
import { telemetryPorts } from "../../support/telemetry.ts";
import { MODEL } from "./backend.ts";

/** Of a node that only this benchmark speaks to. */
export const TOKEN = "drv_bench";

/** Serves until the process ends. @returns its address. */
export async function serveStandIn(endpointUrl: string): Promise<string> {
  const clock = realClock;
  const random = realRandom();
  const ids = createIdFactory(clock, random);
  const node = ids.node();
  const queue = new QueueService({ store: new MemoryQueueStore(), clock, random, ids, node, logger: silentLogger });
  const state = endpointState("bench", endpointUrl);
  const states = [{ ...state, models: state.models.map((model) => ({ ...model, name: MODEL })) }];
  const world = inferenceWorld(states, { clock });
  const models = modelPorts(states, { inference: world.service, endpoints: () => world.directory.states() });
  const offer: NodeOffer = { node, name: "bench", executors: ["shell"], labels: {}, models: [], vramBytes: 0 };
  const api = createApi(
    {
      queue,
      ids,
      clock,
      random,
      logger: silentLogger,
      node: {
        id: node,
        name: "bench",
        version: "0.0.0",
        commit: "",
        pid: process.pid,
        startedAtMs: clock.nowMs(),
        stateDir: "/state",
      },
      fleet: memoryFleet({ node, name: "bench", clock, random }),
      fleetSettings: hubSettings({ clock }),
      repositories: noRepositories,
      rollouts: noRollouts,
      goals: memoryGoals({ queue: queue.store, clock, ids, node }),
      mind: quietMind(clock),
      metrics: new MetricRegistry(),
      rateLimits: rateLimitsInMemory(),
      models,
      watchdog: unwatched,
      sourceBuilds: {
        begin: () => Promise.reject(new Error("this stand-in builds nothing")),
        view: () => Promise.resolve({ building: null, builds: [] }),
      },
      ...telemetryPorts(clock),
      breakers: { list: async () => [], reset: async () => ok(undefined) },
      uploads: new Uploads("/nowhere", clock),
      webhooks: noWebhooks,
      notices: noNotices,
      improvements: noImprovements,
      proposals: noProposals,
      executors: ["shell"],
      checkToken: (token) => token === TOKEN,
      readiness: () => [],
      started: () => true,
      offers: () => [offer],
      workers: () => [],
      readLog: async () => ok(undefined),
      readResult: async () => ok(undefined),
      readSteps: async () => ok(undefined),
      storage: async () => ok({ fleetDbBytes: 0, nodeDbBytes: 0, freeDiskBytes: 0 }),
      backup: async (file) => ok({ file: file ?? "", sizeBytes: 0, takenAtMs: 0 }),
      config: () => [],
      requestShutdown: () => undefined,
    },
    { hosts: [] },
  );
  const served = await serveApi(api, { host: "127.0.0.1", port: 0, logger: silentLogger });
  return present(served.ok ? served.value.url : undefined, "a free port of loopback can be listened on");
}
