/**
 * A task as a trace: the task, its attempts, and within them what asked models and called tools. Ids follow from those
 * of the task, so that all nodes tell of one trace without agreeing on anything. Pure.
 *
 * Model calls carry the attributes of OpenTelemetry's conventions for generative AI (`gen_ai.*`) and those that Langfuse
 * reads (`langfuse.*`, langfuse.com/integrations/native/opentelemetry, "Property mapping").
 */
import { redactText } from "#base";
import type { Sha256 } from "../audit/chain.ts";
import type { ModelCall } from "../model-call.ts";
import type { Span } from "./encode.ts";

const TRACE_ID_CHARS = 32;
const SPAN_ID_CHARS = 16;
const MAX_TEXT_CHARS = 32_768;
const MAX_WORD_CHARS = 256;
const MICRODOLLARS = 1_000_000;

export type ToldTask = {
  readonly id: string;
  readonly title: string;
  readonly state: string;
  readonly lane: string;
  readonly createdAtMs: number;
  readonly endedAtMs: number;
  readonly attempts: number;
  readonly goal: string | null;
  readonly labels: Readonly<Record<string, string>>;
};

export type ToldAttempt = {
  readonly taskId: string;
  readonly n: number;
  readonly node: string;
  readonly executor: string;
  readonly endpoint: string | null;
  readonly model: string | null;
  readonly outcome: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly waitMs: number;
  readonly tokens: number;
  readonly costMicrodollars: number;
  readonly error: string | null;
};

export type ToldTool = {
  readonly taskId: string;
  readonly attempt: number;
  /** Its place among those of the attempt. */
  readonly index: number;
  readonly tool: string;
  readonly endedAtMs: number;
  readonly tookMs: number;
  readonly error: string | null;
};

export function taskSpan(task: ToldTask, sha256: Sha256): Span {
  const { id, title, state, lane, goal, labels, attempts } = task;
  const told = Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [`drover.label.${name}`, short(value)]),
  );
  return {
    traceId: traceIdOf(id, sha256),
    spanId: idOf(`task ${id}`, sha256),
    parentSpanId: null,
    name: short(title),
    kind: "internal",
    startMs: task.createdAtMs,
    endMs: task.endedAtMs,
    attributes: {
      "drover.task.id": id,
      "drover.task.state": state,
      "drover.task.lane": lane,
      "drover.task.attempts": attempts,
      "drover.goal.id": goal,
      ...told,
      "langfuse.trace.name": short(title),
      "session.id": goal,
    },
    error: state === "done" ? null : state,
  };
}

export function attemptSpan(attempt: ToldAttempt, sha256: Sha256): Span {
  const { taskId, n, node, executor, endpoint, model, outcome, waitMs, tokens, costMicrodollars, error } = attempt;
  return {
    traceId: traceIdOf(taskId, sha256),
    spanId: attemptId(taskId, n, sha256),
    parentSpanId: idOf(`task ${taskId}`, sha256),
    name: `attempt ${n}`,
    kind: "internal",
    startMs: attempt.startedAtMs,
    endMs: attempt.endedAtMs,
    attributes: {
      "drover.task.id": taskId,
      "drover.attempt": n,
      "drover.attempt.outcome": outcome,
      "drover.attempt.wait_ms": waitMs,
      "drover.node.id": node,
      "drover.executor": executor,
      "drover.endpoint": endpoint,
      "drover.model": model,
      "drover.tokens": tokens,
      "drover.cost_usd": costMicrodollars / MICRODOLLARS,
    },
    error: outcome === "passed" ? null : short(redactText(error ?? outcome)),
  };
}

export function toolSpan(tool: ToldTool, sha256: Sha256): Span {
  return {
    traceId: traceIdOf(tool.taskId, sha256),
    spanId: idOf(`tool ${tool.taskId} ${tool.attempt} ${tool.index}`, sha256),
    parentSpanId: attemptId(tool.taskId, tool.attempt, sha256),
    name: `execute_tool ${short(tool.tool)}`,
    kind: "internal",
    startMs: tool.endedAtMs - tool.tookMs,
    endMs: tool.endedAtMs,
    attributes: {
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": short(tool.tool),
      "langfuse.observation.type": "tool",
      "drover.task.id": tool.taskId,
      "drover.attempt": tool.attempt,
    },
    error: tool.error === null ? null : short(redactText(tool.error)),
  };
}

/** @param unique tells requests apart that belong to no task */
export function modelCallSpan(call: ModelCall, unique: string, sha256: Sha256): Span {
  const { taskId, attempt, goal, endpoint, model, firstTokenAtMs, startedAtMs, texts, failure, outcome } = call;
  const of = taskId === null ? `gateway ${unique}` : taskId;
  const costUsd = call.costMicrodollars / MICRODOLLARS;
  const usage = {
    input: call.promptTokens,
    output: call.completionTokens,
    total: call.promptTokens + call.completionTokens,
  };
  return {
    traceId: traceIdOf(of, sha256),
    spanId: idOf(`call ${of} ${unique}`, sha256),
    parentSpanId: taskId === null || attempt === null ? null : attemptId(taskId, attempt, sha256),
    name: model === null ? "chat" : `chat ${short(model)}`,
    kind: "client",
    startMs: startedAtMs,
    endMs: call.endedAtMs,
    attributes: {
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": endpoint,
      "gen_ai.request.model": model,
      "gen_ai.response.model": model,
      "gen_ai.request.max_tokens": call.maxTokens,
      "gen_ai.request.temperature": call.temperature,
      "gen_ai.usage.input_tokens": call.promptTokens,
      "gen_ai.usage.output_tokens": call.completionTokens,
      "gen_ai.response.time_to_first_chunk": firstTokenAtMs === null ? null : (firstTokenAtMs - startedAtMs) / 1_000,
      "langfuse.observation.type": "generation",
      "langfuse.observation.model.name": model,
      "langfuse.observation.usage_details": JSON.stringify(usage),
      "langfuse.observation.cost_details": JSON.stringify({ total: costUsd }),
      "langfuse.observation.completion_start_time":
        firstTokenAtMs === null ? null : new Date(firstTokenAtMs).toISOString(),
      "langfuse.observation.input": texts === null ? null : text(texts.prompt),
      "langfuse.observation.output": texts === null ? null : text(texts.reply),
      "langfuse.observation.level": failure === null ? "DEFAULT" : "ERROR",
      "session.id": goal,
      "drover.task.id": taskId,
      "drover.attempt": attempt,
      "drover.goal.id": goal,
      "drover.call.outcome": outcome,
      "drover.call.tools": call.toolCalls.length === 0 ? null : call.toolCalls.map(short),
      "drover.cost_usd": costUsd,
      "error.type": failure?.kind,
    },
    error: failure === null ? null : short(redactText(failure.message)),
  };
}

function traceIdOf(taskId: string, sha256: Sha256): string {
  return sha256(`trace ${taskId}`).slice(0, TRACE_ID_CHARS);
}

function attemptId(taskId: string, n: number, sha256: Sha256): string {
  return idOf(`attempt ${taskId} ${n}`, sha256);
}

function idOf(name: string, sha256: Sha256): string {
  return sha256(name).slice(0, SPAN_ID_CHARS);
}

function short(word: string): string {
  return word.length <= MAX_WORD_CHARS ? word : `${word.slice(0, MAX_WORD_CHARS - 1)}…`;
}

/** A secret that a cut would leave half of is replaced before. */
function text(given: string): string {
  const clean = redactText(given);
  return clean.length <= MAX_TEXT_CHARS ? clean : `${clean.slice(0, MAX_TEXT_CHARS - 1)}…`;
}
