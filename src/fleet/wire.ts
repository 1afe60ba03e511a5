/** What nodes of a fleet say to their hub, as it travels. Unknown fields of newer nodes are passed over. */
import { z } from "zod";
import {
  type CommandId,
  type Failure,
  type JsonObject,
  type JsonValue,
  MAX_BATCH_TASKS,
  parseScheduleId,
  parseTaskId,
  type ScheduleId,
  type TaskId,
} from "#base";
import { ATTEMPT_OUTCOMES, type ClaimedTask, DEPENDENCY_POLICIES, type Fence, LANES } from "#queue";
import { partKeySchema } from "./parts/part-wire.ts";
import type { Position } from "./position.ts";

/** Commands in one request: one request is one commit of the hub, or a few. */
export const MAX_COMMANDS = 256;
/** Attempts that one node runs at once; far more than any does. */
export const MAX_HELD = 10_000;
/** Distinct requirements that a node can say it accepts. */
export const MAX_ACCEPTED = 1_000;
/** A node may ask for a call to be held open this long; proxies cut at 30 s and more. */
export const MAX_WAIT_MS = 25_000;
/** Orders that a node remembers to have heard. */
export const MAX_HEARD = 16;
/**
 * An answer to a claim is used so long after the claim was first sent. What comes later is dropped, for the hub may take
 * those tasks back then: a first try and a second one that is answered in time.
 */
export const CLAIM_USE_MS = 15_000;

