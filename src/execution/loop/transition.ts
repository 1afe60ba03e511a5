/**
 * The tool loop as a machine: asks a model, has its calls executed, and asks again, until there is an end. Pure.
 *
 * L1: a call is executed only if its tool exists and was not withheld, once per reply, and never beyond `callsPerReply`.
 * L2: the calls of a reply are executed one after another in its order; each gets exactly one observation, executed or
 *     not, before the model is asked again.
 * L3: the model is asked only below every limit: iterations, tokens, money, time, context.
 * L4: at any time exactly one thing is due (`due`), and it follows from the state alone.
 * L5: the state has a constant bound: turns by the context, marks, record, reports and last words by their limits.
 * L6: a failed request changes nothing of the conversation; the same is asked again at most `retries` times in a row,
 *     then of the next model.
 * L7: every end keeps conversation, record and last words: the partial result.
 * L8: an ended loop goes on only by a correction.
 */
import { assert } from "#base";
import { prepareAsk } from "./before-ask.ts";
import { onAnswered, refuseWaiting } from "./call-taken.ts";
import { plainTurn } from "./conversation.ts";
import { onAskFailed } from "./failed-request.ts";
import type { LoopEnd } from "./loop-end.ts";
import type { LoopPlan } from "./loop-plan.ts";
import type { LoopEvent, LoopState, Transition } from "./loop-state.ts";
import type { LoopStep } from "./loop-step.ts";
import { filesFoundText } from "./prompts.ts";
import { NO_REPETITION } from "./repetition.ts";
import { onReplied } from "./reply-taken.ts";
import { NEW_GAUGE } from "./token-gauge.ts";
import { EMPTY_WORLD, withFiles } from "./work-record.ts";

/** The state in which the first request is due, or in which there is no room for one. */
export function beginLoop(plan: LoopPlan): Transition {
  return prepareAsk(
    {
      phase: "asking",
      end: null,
      replies: 0,
      iteration: 0,
      corrections: [],
      mode: "native",
      modelIndex: 0,
      answeredIndex: 0,
      failures: 0,
      pauseMs: 0,
      isCool: false,
      isThoughtless: false,
      turns: [plainTurn("system", plan.systemPrompt), plainTurn("task", plan.taskPrompt)],
      gauge: NEW_GAUGE,
      modelContextTokens: null,
      repetition: NO_REPETITION,
      findings: [],
      notes: [],
      waiting: [],
      callsInReply: 0,
      withheld: {},
      record: { files: {}, world: EMPTY_WORLD, commands: [], commandCount: 0, callCount: 0 },
      callCounts: [],
      usage: { promptTokens: 0, completionTokens: 0, costMicrodollars: 0 },
      spentMs: 0,
      lastWords: "",
      toolMemory: null,
    },
    plan,
  );
}

/** Takes in what happened. */
export function step(state: LoopState, event: LoopEvent, plan: LoopPlan): Transition {
  switch (event.kind) {
    case "replied":
      assert(state.phase === "asking", "L4: a reply answers a request");
      return onReplied(state, event, plan);
    case "askFailed":
      assert(state.phase === "asking", "L4: a failure answers a request");
      return onAskFailed(state, event, plan);
    case "answered":
      assert(state.phase === "calling", "L4: an answer follows a call");
      return onAnswered(state, event, plan);
    case "filesFound":
      return onFilesFound(state, event);
    case "corrected": {
      assert(state.phase === "ended", "L8: only an ended loop is corrected");
      const turns = [...state.turns, plainTurn("correction", event.prompt)];
      const repetition = { ...state.repetition, strikes: 0, idleStrikes: 0 };
      const corrections = [...state.corrections, event.report];
      const fresh = { end: null, iteration: 0, withheld: {}, failures: 0, pauseMs: 0 };
      const next = prepareAsk({ ...state, ...fresh, phase: "asking", corrections, turns, repetition }, plan);
      const failedChecks = event.report.checks.filter(({ passed }) => !passed).length;
      const told: LoopStep = { kind: "correction", round: corrections.length, failedChecks };
      return { state: next.state, steps: [told, ...next.steps] };
    }
    case "outOfTime":
      return endLoop(spent(state, event.tookMs), { kind: "wallTime", limitMs: plan.limits.wallMs });
    case "stopRequested":
      return endLoop(spent(state, event.tookMs), { kind: "stopped", request: event.request });
  }
}

/** Ends the loop; calls that still wait are answered with a refusal, so that the conversation stays whole (L2). */
function endLoop(state: LoopState, end: LoopEnd): Transition {
  if (state.phase === "ended") return { state, steps: [] };
  return { state: { ...refuseWaiting(state), phase: "ended", end }, steps: [{ kind: "ended", end }] };
}

function spent(state: LoopState, tookMs: number): LoopState {
  return { ...state, spentMs: state.spentMs + tookMs };
}

function onFilesFound(state: LoopState, event: Extract<LoopEvent, { kind: "filesFound" }>): Transition {
  const note = filesFoundText(event.files.map(({ path }) => path));
  const record = withFiles(state.record, event.files);
  // Between a reply and its observations there is no room for a notice (L2).
  if (state.phase === "calling") return { state: { ...state, record, notes: [...state.notes, note] }, steps: [] };
  return { state: { ...state, record, turns: [...state.turns, plainTurn("notice", note)] }, steps: [] };
}
