import { compact } from "./compaction.ts";
import { plainTurn, unitsOfTurns } from "./conversation.ts";
import { promptTokens, turnBudgetUnits, usableContextTokens, usedTokens } from "./due.ts";
import type { LoopEnd } from "./loop-end.ts";
import type { LoopPlan } from "./loop-plan.ts";
import type { LoopState, Transition } from "./loop-state.ts";
import type { LoopStep } from "./loop-step.ts";
import { fade } from "./repetition.ts";
import { tokensOf } from "./token-gauge.ts";

/** Makes a request due, with the conversation fitted into the context, or ends the loop at a limit (L3). */
export function prepareAsk(state: LoopState, plan: LoopPlan): Transition {
  const said = state.notes.map((note) => plainTurn("notice", note));
  const asking: LoopState = { ...state, phase: "asking", notes: [], turns: [...state.turns, ...said] };
  const spentUp = limitReached(asking, plan);
  if (spentUp !== undefined) return ended(asking, spentUp);
  const { turns, fits, fadedIds } = compact(asking.turns, turnBudgetUnits(asking, plan));
  const repetition = fade(asking.repetition, fadedIds);
  // A shortened conversation does not begin like the one that was reported last.
  const gauge = turns === asking.turns ? asking.gauge : { ...asking.gauge, seen: null };
  const fitted: LoopState = { ...asking, turns, repetition, gauge };
  const contextTokens = usableContextTokens(asking, plan);
  if (!fits) return ended(fitted, { kind: "context", contextTokens });
  const used = usedTokens(fitted) + promptTokens(fitted, plan);
  if (used >= plan.limits.tokens)
    return ended(fitted, { kind: "tokens", limit: plan.limits.tokens, used: usedTokens(fitted) });
  const steps: LoopStep[] = [];
  if (turns !== asking.turns) {
    const fromTokens = tokensOf(asking.gauge, unitsOfTurns(asking.turns));
    steps.push({ kind: "compacted", fromTokens, toTokens: tokensOf(fitted.gauge, unitsOfTurns(turns)), contextTokens });
  }
  return { state: fitted, steps };
}

function limitReached(state: LoopState, { limits }: LoopPlan): LoopEnd | undefined {
  const { usage, spentMs, iteration } = state;
  if (spentMs >= limits.wallMs) return { kind: "wallTime", limitMs: limits.wallMs };
  if (iteration >= limits.iterations) return { kind: "iterations", limit: limits.iterations };
  const limit = limits.costMicrodollars;
  if (limit !== null && usage.costMicrodollars >= limit) {
    const message = `the model cost ${usage.costMicrodollars} of ${limit} microdollars. Raise limits.<tier>.cost_microdollars, or use a local model`;
    return { kind: "cost", limitMicrodollars: limit, message };
  }
  return undefined;
}

export function ended(state: LoopState, end: LoopEnd, steps: readonly LoopStep[] = []): Transition {
  return { state: { ...state, phase: "ended", end }, steps: [...steps, { kind: "ended", end }] };
}
