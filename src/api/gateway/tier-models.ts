/** The names that stand for a tier, as models that a client can pick: a client shows only what a list has. Pure. */
import { type EndpointState, type Model, modelOf } from "#hw";
import type { RequestContext } from "#inference";
import type { RouteDecision } from "#scheduler";
import { TIER_NAMES, tierOfName } from "./request.ts";

/** A name for which a model can answer at the moment. */
export type TierModel = {
  readonly name: string;
  /** The one that would answer a short question now. */
  readonly first: Model;
  /** What any of the tier's models can do: a request that needs it goes to one that can. Null when none says. */
  readonly capabilities: readonly string[] | null;
  readonly seenAtMs: number | null;
};

/** `drover:auto` is decided by a prompt that is not there yet; it is shown as the tier that most prompts get. */
const TIER_SHOWN_FOR_AUTO = "standard";

/**
 * @param explain where a short question of this tier would go; nothing is remembered of it
 * @returns the names that a model can answer for at the moment, `drover:auto` first
 */
export function tierModels(
  states: readonly EndpointState[],
  explain: (context: RequestContext) => RouteDecision,
): readonly TierModel[] {
  return TIER_NAMES.flatMap((name) => {
    const tier = tierOfName(name) ?? TIER_SHOWN_FOR_AUTO;
    const { chosen, candidates } = explain({ purpose: "gateway", tier });
    const able = candidates.filter(({ refused }) => refused === null);
    const found = [...(chosen === null ? [] : [chosen]), ...able].flatMap(({ endpoint, model }) => {
      const state = states.find((each) => each.endpoint.id === endpoint);
      const known = state === undefined ? undefined : modelOf(state, model);
      return state === undefined || known === undefined ? [] : [{ model: known, polledAtMs: state.polledAtMs }];
    });
    const [first] = found;
    if (first === undefined) return [];
    const said = found.flatMap(({ model }) => (model.capabilities === null ? [] : [model.capabilities]));
    const capabilities = said.length === 0 ? null : [...new Set(said.flat())].sort();
    return [{ name, first: first.model, capabilities, seenAtMs: first.polledAtMs }];
  });
}
