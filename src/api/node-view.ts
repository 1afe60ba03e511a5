/** This node and its figures as the API returns them. */
import { z } from "zod";
import { copySchema, standingSchema } from "./fleet-view.ts";

export const runningAttemptSchema = z.object({
  taskId: z.string(),
  attempt: z.int(),
  executor: z.string(),
  startedAtMs: z.int(),
  pid: z.int().nullable(),
});

export const checkSchema = z.object({ name: z.string(), ok: z.boolean(), detail: z.string() });

export const nodeSchema = z.object({
  id: z.string(),
  name: z.string(),
  version: z.string(),
  commit: z.string(),
  pid: z.int(),
  startedAtMs: z.int(),
  uptimeMs: z.int(),
  stateDir: z.string(),
  executors: z.array(z.string()),
  ready: z.boolean(),
  checks: z.array(checkSchema),
  fleet: standingSchema,
  running: z.array(runningAttemptSchema),
  /** Null when the storage cannot be measured now. */
  storage: z.object({ fleetDbBytes: z.number(), nodeDbBytes: z.number(), freeDiskBytes: z.number() }).nullable(),
  memory: z.object({ rssBytes: z.number(), heapUsedBytes: z.number() }),
});
export type NodeView = z.output<typeof nodeSchema>;

export const nodesSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      isSelf: z.boolean(),
      executors: z.array(z.string()),
      labels: z.record(z.string(), z.string()),
      models: z.array(z.string()),
      vramBytes: z.number(),
      /** `solo`, or what it is in the fleet; null when it is not known. */
      role: z.enum(["solo", "hub", "reader", "member", "operator"]).nullable(),
      /** `cordoned`: gets nothing new. */
      state: z.enum(["active", "cordoned", "removed"]),
      version: z.string().nullable(),
      /** Levels of the fleet that its release works in. */
      featureLevels: z.object({ oldest: z.int(), newest: z.int() }).nullable(),
      /** Where the others reach it; null while it can only call. */
      url: z.string().nullable(),
      /** Of the hub that it follows, as it said last. */
      epoch: z.int().nullable(),
      /** How good its copy of the fleet's database was when it said so last; null of the hub, and while it is not known. */
      copy: copySchema.nullable(),
      /** Whether it has a say in who replaces a lost hub, where that needs no person. */
      isVoter: z.boolean(),
      seenAtMs: z.int().nullable(),
      /** Whether it was heard of within a minute. */
      isFresh: z.boolean(),
      /** Attempts running now, as it said last. */
      running: z.int().nullable(),
      /** Settings of the fleet that it has not taken up yet. */
      pendingSettings: z.array(z.string()),
      /** Why it gets no work for a while, and until when; the hub alone knows. */
      backOff: z.object({ untilMs: z.int(), reason: z.string() }).nullable(),
      /** What it said last of its hardware. */
      capacity: z.record(z.string(), z.unknown()).nullable(),
    }),
  ),
});
export type NodesView = z.output<typeof nodesSchema>;

export const distributionSchema = z.object({
  count: z.int(),
  mean: z.number(),
  p50: z.number(),
  p95: z.number(),
  p99: z.number(),
  max: z.number(),
});

const timings = {
  attempts: z.int(),
  durationMs: distributionSchema,
  waitMs: distributionSchema,
  outcomes: z.record(z.string(), z.int()),
};

const attemptFigures = z.object({
  taskId: z.string(),
  n: z.int(),
  title: z.string(),
  node: z.string(),
  executor: z.string(),
  model: z.string().nullable(),
  outcome: z.string(),
  endedAtMs: z.int(),
  durationMs: z.number(),
  waitMs: z.number(),
  tokens: z.int(),
  costMicrodollars: z.int(),
});

const namedFigures = z.object({ name: z.string(), ...timings });

export const bottlenecksSchema = z.object({
  windowMs: z.int(),
  /** False when the window held more attempts than were looked at: the figures are of the latest ones. */
  isWhole: z.boolean(),
  ...timings,
  groups: z.array(z.object({ node: z.string(), executor: z.string(), ...timings })),
  /** By each of these alone, the one with the longest p95 first. */
  by: z.object({
    executor: z.array(namedFigures),
    model: z.array(namedFigures),
    node: z.array(namedFigures),
    lane: z.array(namedFigures),
  }),
  slowest: z.array(attemptFigures),
  longestWaits: z.array(attemptFigures),
});
export type BottlenecksView = z.output<typeof bottlenecksSchema>;

export const nodeFiguresSchema = z.object({
  windowMs: z.int(),
  isWhole: z.boolean(),
  nodes: z.array(
    z.object({
      node: z.string(),
      name: z.string().nullable(),
      /** Attempts running now; null for a node other than the one that answers. */
      running: z.int().nullable(),
      perMinute: z.number(),
      passedRatio: z.number().nullable(),
      ...timings,
      tokens: z.number(),
      costMicrodollars: z.number(),
    }),
  ),
  /** Ended attempts of all nodes shown. */
  rates: z.array(z.object({ windowMs: z.int(), perSecond: z.number() })),
});
export type NodeFiguresView = z.output<typeof nodeFiguresSchema>;
