/**
 * One context length per endpoint and model. Ollama reloads a model whenever a request names another `num_ctx` than it
 * is loaded with; a fleet that lets every request name its own spends its time loading (an 89 GB model reloaded for
 * each of two callers hung a known router). Rules, cited by the tests:
 *
 * - P1: a loaded context that suffices is kept. A server that does not say it (older ones of Ollama) is taken to
 *   have what was pinned, and is sent it: with none named it would load its own default anew and cut longer prompts.
 * - P2: the context is the smallest bucket that holds the request and the pin, never more than the model was made for.
 * - P3: where that does not fit, smaller buckets that hold the request are tried, then the exact need rounded up to
 *   {@link STEP_TOKENS}, before refusing.
 * - P4: a model in use is not reloaded under its users: the reload waits for them.
 * - P5: without leave to spill, no context is chosen that spills; with it, none that spills where a smaller one fits.
 */
import type { FitPlan } from "./plan-fit.ts";

/** Contexts that models are loaded with. Doubling keeps reloads of a growing conversation few. */
export const CONTEXT_BUCKETS = [4_096, 8_192, 16_384, 32_768, 65_536, 131_072, 262_144, 524_288, 1_048_576] as const;
/** A first load takes this much when it fits: a task's later rounds would ask for it soon. */
export const FIRST_CONTEXT_TOKENS = 8_192;
/** Finest grain of a context that had to be squeezed in. */
const STEP_TOKENS = 1_024;

export type PinRequest = {
  /** What the request needs: prompt, reply and the rounds that follow. */
  readonly requestedTokens: number;
  /** What the model was made for; null when unknown. */
  readonly modelTokens: number | null;
  /** What was pinned for this endpoint and model. */
  readonly pinnedTokens: number | null;
  /** What it is loaded with now; null when it is not, or the server does not say. */
  readonly loadedTokens: number | null;
  readonly isLoaded: boolean;
  /** Requests under way with it, ours and others'. */
  readonly inUse: number;
  readonly allowSpill: boolean;
  /** How it would fit with this context, with the memory the loaded one gives back. */
  readonly fitAt: (contextTokens: number) => FitPlan;
};

/**
 * - `keep`: use it as it is loaded.
 * - `load`: it is not loaded. `reload`: it is, with too little; only when `afterUses` others have ended.
 * - `refused`: `reason` says why; `fit` how the smallest context that would do fits.
 */
export type PinDecision =
  | { readonly kind: "keep"; readonly contextTokens: number }
  | { readonly kind: "load"; readonly contextTokens: number; readonly fit: FitPlan }
  | { readonly kind: "reload"; readonly contextTokens: number; readonly fit: FitPlan; readonly afterUses: number }
  | { readonly kind: "refused"; readonly reason: string; readonly fit: FitPlan | null };

/** Chooses the context for one request on one endpoint. */
export function pinContext(request: PinRequest): PinDecision {
  const { requestedTokens, modelTokens, pinnedTokens, isLoaded } = request;
  const loadedTokens = request.loadedTokens ?? pinnedTokens;
  if (modelTokens !== null && requestedTokens > modelTokens) {
    const reason = `needs a context of ${requestedTokens} tokens; the model was made for ${modelTokens}`;
    return { kind: "refused", reason, fit: null };
  }
  if (isLoaded && loadedTokens !== null && loadedTokens >= requestedTokens) {
    return { kind: "keep", contextTokens: loadedTokens };
  }
  const plans = choices(request).map((contextTokens) => ({ contextTokens, fit: request.fitAt(contextTokens) }));
  const whole = plans.find(({ fit }) => isAdmitted(fit, false));
  const chosen = whole ?? plans.find(({ fit }) => isAdmitted(fit, request.allowSpill));
  if (chosen !== undefined) {
    return isLoaded ? { kind: "reload", ...chosen, afterUses: request.inUse } : { kind: "load", ...chosen };
  }
  const fit = plans.at(-1)?.fit ?? null;
  return { kind: "refused", reason: fit?.reason ?? "no context would do", fit };
}

/** Whether a plan may be carried out: never silently spilling, and not refused for what nobody can know. */
export function isAdmitted(fit: FitPlan, allowSpill: boolean): boolean {
  switch (fit.kind) {
    case "fits":
    case "cpuOnly":
    case "unknown":
      return true;
    case "spills":
      return allowSpill;
    case "tooLarge":
      return false;
  }
}

/** P2, P3: contexts to try, the most wanted first; each holds the request. */
function choices(request: PinRequest): readonly number[] {
  const { requestedTokens, modelTokens, loadedTokens, pinnedTokens, isLoaded } = request;
  const cap = modelTokens ?? Number.POSITIVE_INFINITY;
  const wanted = bucketFor(
    Math.max(requestedTokens, pinnedTokens ?? 0, isLoaded && loadedTokens !== null ? 0 : FIRST_CONTEXT_TOKENS),
  );
  const between = CONTEXT_BUCKETS.filter((bucket) => bucket >= requestedTokens && bucket < wanted);
  const exact = Math.ceil(requestedTokens / STEP_TOKENS) * STEP_TOKENS;
  const capped = [wanted, ...between, exact].map((tokens) => Math.min(cap, tokens));
  return [...new Set(capped)].toSorted((a, b) => b - a);
}

/** @returns the smallest bucket that holds so many tokens; beyond the last one the tokens themselves. */
export function bucketFor(tokens: number): number {
  return CONTEXT_BUCKETS.find((bucket) => bucket >= tokens) ?? Math.ceil(tokens / STEP_TOKENS) * STEP_TOKENS;
}
