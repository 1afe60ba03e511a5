import type { InferenceFailure } from "#inference";
import { ended, prepareAsk } from "./before-ask.ts";
import { promptTokens } from "./due.ts";
import { after, constrain, onIdle, withAnswering, withNextModel } from "./idle-reply.ts";
import { FIRST_PAUSE_MS, MAX_PAUSE_MS } from "./loop-limits.ts";
import type { LoopPlan } from "./loop-plan.ts";
import type { LoopEvent, LoopState, Transition } from "./loop-state.ts";
import type { LoopStep } from "./loop-step.ts";
import { hintText } from "./prompts.ts";

type AskFailed = Extract<LoopEvent, { kind: "askFailed" }>;

/** A request without a (whole) reply. The conversation is as before (L6), so asking again is safe at any point of it. */
export function onAskFailed(before: LoopState, event: AskFailed, plan: LoopPlan): Transition {
  const { failure } = event;
  const state = charged(withAnswering(before, event.model, plan), event, plan);
  const failed = (next: "again" | "constrained" | "nextModel" | "end"): LoopStep => {
    return { kind: "askFailed", reason: failure.message, next };
  };
  switch (failure.kind) {
    case "badToolCall":
      // The server could not read what the model wrote: a reply was made, and led nowhere.
      return after(
        [failed(state.isCool ? "constrained" : "again")],
        onIdle(
          { ...state, iteration: state.iteration + 1, replies: state.replies + 1 },
          "unreadable",
          hintText("unreadable", undefined, 1),
          plan,
        ),
      );
    case "notSupported":
      return onNotSupported(state, failure, plan, failed);
    case "budget":
      return ended(state, { kind: "cost", limitMicrodollars: null, message: failure.message }, [failed("end")]);
    case "unreachable":
    case "overloaded":
    case "loadFailed":
    case "serverFault":
    case "denied":
    case "timedOut":
    case "cut":
    case "cancelled":
    case "internal":
    case "noRoute":
    case "notFound":
    case "refused":
      return onUnanswered(state, failure, plan, failed);
  }
}

/**
 * A server counts for nobody when it breaks off, but what it wrote was evaluated and written: the prompt by estimate, the
 * reply by its pieces. A model that always breaks off would cost nothing otherwise.
 */
function charged(state: LoopState, event: AskFailed, plan: LoopPlan): LoopState {
  const spent: LoopState = { ...state, spentMs: state.spentMs + event.tookMs };
  if (event.pieces === 0) return spent;
  const { usage } = state;
  const promptTokensOfAll = usage.promptTokens + promptTokens(state, plan);
  const completionTokens = usage.completionTokens + event.pieces;
  return { ...spent, usage: { ...usage, promptTokens: promptTokensOfAll, completionTokens } };
}

type Told = (next: "again" | "constrained" | "nextModel" | "end") => LoopStep;

function onNotSupported(state: LoopState, failure: InferenceFailure, plan: LoopPlan, failed: Told): Transition {
  if (failure.capability === "tools" && state.mode === "native") {
    return after([failed("constrained")], constrain(state, "unreadable", plan));
  }
  if (failure.capability === "thinking" && !state.isThoughtless) {
    return after([failed("again")], prepareAsk({ ...state, isThoughtless: true }, plan));
  }
  return giveUpModel(state, failure, plan, failed);
}

function onUnanswered(state: LoopState, failure: InferenceFailure, plan: LoopPlan, failed: Told): Transition {
  // After the first token only the caller may ask again, whatever the failure says of itself.
  const mayAgain = failure.isRetryable || failure.afterFirstToken;
  if (!mayAgain || state.failures >= plan.limits.retries) return giveUpModel(state, failure, plan, failed);
  const doubled = FIRST_PAUSE_MS * 2 ** state.failures;
  const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(doubled, failure.retryAfterMs ?? 0));
  return after([failed("again")], prepareAsk({ ...state, failures: state.failures + 1, pauseMs }, plan));
}

function giveUpModel(state: LoopState, failure: InferenceFailure, plan: LoopPlan, failed: Told): Transition {
  const next = withNextModel(state, plan);
  if (next === undefined) return ended(state, { kind: "modelFailed", failure }, [failed("end")]);
  const model = plan.models[next.modelIndex] ?? "";
  return after([failed("nextModel"), { kind: "nextModel", model, pattern: null }], prepareAsk(next, plan));
}
