import type { RouteRequest } from "#scheduler";
import type { ChatRequest, RequestContext } from "./chat.ts";
import type { EmbedRequest } from "./client.ts";
import { estimatePromptTokens, expectedReplyTokens, neededCapabilities, neededContextTokens } from "./estimate.ts";
import type { Admission, ModelChain } from "./ports.ts";
import type { Excluded } from "./tries.ts";

/** What a request asks of routing that stays as it is while it waits; the chain follows the endpoints there are. */
export type RouteNeed = Omit<
  RouteRequest,
  "excluded" | "excludedModels" | "remoteModels" | "models" | "tier" | "kinds"
>;

/** @returns what a request asks of routing, whatever there is. Pure. */
export function routeNeed(request: ChatRequest, context: RequestContext, allowSpill: boolean): RouteNeed {
  return {
    needs: neededCapabilities(request),
    promptTokens: estimatePromptTokens(request),
    outputTokens: expectedReplyTokens(request),
    contextTokens: neededContextTokens(request),
    session: context.session ?? null,
    allowSpill: context.allowSpill ?? allowSpill,
  };
}

/** @returns what texts to be made vectors ask of routing: each is read alone, so the longest needs the context. Pure. */
export function embedNeed(request: EmbedRequest, context: RequestContext, allowSpill: boolean): RouteNeed {
  const { texts, truncate, contextTokens } = request;
  const tokens = texts.map((content) => estimatePromptTokens({ messages: [{ role: "user", content }] }));
  return {
    ...routeNeed({ messages: [] }, context, allowSpill),
    needs: ["embedding"],
    promptTokens: tokens.reduce((sum, each) => sum + each, 0),
    outputTokens: 0,
    contextTokens: contextTokens ?? tokens.reduce((most, each) => Math.max(most, each), 0),
    mayTruncate: truncate ?? true,
  };
}

/** @returns the request as it is routed now, with the models and kinds of this moment. Pure. */
export function routeNow(
  need: RouteNeed,
  { models, tier, kinds, named }: ModelChain,
  admission: Admission,
  excluded: Excluded,
): RouteRequest {
  // What is paid for is left aside under a budget for local models only.
  const allowed = admission.kind === "localOnly" ? kinds.filter((kind) => kind !== "anthropic") : kinds;
  return {
    ...need,
    models,
    tier,
    kinds: allowed,
    // A model in a cloud only where somebody named it: what is asked leaves the house.
    remoteModels: named,
    excluded: excluded.endpoints,
    excludedModels: excluded.models,
  };
}
