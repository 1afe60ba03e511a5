import { canonicalModelName } from "#hw";
import { ended, prepareAsk } from "./before-ask.ts";
import type { LoopPlan } from "./loop-plan.ts";
import type { LoopState, Transition } from "./loop-state.ts";
import type { LoopStep } from "./loop-step.ts";
import { observeIdle, type Pattern } from "./repetition.ts";

/** After the change to a constrained reply the model has two chances before the next one is asked. */
const STRIKES_AFTER_CHANGE = 1;

/**
 * A reply that led nowhere. The answer is staged: words, then a constrained reply, then the next model, then the end.
 * @param words what the model is told.
 */
export function onIdle(
  state: LoopState,
  pattern: "narration" | "empty" | "unreadable",
  words: string,
  plan: LoopPlan,
): Transition {
  const observed = observeIdle(state.repetition, pattern);
  const told: LoopState = { ...state, repetition: observed.state, notes: [...state.notes, words], isCool: true };
  const { verdict } = observed;
  if (verdict.kind === "stop") return nextModel(told, pattern, plan);
  if (verdict.kind === "withhold" && state.mode === "native") return constrain(told, pattern, plan);
  const hint: LoopStep = { kind: "hint", pattern, tool: null, times: Math.floor(observed.state.strikes) };
  return after([hint], prepareAsk(told, plan));
}

/** From here on replies are forced into a form, which also models without tools can follow. */
export function constrain(state: LoopState, pattern: Pattern, plan: LoopPlan): Transition {
  const repetition = { ...state.repetition, strikes: Math.min(state.repetition.strikes, STRIKES_AFTER_CHANGE) };
  return after([{ kind: "constrained", pattern }], prepareAsk({ ...state, mode: "constrained", repetition }, plan));
}

function nextModel(state: LoopState, pattern: Pattern, plan: LoopPlan): Transition {
  const next = withNextModel(state, plan);
  if (next === undefined) {
    return state.record.callCount === 0
      ? ended(state, { kind: "noTools", pattern })
      : ended(state, { kind: "stuck", pattern, tool: null, times: Math.floor(state.repetition.strikes) });
  }
  const model = plan.models[next.modelIndex] ?? "";
  return after([{ kind: "nextModel", model, pattern }], prepareAsk(next, plan));
}

/**
 * @returns the state with the model after the one that was asked last, which starts with native tools again; undefined
 *   at the end of the chain. Models before it had their turn, or could take no request.
 */
export function withNextModel(state: LoopState, plan: LoopPlan): LoopState | undefined {
  const modelIndex = Math.max(state.modelIndex, state.answeredIndex) + 1;
  if (modelIndex >= plan.models.length) return undefined;
  return {
    ...state,
    modelIndex,
    answeredIndex: modelIndex,
    mode: "native",
    isCool: false,
    isThoughtless: false,
    failures: 0,
    pauseMs: 0,
    modelContextTokens: null,
    withheld: {},
    repetition: { ...state.repetition, strikes: 0, idleStrikes: 0 },
  };
}

/** @param model as whoever routed the request calls it; the chain may write `x` for `x:latest`. */
export function withAnswering(state: LoopState, model: string, plan: LoopPlan): LoopState {
  const index = plan.models.findIndex((name) => name === model || canonicalModelName(name) === model);
  return index < state.modelIndex ? state : { ...state, answeredIndex: index };
}

export function after(steps: readonly LoopStep[], transition: Transition): Transition {
  return { state: transition.state, steps: [...steps, ...transition.steps] };
}
