/** What it means that no endpoint can take a request: whether asking again helps, and what a program is told. Pure. */
import { type EndpointState, type Model, modelOf } from "#hw";
import type { RouteDecision, RouteRequest } from "#scheduler";
import type { InferenceFailure } from "./chat.ts";
import { inferenceFailure } from "./failure.ts";

type Asked = Pick<RouteRequest, "models" | "kinds" | "needs" | "contextTokens" | "mayTruncate">;

/**
 * @returns `notFound` when every server was seen and none has the model, `notSupported` or `refused` when those that
 * have it can never serve this request, else `noRoute`: the same request may find its way later.
 */
export function noneChosen(
  request: Asked,
  states: readonly EndpointState[],
  decision: Pick<RouteDecision, "reason">,
): InferenceFailure {
  const { models, kinds, needs, contextTokens, mayTruncate } = request;
  const asked = states.filter(({ endpoint }) => kinds.includes(endpoint.kind));
  const holders = models.flatMap((name) => asked.flatMap((state) => modelOf(state, name) ?? []));
  const later = inferenceFailure("noRoute", decision.reason);
  if (holders.length === 0) {
    // What a server offers that was never reached, or no server at all: nobody can say that the model does not exist.
    const isKnown = models.length > 0 && asked.length > 0 && asked.every(offersAreKnown);
    const named = models.map((name) => `"${name}"`).join(", ");
    return isKnown ? inferenceFailure("notFound", `model ${named} not found: ${decision.reason}`) : later;
  }
  const lacking = needs.find((need) => holders.every((model) => lacks(model, need)));
  if (lacking !== undefined) {
    const named = [...new Set(holders.map(({ name }) => `"${name}"`))].join(", ");
    // The words of Ollama, by which its clients know what to leave out.
    return inferenceFailure("notSupported", `${named} does not support ${lacking}`, { capability: lacking });
  }
  const isTooLong =
    mayTruncate !== true &&
    holders.every(({ contextLength }) => contextLength !== null && contextLength < contextTokens);
  return isTooLong ? inferenceFailure("refused", decision.reason) : later;
}

function offersAreKnown({ health, models }: EndpointState): boolean {
  return health.kind === "healthy" || models.length > 0;
}

function lacks({ capabilities }: Model, need: string): boolean {
  return capabilities !== null && !capabilities.includes(need);
}
