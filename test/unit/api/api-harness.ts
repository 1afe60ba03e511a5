/** An API over a queue in memory, with everything around it small and visible. */

import { expect } from "vitest";
import {
  type Api,
  type ApiOptions,
  type ApiPorts,
  createApi,
  type NodeOffer,
  type ShutdownMode,
  submissionsToTasks,
  unwatched,
} from "#api";
import {
  createIdFactory,
  err,
  type IdFactory,
  type NodeId,
  ok,
  present,
  type Result,
  refused,
  SimulatedClock,
  seededRandom,
  silentLogger,
  type TaskId,
} from "#base";
import { type AttemptReport, type ClaimedTask, MemoryQueueStore, QueueService } from "#queue";
import { type AlertBook, type AuditStore, MetricRegistry, type RuleWatch } from "#telemetry";
import { memoryFleet } from "../../support/fleet.ts";
import { noRollouts } from "../../support/fleet-rollouts.ts";
import { hubSettings } from "../../support/fleet-settings.ts";
import { memoryGoals } from "../../support/goals.ts";
import { quietMind } from "../../support/mind-port.ts";
import { modelPorts } from "../../support/model-ports.ts";
import { noNotices, noWebhooks } from "../../support/no-hooks.ts";
import { noImprovements, noProposals } from "../../support/no-improvements.ts";
import { noRepositories } from "../../support/no-repositories.ts";
import { rateLimitsInMemory } from "../../support/rate-limits.ts";
import { telemetryPorts } from "../../support/telemetry.ts";

export const TOKEN = "drv_a-token-of-the-tests";

export type Harness = {
  readonly api: Api;
  readonly ports: ApiPorts;
  readonly queue: QueueService;
  readonly store: MemoryQueueStore;
  readonly clock: SimulatedClock;
  readonly ids: IdFactory;
  readonly node: NodeId;
  readonly shutdowns: ShutdownMode[];
  /** As the node writes them. */
  readonly telemetry: { readonly alerts: AlertBook; readonly rules: RuleWatch; readonly audit: AuditStore };
  /** Sends with the token; a body is sent as JSON. */
  readonly send: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Response>;
  /** Claims and ends up to `limit` tasks. */
  readonly work: (report?: Partial<AttemptReport>, limit?: number) => Promise<readonly ClaimedTask[]>;
  readonly claim: (limit?: number) => Promise<readonly ClaimedTask[]>;
};

export const PASSED: AttemptReport = {
  outcome: "passed",
  consequence: "retryable",
  executor: "shell",
  endpoint: null,
  model: null,
  durationMs: 40,
  tokens: 0,
  costMicrodollars: 0,
  error: null,
  report: { passed: true, checks: [] },
  result: { exitCode: 0 },
};

export type HarnessOptions = { readonly ports?: Partial<ApiPorts>; readonly api?: Partial<ApiOptions> };

