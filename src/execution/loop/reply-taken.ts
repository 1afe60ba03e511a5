import { canonicalJson } from "#base";
import type { ToolCall } from "#inference";
import { ended } from "./before-ask.ts";
import { startCalls } from "./call-taken.ts";
import { replyTurn } from "./conversation.ts";
import { isWithheld, promptUnits, replyTokens } from "./due.ts";
import { after, onIdle, withAnswering } from "./idle-reply.ts";
import type { CallCount } from "./loop-end.ts";
import { MAX_COUNTED_MODELS, MAX_LAST_WORDS_CHARS } from "./loop-limits.ts";
import type { LoopPlan } from "./loop-plan.ts";
import type { LoopEvent, LoopState, Transition, WaitingCall } from "./loop-state.ts";
import type { LoopStep } from "./loop-step.ts";
import { isNarration } from "./narration.ts";
import { cutReplyText, hintText } from "./prompts.ts";
import { learn, tokensOf, unitsOf } from "./token-gauge.ts";

type Replied = Extract<LoopEvent, { kind: "replied" }>;

/** Faults told at once; a model of small context mends a few at a time. */
const MAX_TOLD_FAULTS = 4;
/** Text of a reply in a step: the line is cut anyway. */
const STEP_TEXT_CHARS = 160;

/** A whole reply: calls are queued, an end is taken, everything else is answered with words. */
export function onReplied(before: LoopState, event: Replied, plan: LoopPlan): Transition {
  const { reply } = event;
  const { state, steps } = accounted(before, event, plan);
  const { calls, unknown } = knownCalls(reply.calls, plan);
  const isDone = calls.length === 0 && (reply.isFinal || concludes(reply.text));
  // What looks like a call in a concluding text may be an example; what is surely a call that failed is not.
  const faults = reply.faults.filter(({ isExplicit }) => isExplicit || !isDone).map(({ message }) => message);
  const told = [...unknown, ...faults].slice(0, MAX_TOLD_FAULTS);
  const faultSteps = told.map((message): LoopStep => ({ kind: "fault", message }));
  const renamed = calls.map((call, index) => ({ ...call, id: `c${state.replies}_${index}` }));
  const turns = [...state.turns, replyTurn(reply.text, renamed)];
  const notes = event.isCut ? [...told, cutReplyText(replyTokens(state, plan))] : told;
  const next: LoopState = { ...state, turns };
  const seen = [...steps, ...faultSteps];

  if (renamed.length > 0) {
    const waiting = renamed.map((call, index) => waitingCall(call, index, renamed, before, plan));
    return after(seen, startCalls({ ...next, notes, waiting, callsInReply: waiting.length }, plan));
  }
  if (notes.length > 0) return after(seen, onIdle(next, "unreadable", notes.join("\n"), plan));
  if (isDone) return ended(next, { kind: "final" }, seen);
  const pattern = reply.text.trim() === "" ? "empty" : "narration";
  return after(seen, onIdle(next, pattern, hintText(pattern, undefined, 1), plan));
}

function concludes(text: string): boolean {
  return text.trim() !== "" && !isNarration(text);
}

/** Usage, limits and what the report of tokens teaches. A server that reports nothing is accounted by estimate. */
function accounted(before: LoopState, event: Replied, plan: LoopPlan): Transition {
  const units = promptUnits(before, plan);
  const source = `${event.endpoint} ${event.model} ${before.mode}`;
  const { gauge, cut } = learn(before.gauge, units, event.usage.promptTokens, source);
  const { text, thinking, calls } = event.reply;
  const written = text + thinking + (calls.length === 0 ? "" : JSON.stringify(calls.map((call) => call.arguments)));
  const promptTokens = event.usage.promptTokens > 0 ? event.usage.promptTokens : tokensOf(before.gauge, units);
  const completionTokens =
    event.usage.completionTokens > 0 ? event.usage.completionTokens : tokensOf(before.gauge, unitsOf(written));
  const state: LoopState = {
    ...withAnswering(before, event.model, plan),
    gauge,
    replies: before.replies + 1,
    iteration: before.iteration + 1,
    failures: 0,
    pauseMs: 0,
    isCool: false,
    modelContextTokens: event.contextTokens,
    lastWords: text.trim() === "" ? before.lastWords : text.trim().slice(-MAX_LAST_WORDS_CHARS),
    spentMs: before.spentMs + event.tookMs,
    callCounts: counted(before.callCounts, event),
    usage: {
      promptTokens: before.usage.promptTokens + promptTokens,
      completionTokens: before.usage.completionTokens + completionTokens,
      costMicrodollars: before.usage.costMicrodollars + event.costMicrodollars,
    },
  };
  const { endpoint, model, costMicrodollars, tookMs, reply } = event;
  const replied: LoopStep = {
    kind: "replied",
    round: state.replies,
    model,
    endpoint,
    promptTokens,
    completionTokens,
    costMicrodollars,
    tookMs,
    calls: calls.length,
    repairs: reply.repairs,
    text: text.trim().slice(0, STEP_TEXT_CHARS),
  };
  return { state, steps: cut === undefined ? [replied] : [replied, { kind: "promptCut", ...cut }] };
}

function counted(counts: readonly CallCount[], { model, reply }: Replied): readonly CallCount[] {
  const before = counts.find((count) => count.model === model);
  if (before === undefined && counts.length >= MAX_COUNTED_MODELS) return counts;
  const { calls = 0, repaired = 0, unreadable = 0 } = before ?? {};
  const next: CallCount = {
    model,
    calls: calls + reply.calls.length,
    repaired: repaired + reply.repairs,
    unreadable: unreadable + reply.faults.filter(({ isExplicit }) => isExplicit).length,
  };
  return before === undefined ? [...counts, next] : counts.map((count) => (count === before ? next : count));
}

/** L1, whatever the parser says: a tool that does not exist is never called. */
function knownCalls(
  calls: readonly ToolCall[],
  plan: LoopPlan,
): { calls: readonly ToolCall[]; unknown: readonly string[] } {
  const names = plan.tools.map(({ name }) => name);
  return {
    calls: calls.filter(({ name }) => names.includes(name)),
    unknown: calls
      .filter(({ name }) => !names.includes(name))
      .map(({ name }) => `There is no tool ${name.slice(0, 64)}. There are: ${names.join(", ")}.`),
  };
}

function waitingCall(
  call: ToolCall,
  index: number,
  all: readonly ToolCall[],
  asked: LoopState,
  plan: LoopPlan,
): WaitingCall {
  const isSame = (other: ToolCall): boolean =>
    other.name === call.name && canonicalJson(other.arguments) === canonicalJson(call.arguments);
  if (all.slice(0, index).some(isSame)) return { call, refusal: "duplicate" };
  if (index >= plan.limits.callsPerReply) return { call, refusal: "tooMany" };
  return { call, refusal: isWithheld(asked, call.name) ? "withheld" : null };
}