const taskId = z.custom<TaskId>((given) => typeof given === "string" && parseTaskId(given) !== undefined);
const scheduleId = z.custom<ScheduleId>((given) => typeof given === "string" && parseScheduleId(given) !== undefined);
export const commandIdSchema = z.custom<CommandId>(
  (given) => typeof given === "string" && /^c_[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(given),
);
const count = z.int().min(0);
const instant = z.int();
const words = z.string().max(4_000);
const fence: z.ZodType<Fence> = z.object({ epoch: count, n: count });
const object = z.custom<JsonObject>((given) => typeof given === "object" && given !== null && !Array.isArray(given));

const newTask = z.object({
  id: taskId,
  lane: z
    .int()
    .min(0)
    .max(LANES.length - 1),
  key: z.string(),
  requirements: z.string(),
  dependsOn: z.array(taskId).readonly(),
  dependencyPolicy: z.enum(DEPENDENCY_POLICIES),
  runAtMs: instant.nullable(),
  maxAttempts: count,
  retryBaseMs: count,
  retryMaxMs: count,
  idempotencyKey: z.string().nullable(),
  bodyHash: z.string(),
  labels: z.record(z.string(), z.string()),
  body: z.string(),
});

const report = z.object({
  outcome: z.enum(ATTEMPT_OUTCOMES),
  consequence: z.enum(["retryable", "terminal"]),
  executor: z.string(),
  endpoint: z.string().nullable(),
  model: z.string().nullable(),
  durationMs: count,
  tokens: count,
  costMicrodollars: count,
  error: z.string().nullable(),
  report: object.nullable(),
  result: object.nullable(),
});

const policy = z.object({
  maxConcurrent: count.nullable(),
  ratePerSecond: z.number().positive().nullable(),
  burst: z.number(),
  weight: z.number().positive(),
  paused: z.boolean(),
});

const announcement = z.enum([
  "alert.raised",
  "alert.worsened",
  "alert.acknowledged",
  "alert.resolved",
  "budget.warned",
  "budget.reached",
  "failsafe.opened",
  "failsafe.closed",
  "failsafe.reset",
  "hub.sought",
  "hub.elected",
  "hub.stepped_down",
  "mind.changed",
  "mind.paused",
  "mind.resumed",
  "mind.released",
  "mind.treated",
  "mind.carried_out",
  "mind.judged",
]);

function command<Kind extends string, Args extends z.ZodType>(kind: Kind, args: Args) {
  return z.object({ id: commandIdSchema, kind: z.literal(kind), args });
}

export const commandSchema = z.discriminatedUnion("kind", [
  command("submit", z.object({ tasks: z.array(newTask).min(1).max(MAX_BATCH_TASKS).readonly() })),
  command("finish", z.object({ taskId, fence, report })),
  command("release", z.object({ taskId, fence, why: words })),
  command(
    "progress",
    z.object({ taskId, fence, progress: z.object({ ratio: z.number().min(0).max(1), message: words }) }),
  ),
  command("cancel", z.object({ taskId, why: words })),
  command("retry", z.object({ taskId })),
  command("drop", z.object({ taskId })),
  command("pause", z.object({ paused: z.boolean() })),
  command("announce", z.object({ kind: announcement, data: object })),
  command("key_policy", z.object({ key: z.string(), policy })),
  command(
    "add_schedule",
    z.object({
      request: z.object({
        name: z.string(),
        cron: z.string(),
        timezone: z.string(),
        overlap: z.enum(["skip", "allow"]),
        task: newTask,
      }),
    }),
  ),
  command("remove_schedule", z.object({ scheduleId })),
  // What it may hold is checked by whoever keeps goals.
  command("goal", z.object({ order: object })),
]);

export type FleetCommand = z.output<typeof commandSchema>;
export type CommandKind = FleetCommand["kind"];

/** The highest epoch that the node knows: a hub of a lower one is none any more. Absent from nodes of before that. */
const knownEpochSchema = z.object({ epoch: count.optional() });
export const commandsSchema = knownEpochSchema.extend({
  commands: z.array(commandSchema).min(1).max(MAX_COMMANDS),
});

export type CommandResult =
  | { readonly id: CommandId; readonly ok: true; readonly value?: JsonValue | undefined }
  | { readonly id: CommandId; readonly ok: false; readonly failure: Failure };

/** When a hub answered, by its own monotonic clock and in its own words. */
const stamp = z.string().max(100);

const position = { epoch: count, seq: count };
export const commandsAnswerSchema = z.object({
  ...position,
  results: z.array(
    z.discriminatedUnion("ok", [
      z.object({ id: commandIdSchema, ok: z.literal(true), value: z.custom<JsonValue>().optional() }),
      // Signed by the hub: its failures have this shape.
      z.object({ id: commandIdSchema, ok: z.literal(false), failure: z.custom<Failure>(isFailure) }),
    ]),
  ),
});
export type CommandsAnswer = Position & { readonly results: readonly CommandResult[] };

function isFailure(given: unknown): given is Failure {
  return typeof given === "object" && given !== null && "kind" in given && "code" in given && "message" in given;
}

export const claimSchema = knownEpochSchema.extend({
  id: commandIdSchema,
  limit: z.int().min(1).max(MAX_COMMANDS),
  /** Requirements that the node can meet now, word for word as tasks have them. */
  accepts: z.array(z.string()).max(MAX_ACCEPTED),
});
export type ClaimCall = z.output<typeof claimSchema>;

export const claimAnswerSchema = z.object({
  ...position,
  termMs: count,
  // Signed by the hub, and rows of its own queue.
  tasks: z.array(z.custom<ClaimedTask>((given) => typeof given === "object" && given !== null && "fence" in given)),
  more: z.boolean(),
  rateLimited: z.boolean(),
  /** Of a claim that was repeated: tasks that the node was given by it and does not hold any more. */
  over: count.optional(),
});
export type ClaimAnswer = z.output<typeof claimAnswerSchema>;

export const heartbeatSchema = knownEpochSchema.extend({
  held: z.array(z.object({ taskId, fence })).max(MAX_HELD),
  /** Orders that it has carried out, or begun to. */
  heard: z.array(z.string().max(64)).max(MAX_HEARD),
  announced: object,
  /** Of the last heartbeat that was answered: this one was sent after that. */
  stamp: stamp.optional(),
});
export type HeartbeatCall = z.output<typeof heartbeatSchema>;

export const heartbeatAnswerSchema = z.object({
  ...position,
  termMs: count,
  held: z.array(z.object({ taskId, fence, ok: z.boolean(), stop: z.boolean() })),
  orders: z.array(
    z.object({
      id: z.string(),
      kind: z.string(),
      /** Of `take`. */
      release: z.object({ version: z.string(), from: z.string(), key: z.string() }).optional(),
    }),
  ),
  stamp: stamp.optional(),
  /** Why the node gets no work: its release and the fleet's do not fit. What it holds it may end. */
  unfit: z.object({ message: z.string(), remedy: z.string().optional() }).optional(),
});
export type HeartbeatAnswer = z.output<typeof heartbeatAnswerSchema>;

export const waitSchema = knownEpochSchema.extend({
  /** What the node's own copy shows, on its disk; the answer comes when there is more. */
  seq: count,
  /** The epoch that `seq` is of. */
  seqEpoch: count.optional(),
  readySeen: count,
  waitMs: z.int().min(0).max(MAX_WAIT_MS),
});
export type WaitCall = z.output<typeof waitSchema>;

/** An attempt that is to be ended. */
const stop = z.object({ taskId, fence });
export type StopOrder = z.output<typeof stop>;
export const waitAnswerSchema = z.object({
  ...position,
  ready: count,
  stops: z.array(stop),
  /** Parts of attempts of the node that somebody reads on the hub; an earlier hub never says. */
  reads: z.array(partKeySchema).default([]),
});
export type WaitAnswer = z.output<typeof waitAnswerSchema>;