export function createHarness(options: HarnessOptions = {}): Harness {
  const clock = new SimulatedClock();
  const ids = createIdFactory(clock, seededRandom(7));
  const node = ids.node();
  const store = new MemoryQueueStore();
  const random = seededRandom(11);
  const queue = new QueueService({ store, clock, random, ids, node, logger: silentLogger });
  const shutdowns: ShutdownMode[] = [];
  const telemetry = telemetryPorts(clock);
  const offer: NodeOffer = { node, name: "box", executors: ["shell"], labels: {}, models: [], vramBytes: 0 };
  const ports: ApiPorts = {
    queue,
    ids,
    clock,
    random,
    logger: silentLogger,
    node: {
      id: node,
      name: "box",
      version: "1.2.3",
      commit: "0123abc",
      pid: 42,
      startedAtMs: clock.nowMs(),
      stateDir: "/state",
    },
    fleet: memoryFleet({ node, name: "box", clock, random }),
    fleetSettings: hubSettings({ store, clock }),
    rollouts: noRollouts,
    goals: memoryGoals({ queue: store, clock, ids, node }),
    mind: quietMind(clock),
    metrics: new MetricRegistry(),
    rateLimits: rateLimitsInMemory(),
    models: modelPorts(),
    watchdog: unwatched,
    ...telemetry,
    breakers: { list: async () => [], reset: async () => ok(undefined) },
    repositories: noRepositories,
    sourceBuilds: {
      begin: async () => err(refused("unsupported", "this harness builds nothing")),
      view: async () => ({ building: null, builds: [] }),
    },
    uploads: {
      put: async () => err(refused("unsupported", "this harness keeps no uploads")),
      folder: () => err(refused("not_found", "this harness keeps no uploads")),
    },
    webhooks: noWebhooks,
    notices: noNotices,
    improvements: noImprovements,
    proposals: noProposals,
    executors: ["shell"],
    checkToken: (token) => token === TOKEN,
    readiness: () => [{ name: "store", ok: true, detail: "the database answers" }],
    started: () => true,
    offers: () => [offer],
    workers: () => [],
    readLog: async () => ok(undefined),
    readResult: async () => ok(undefined),
    readSteps: async () => ok(undefined),
    storage: async () => ok({ fleetDbBytes: 1, nodeDbBytes: 2, freeDiskBytes: 3 }),
    backup: async (file) => ok({ file: file ?? "/state/backups/1.db", sizeBytes: 9, takenAtMs: clock.nowMs() }),
    config: () => [{ name: "http.port", value: 7_433, origin: "default" }],
    requestShutdown: (mode) => shutdowns.push(mode),
    ...options.ports,
  };
  const api = createApi(ports, { hosts: [], ...options.api });
  const claim = async (limit = 1): Promise<readonly ClaimedTask[]> =>
    valueOf(await queue.claim({ holder: node, limit, accepts: () => true })).tasks;
  return {
    api,
    ports,
    queue,
    store,
    clock,
    ids,
    node,
    shutdowns,
    telemetry,
    claim,
    send: async (method, path, body, headers = {}) =>
      api.app.request(path, {
        method,
        headers: {
          authorization: `Bearer ${TOKEN}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      }),
    work: async (report = {}, limit = 1) => {
      const tasks = await claim(limit);
      for (const task of tasks) valueOf(await queue.finish(task.row.id, task.fence, { ...PASSED, ...report }));
      return tasks;
    },
  };
}

/** @returns the value, or fails the test with the failure. */
export function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`expected success, got ${JSON.stringify(result.error)}`);
  return result.value;
}

export async function bodyOf(response: Response): Promise<Record<string, unknown>> {
  return (await response.json()) as Record<string, unknown>; // `as`: every JSON answer of this API is an object
}

/** Submits one task as the node does by itself, with labels that callers may not use. @returns its id. */
export async function submitOwn({ ports, queue }: Harness, fields: Record<string, unknown>): Promise<TaskId> {
  const value = [{ title: "a task", command: ["true"], ...fields }];
  const tasks = valueOf(submissionsToTasks(value, { ids: ports.ids, executors: ports.executors }));
  return present(valueOf(await queue.submit(tasks))[0], "one task was submitted").id;
}

/** Submits one task by HTTP. @returns its id. */
export async function submit(harness: Harness, fields: Record<string, unknown> = {}): Promise<TaskId> {
  const response = await harness.send("POST", "/api/tasks", { title: "a task", command: ["true"], ...fields });
  const body = await bodyOf(response);
  if (response.status !== 201) throw new Error(`submit: ${JSON.stringify(body)}`);
  return present(body["id"], "a submitted task has an id") as TaskId; // `as`: it came from the API
}

/** Any text, in a comparison of objects. */
export const anyText: unknown = expect.any(String);

/** Any text that contains `part`, in a comparison of objects. */
export function containing(part: string): unknown {
  return expect.stringContaining(part);
}
