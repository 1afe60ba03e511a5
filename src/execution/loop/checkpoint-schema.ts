/**
 * The form in which a loop lies in a checkpoint, read back possibly by another release: what does not fit is refused as
 * a whole, unknown fields of a newer release are dropped. A change of meaning raises {@link CHECKPOINT_VERSION}.
 */
import { z } from "zod";
import type { FailureCode, JsonObject, JsonValue } from "#base";
import type { InferenceFailure } from "#inference";
import { reportSchema } from "../verification/report-schema.ts";
import type { CheckpointEntry } from "./checkpoint.ts";
import type { CallCount } from "./loop-end.ts";
import type { LoopEvent, LoopState } from "./loop-state.ts";
import type { Pattern } from "./repetition.ts";

/** Of state, events and of how the machine decides: a replay needs all three to be alike. */
export const CHECKPOINT_VERSION = 2;

const text = z.string();
const count = z.number().min(0);
const json: z.ZodType<JsonValue> = z.json();
const jsonObject: z.ZodType<JsonObject> = z.record(z.string(), json);
const tool = text.nullable();
/** Written as objects, so that the compiler finds what is lacking when a kind is added. */
const patterns: { readonly [K in Pattern]: K } = {
  identical: "identical",
  cycle: "cycle",
  nearDuplicate: "nearDuplicate",
  growingArgument: "growingArgument",
  sameError: "sameError",
  barren: "barren",
  withheld: "withheld",
  unreadable: "unreadable",
  narration: "narration",
  empty: "empty",
};
const pattern = z.enum(patterns);

const call = z.object({ id: text, name: text, arguments: jsonObject });
const stopRequest = z.object({ by: z.enum(["cancel", "machine"]), reason: text });
const fileMark = z.object({ path: text, hash: text.nullable() });
const usage = z.object({ promptTokens: count, completionTokens: count });

const failureKinds: { readonly [K in InferenceFailure["kind"]]: K } = {
  unreachable: "unreachable",
  overloaded: "overloaded",
  loadFailed: "loadFailed",
  serverFault: "serverFault",
  denied: "denied",
  timedOut: "timedOut",
  badToolCall: "badToolCall",
  notSupported: "notSupported",
  notFound: "notFound",
  refused: "refused",
  budget: "budget",
  noRoute: "noRoute",
  cut: "cut",
  cancelled: "cancelled",
  internal: "internal",
};
const inferenceFailure = z.object({
  kind: z.enum(failureKinds),
  message: text,
  isRetryable: z.boolean(),
  afterFirstToken: z.boolean(),
  status: z.number().exactOptional(),
  retryAfterMs: z.number().exactOptional(),
  capability: text.exactOptional(),
});

const failureCodes: { readonly [K in FailureCode]: K } = {
  invalid: "invalid",
  not_found: "not_found",
  conflict: "conflict",
  too_large: "too_large",
  limit: "limit",
  unsupported: "unsupported",
  stale_fence: "stale_fence",
  cancelled: "cancelled",
  disk_full: "disk_full",
  read_only: "read_only",
  corrupt: "corrupt",
  newer_schema: "newer_schema",
  in_use: "in_use",
  timed_out: "timed_out",
  unavailable: "unavailable",
  lost: "lost",
  not_replicated: "not_replicated",
  too_few_replicas: "too_few_replicas",
  internal: "internal",
};
const failure = z.object({
  kind: z.enum(["retryable", "terminal", "cancelled", "leaseLost", "refused"]),
  code: z.enum(failureCodes),
  message: text,
  remedy: text.exactOptional(),
  faults: z.array(z.object({ path: text, reason: text })).exactOptional(),
});

const end = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("final") }),
  z.object({ kind: z.literal("iterations"), limit: count }),
  z.object({ kind: z.literal("tokens"), limit: count, used: count }),
  z.object({ kind: z.literal("wallTime"), limitMs: count }),
  z.object({ kind: z.literal("cost"), limitMicrodollars: count.nullable(), message: text }),
  z.object({ kind: z.literal("context"), contextTokens: count }),
  z.object({ kind: z.literal("stuck"), pattern, tool, times: count }),
  z.object({ kind: z.literal("noTools"), pattern }),
  z.object({ kind: z.literal("modelFailed"), failure: inferenceFailure }),
  z.object({ kind: z.literal("stopped"), request: stopRequest }),
  z.object({ kind: z.literal("failed"), failure }),
]);

/** Also a part of the result of an attempt. */
export const callCountSchema: z.ZodType<CallCount> = z.object({
  model: text,
  calls: count,
  repaired: count,
  unreadable: count,
});

