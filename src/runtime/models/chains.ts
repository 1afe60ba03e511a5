import { type EndpointState, TIERS, type Tier } from "#hw";
import type { ModelChain, RequestContext } from "#inference";
import { type ConfiguredTiers, chainFor } from "#scheduler";
import type { Config } from "../config/settings.ts";
import type { Detours } from "./detours.ts";

/** By which models a request may be answered, best first. */
export class Chains {
  readonly #config: Config;
  readonly #states: () => readonly EndpointState[];
  readonly #detours: Pick<Detours, "isOpen"> | undefined;

  constructor(config: Config, states: () => readonly EndpointState[], detours?: Pick<Detours, "isOpen">) {
    this.#config = config;
    this.#states = states;
    this.#detours = detours;
  }

  /** Read anew for each request: settings of the fleet change while the node runs. */
  get #configured(): ConfiguredTiers {
    const config = this.#config;
    return {
      trivial: config["tiers.trivial.models"],
      standard: config["tiers.standard.models"],
      complex: config["tiers.complex.models"],
    };
  }

  /** With the ways that are open now at its end, unless somebody insists on certain models. */
  chain(context: RequestContext): ModelChain {
    const chain = this.#usual(context);
    const isInsisted = (context.namedModels ?? []).length > 0 || context.purpose === "gateway";
    const others = isInsisted ? [] : this.#past(chain);
    if (others.length === 0) return chain;
    const reason = `${chain.reason}; and what the mind opened while endpoints are down`;
    return { ...chain, models: [...chain.models, ...others], named: [...chain.named, ...others], reason };
  }

  #past({ models, kinds }: ModelChain): readonly string[] {
    const fallbacks = this.#detours?.isOpen("fallback") === true ? this.#config["fsm.fallback_models"] : [];
    const mayAskClaude =
      this.#config["executor.claude.fallback"] &&
      kinds.includes("anthropic") &&
      this.#detours?.isOpen("claude") === true;
    const claude = mayAskClaude ? this.#claudeModels(this.#states()) : [];
    return [...new Set([...fallbacks, ...claude])].filter((model) => !models.includes(model));
  }

  #usual(context: RequestContext): ModelChain {
    const kinds = context.kinds ?? ["ollama", "openai", "anthropic"];
    const tier = context.tier ?? null;
    const { models } = context;
    // The worker of a task always says its models, also those that only their size put into its chain.
    const asked = context.purpose === "gateway" ? models : context.namedModels;
    const named = [...(asked ?? []), ...Object.values(this.#configured).flat()];
    if (models !== undefined) return { models, tier, kinds, named, reason: "the models asked for" };
    const states = this.#states();
    // A request that only Claude may answer, and one that nobody configured a model for.
    const onlyClaude = kinds.every((kind) => kind === "anthropic");
    if (onlyClaude) return { models: this.#claudeModels(states), tier, kinds, named, reason: "Claude's models" };
    const claude =
      kinds.includes("anthropic") && this.#config["executor.claude.fallback"] ? this.#claudeModels(states) : [];
    const chain = chainFor({ tier: tier ?? "standard", configured: this.#configured, states, needs: [], claude });
    return { models: chain.models, tier: tier ?? "standard", kinds, named, reason: chain.reason };
  }

  /** @returns the first model of each tier that has one. */
  firstModels(states: readonly EndpointState[]): Readonly<Partial<Record<Tier, string>>> {
    const found: Partial<Record<Tier, string>> = {};
    for (const tier of TIERS) {
      const { links } = chainFor({ tier, configured: this.#configured, states, needs: ["tools"], claude: [] });
      const first = links.find(({ source }) => source === "configured" || source === "derived");
      if (first !== undefined) found[tier] = first.model;
    }
    return found;
  }

  #claudeModels(states: readonly EndpointState[]): readonly string[] {
    const claude = this.#config["executor.claude.models"];
    if (claude.length > 0) return claude;
    return states
      .filter(({ endpoint }) => endpoint.kind === "anthropic")
      .flatMap(({ models }) => models.map(({ name }) => name));
  }
}
