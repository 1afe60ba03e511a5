/** Which models serve a tier, in which order, and which tier comes next when one fails. Pure. */
import { type EndpointState, type Model, TIERS, type Tier } from "#hw";
import { parameterBillions, sameModel, weightBytes } from "./model-facts.ts";

/** `tiers.{tier}.models` of the configuration; an empty list leaves the tier to be derived. */
export type ConfiguredTiers = Readonly<Record<Tier, readonly string[]>>;

/** Why a model is in the chain. */
export type ChainSource = "configured" | "derived" | "largerTier" | "smallerTier" | "claude";
export type ChainLink = { readonly model: string; readonly source: ChainSource; readonly tier: Tier };
export type TierChain = {
  readonly links: readonly ChainLink[];
  /** The names alone, as a route request takes them. */
  readonly models: readonly string[];
  /** One sentence for a person. */
  readonly reason: string;
};

export type ChainRequest = {
  readonly tier: Tier;
  readonly configured: ConfiguredTiers;
  readonly states: readonly EndpointState[];
  /** Capabilities the task needs; models that are known to lack one are not derived. */
  readonly needs: readonly string[];
  /** Claude's models, the most wanted first; empty when Claude is not allowed. */
  readonly claude: readonly string[];
};

/** Up to so many billion parameters a model counts for the tier; the complex one takes the rest. */
export const TIER_BILLIONS = { trivial: 4, standard: 16 } as const;
/** Bytes of weights taken for one parameter when no number is given: 4-bit quantisation with its scales. */
const BYTES_PER_PARAMETER = 0.6;
/** Models tried in order for one request. */
export const MAX_CHAIN = 8;
/** Claude's models tried after them: a vendor lists dozens, and what three of them cannot do the others cannot either. */
export const MAX_CLAUDE_TAIL = 4;

/**
 * The models for a tier in the order of fallback: those configured for it, or those derived from what endpoints have;
 * then the larger tiers', the nearest first; then, when there is nothing of that size, the smaller ones'; then Claude.
 * Derived are models by size: up to 4 billion parameters trivial, up to 16 standard, more complex; in a tier those
 * known to use tools first, then the larger.
 */
export function chainFor(request: ChainRequest): TierChain {
  const { tier, configured, claude } = request;
  const at = TIERS.indexOf(tier);
  const own = linksOf(tier, request, configured[tier].length > 0 ? "configured" : "derived");
  const larger = TIERS.slice(at + 1).flatMap((other) => linksOf(other, request, "largerTier"));
  const smaller = own.length + larger.length > 0 ? [] : smallerLinks(request, at);
  const last = claude.slice(0, MAX_CLAUDE_TAIL).map((model): ChainLink => ({ model, source: "claude", tier }));
  const links = unique([...own, ...larger, ...smaller]).slice(0, MAX_CHAIN);
  const all = unique([...links, ...last]);
  return { links: all, models: all.map(({ model }) => model), reason: reasonOf(request, own, larger, smaller) };
}

function smallerLinks(request: ChainRequest, at: number): readonly ChainLink[] {
  return TIERS.slice(0, at)
    .toReversed()
    .flatMap((other) => linksOf(other, request, "smallerTier"));
}

function linksOf(tier: Tier, request: ChainRequest, source: ChainSource): readonly ChainLink[] {
  const names = request.configured[tier].length > 0 ? request.configured[tier] : derivedModels(tier, request);
  return names.map((model) => ({ model, source, tier }));
}

/** Models that endpoints have, of the size of the tier. */
function derivedModels(tier: Tier, { states, needs }: ChainRequest): readonly string[] {
  const models = new Map<string, Model>();
  for (const state of states) {
    if (state.endpoint.kind === "anthropic") continue;
    for (const model of state.models) {
      if (!models.has(model.name) && !model.isRemote && tierOfModel(model) === tier && canServe(model, needs)) {
        models.set(model.name, model);
      }
    }
  }
  return [...models.values()]
    .toSorted((a, b) => toolsFirst(b) - toolsFirst(a) || billions(b) - billions(a) || (a.name < b.name ? -1 : 1))
    .map(({ name }) => name);
}

/** @returns the tier that a model's size puts it in. */
export function tierOfModel(model: Model): Tier {
  const size = billions(model);
  if (size <= TIER_BILLIONS.trivial) return "trivial";
  return size <= TIER_BILLIONS.standard ? "standard" : "complex";
}

function billions(model: Model): number {
  return parameterBillions(model) ?? weightBytes(model) / 1e9 / BYTES_PER_PARAMETER;
}

function toolsFirst(model: Model): number {
  return model.capabilities?.includes("tools") === true ? 1 : 0;
}

/** A model of which nothing is said may serve; one that only embeds may not. */
function canServe(model: Model, needs: readonly string[]): boolean {
  const { capabilities } = model;
  if (capabilities === null) return !/embed/i.test(model.name);
  if (needs.some((need) => !capabilities.includes(need))) return false;
  return needs.includes("embedding") || capabilities.length === 0 || capabilities.some((each) => each !== "embedding");
}

function unique(links: readonly ChainLink[]): readonly ChainLink[] {
  return links.filter((link, index) => links.findIndex((other) => sameModel(other.model, link.model)) === index);
}

function reasonOf(
  { tier, configured, claude }: ChainRequest,
  own: readonly ChainLink[],
  larger: readonly ChainLink[],
  smaller: readonly ChainLink[],
): string {
  const parts: string[] = [];
  if (configured[tier].length > 0) parts.push(`${tier} is configured as ${names(own)}`);
  else if (own.length > 0) parts.push(`nothing is configured for ${tier}; by their size ${names(own)} serve it`);
  else parts.push(`nothing is configured for ${tier}, and no endpoint has a model of its size`);
  if (larger.length > 0) parts.push(`then the larger ${names(larger)}`);
  if (smaller.length > 0) parts.push(`so the smaller ${names(smaller)} have to do`);
  if (claude.length > 0) parts.push(`finally ${claude.join(", ")}`);
  return parts.join("; ");
}

function names(links: readonly ChainLink[]): string {
  return links.map(({ model }) => model).join(", ");
}

/** One verified attempt at a task. */
export type TierOutcome = { readonly tier: Tier; readonly passed: boolean };

/**
 * Where the next attempt at a task goes. A tier whose attempt failed its verification is not tried again while a
 * larger one is left.
 * @returns the tier itself while it has not failed; null when the largest has failed too.
 */
export function nextTier(tier: Tier, history: readonly TierOutcome[]): Tier | null {
  const failed = new Set(history.filter(({ passed }) => !passed).map((outcome) => outcome.tier));
  return TIERS.slice(TIERS.indexOf(tier)).find((each) => !failed.has(each)) ?? null;
}