const units = count;
const turn = z.discriminatedUnion("kind", [
  z.object({ kind: z.enum(["system", "task"]), content: text, units }),
  z.object({ kind: z.literal("notice"), content: text, units }),
  z.object({ kind: z.literal("correction"), content: text, units }),
  z.object({ kind: z.literal("reply"), content: text, calls: z.array(call), isShortened: z.boolean(), units }),
  z.object({
    kind: z.literal("observation"),
    callId: text,
    tool: text,
    content: text,
    summary: text,
    level: z.enum(["whole", "trimmed", "line"]),
    units,
  }),
  z.object({ kind: z.literal("digest"), lines: z.array(text), dropped: count, units }),
]);

const mark = z.object({
  id: text,
  tool: text,
  effect: z.enum(["read", "write", "command"]),
  call: text,
  world: text,
  result: text,
  resultChars: count,
  error: text.nullable(),
  masked: text,
  isRefused: z.boolean(),
  isWaiting: z.boolean(),
  place: text,
  words: z.array(text),
  grown: z.array(z.object({ name: text, chars: count, hash: text })),
  growth: text.nullable(),
  isFaded: z.boolean(),
  isForgiven: z.boolean(),
});

const finding = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("news"), isNewWorld: z.boolean() }),
  z.object({ kind: z.literal("neutral"), isForgiven: z.boolean() }),
  z.object({ kind: z.literal("repeat"), pattern, weight: count, isWeak: z.boolean(), tool: text, times: count }),
]);

export const loopStateSchema: z.ZodType<LoopState> = z.object({
  phase: z.enum(["asking", "calling", "ended"]),
  end: end.nullable(),
  replies: count,
  iteration: count,
  corrections: z.array(reportSchema),
  mode: z.enum(["native", "constrained"]),
  modelIndex: count,
  answeredIndex: count,
  failures: count,
  pauseMs: count,
  isCool: z.boolean(),
  isThoughtless: z.boolean(),
  turns: z.array(turn),
  gauge: z.object({
    factor: z.number(),
    leavesOutCached: z.boolean(),
    cutAtTokens: count.nullable(),
    seen: z.object({ source: text, units: count, tokens: count }).nullable(),
  }),
  modelContextTokens: count.nullable(),
  repetition: z.object({ marks: z.array(mark), worlds: z.array(text), strikes: count, idleStrikes: count }),
  findings: z.array(finding),
  notes: z.array(text),
  waiting: z.array(z.object({ call, refusal: z.enum(["withheld", "duplicate", "tooMany"]).nullable() })),
  callsInReply: count,
  withheld: z.record(text, count),
  record: z.object({
    files: z.record(text, text.nullable()),
    world: text,
    commands: z.array(text),
    commandCount: count,
    callCount: count,
  }),
  callCounts: z.array(callCountSchema),
  usage: usage.extend({ costMicrodollars: count }),
  spentMs: count,
  lastWords: text,
  toolMemory: json,
});

const parsedReply = z.object({
  text,
  thinking: text,
  calls: z.array(call),
  faults: z.array(z.object({ message: text, tool: text.exactOptional(), isExplicit: z.boolean() })),
  repairs: count,
  isFinal: z.boolean(),
});

const answer = z.object({
  content: text,
  summary: text,
  error: text.nullable(),
  changed: z.array(fileMark),
  command: text.exactOptional(),
});

const tookMs = count;
const loopEventSchema: z.ZodType<LoopEvent> = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("replied"),
    reply: parsedReply,
    isCut: z.boolean(),
    usage,
    costMicrodollars: count,
    endpoint: text,
    model: text,
    contextTokens: count.nullable(),
    tookMs,
  }),
  z.object({ kind: z.literal("askFailed"), failure: inferenceFailure, model: text, pieces: count, tookMs }),
  z.object({ kind: z.literal("answered"), callId: text, answer, toolMemory: json, tookMs }),
  z.object({ kind: z.literal("filesFound"), files: z.array(fileMark) }),
  z.object({ kind: z.literal("corrected"), prompt: text, report: reportSchema }),
  z.object({ kind: z.literal("outOfTime"), tookMs }),
  z.object({ kind: z.literal("stopRequested"), request: stopRequest, tookMs }),
]);

export const checkpointEntrySchema: z.ZodType<CheckpointEntry> = z.union([
  z.object({ kind: z.literal("event"), event: loopEventSchema }),
  z.object({ kind: z.literal("begun"), callId: text, mark: json }),
]);

/** The first line of a checkpoint. `key` says of which task it is, and of which version of the task. */
export const checkpointHeadSchema = z.object({
  v: z.literal(CHECKPOINT_VERSION),
  key: text,
  state: loopStateSchema,
});
