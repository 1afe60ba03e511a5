import { ok, type Result, type TaskId } from "#base";
import {
  checkpointPathOf,
  chooseSandbox,
  DEFAULT_SANDBOX_LIMITS,
  type ExecutorKind,
  type LoopLimits,
  MAX_REQUEST_MODELS,
  type ModelPlan,
  resolveUser,
  type SandboxPlan,
  type SandboxSupport,
  sandboxSupport,
  type TaskSpec,
  TIER_LIMITS,
} from "#execution";
import type { EndpointKind, EndpointState, Tier } from "#hw";
import type { AttemptRow, Lane } from "#queue";
import { type Complexity, classifyComplexity, nextTier, type PassLedger, type TierOutcome } from "#scheduler";
import type { Config } from "../config/settings.ts";
import type { Chains } from "./chains.ts";

/** @returns how the commands of every attempt of this node are confined, or why they cannot be. */
export function sandboxPlanOf(config: Config, support: SandboxSupport = sandboxSupport()): Result<SandboxPlan> {
  const choice = chooseSandbox(config["sandbox.mode"], support, config["sandbox.allow_unsandboxed"]);
  if (!choice.ok) return choice;
  if (support.uid === 0) {
    const user = resolveUser(config["sandbox.user"]);
    if (!user.ok) return user;
  }
  return ok({
    mode: choice.value.mode,
    commandsRefused: choice.value.commandsRefused,
    support,
    allowedHosts: config["sandbox.network"] === "allow" ? config["sandbox.allow_hosts"] : null,
    user: config["sandbox.user"],
    limits: DEFAULT_SANDBOX_LIMITS,
    passedVariables: config["executor.shell.env"],
  });
}

/** Decides about an attempt at a prompt: its tier, its models, its limits. */
export class TaskPlans {
  readonly #config: Config;
  readonly #stateDir: string;
  readonly #chains: Chains;
  readonly #passes: PassLedger;

  constructor(config: Config, stateDir: string, chains: Chains, passes: PassLedger) {
    this.#config = config;
    this.#stateDir = stateDir;
    this.#chains = chains;
    this.#passes = passes;
  }

  /** @param earlier attempts of the task that ended */
  modelPlan(
    spec: TaskSpec,
    executor: Exclude<ExecutorKind, "shell">,
    task: {
      readonly id: TaskId;
      readonly lane: Lane;
      readonly requiredModels: readonly string[];
      readonly goal: string | null;
      readonly labels: Readonly<Record<string, string>>;
      /** Whether another attempt is left should this one fail. */
      readonly mayTryAgain: boolean;
    },
    earlier: readonly AttemptRow[],
    states: readonly EndpointState[],
  ): ModelPlan {
    const classified = complexityOf(spec, task.labels);
    // What was measured is of the tiers' own models.
    const isChosenHere = executor === "ollama" && task.requiredModels.length === 0 && spec.tier === undefined;
    const mayMeasure = task.mayTryAgain && earlier.length === 0 && spec.verify.length > 0 && isMeasured(task.id);
    const begun = isChosenHere
      ? this.#passes.startTier(classified.tier, this.#chains.firstModels(states), { mayMeasure })
      : classified;
    const { tier, reason } = tierOf(classified, begun, earlier);
    const config = this.#config;
    const claudeCommand =
      executor === "claude" && config["executor.claude.command"] !== "" ? config["executor.claude.command"] : null;
    return {
      tier,
      classifiedTier: classified.tier,
      tierReason: reason,
      models: this.#models(executor, task.requiredModels, tier).slice(0, MAX_REQUEST_MODELS),
      namedModels: task.requiredModels.slice(0, MAX_REQUEST_MODELS),
      kinds: this.#kinds(executor),
      allowSpill: config["executor.ollama.allow_spill"],
      priority: task.lane,
      contextTokens: config["limits.context_tokens"],
      limits: this.#limits(tier),
      corrections: spec.selfCorrections ?? config["limits.self_corrections"],
      checkpointPath: checkpointPathOf(this.#stateDir, task.id),
      claudeCommand,
      goal: task.goal,
    };
  }

  /** What a prompt of usual difficulty with these requirements would be answered by. */
  usualModels(
    executor: Exclude<ExecutorKind, "shell">,
    required: readonly string[],
  ): Pick<ModelPlan, "tier" | "models" | "namedModels" | "kinds"> {
    const tier = "standard";
    const models = this.#models(executor, required, tier).slice(0, MAX_REQUEST_MODELS);
    return { tier, models, namedModels: required.slice(0, MAX_REQUEST_MODELS), kinds: this.#kinds(executor) };
  }

  /** The tier's, so that the loop can go on to the next one; an empty list leaves it to the moment of asking. */
  #models(executor: Exclude<ExecutorKind, "shell">, required: readonly string[], tier: Tier): readonly string[] {
    if (executor === "claude") return this.#config["executor.claude.models"];
    if (required.length > 0) return required;
    return this.#chains.chain({ purpose: "task", tier, kinds: this.#kinds(executor) }).models;
  }

  #kinds(executor: Exclude<ExecutorKind, "shell">): readonly EndpointKind[] {
    if (executor === "claude") return ["anthropic"];
    return this.#config["executor.claude.fallback"] ? ["ollama", "openai", "anthropic"] : ["ollama", "openai"];
  }

  #limits(tier: Tier): LoopLimits {
    const config = this.#config;
    const costMicrodollars = config[`limits.${tier}.cost_microdollars`];
    const wallMs = config[`limits.${tier}.wall_time_ms`];
    return {
      ...TIER_LIMITS[tier],
      iterations: config[`limits.${tier}.iterations`],
      tokens: config[`limits.${tier}.tokens`],
      costMicrodollars: costMicrodollars === 0 ? null : costMicrodollars,
      wallMs: wallMs === 0 ? config["limits.wall_time_ms"] : wallMs,
    };
  }
}

/** @returns where this attempt runs: where the task begins, or above what has failed since. */
function tierOf(
  classified: Complexity,
  begun: { readonly tier: Tier; readonly reason: string },
  earlier: readonly AttemptRow[],
): { readonly tier: Tier; readonly reason: string } {
  const start = begun.tier === classified.tier ? classified.reason : `${classified.reason}; ${begun.reason}`;
  const next = nextTier(begun.tier, earlier.flatMap(outcomeOf));
  if (next === null || next === begun.tier) return { tier: begun.tier, reason: start };
  return { tier: next, reason: `${start}; ${begun.tier} failed its verification before` };
}

/** One task in so many is begun at a smaller tier to measure it: seldom enough that a failed attempt hardly costs. */
const MEASURED_ONE_IN = 10;

/** By the task's id, so that looking twice at a task decides the same. Pure. */
function isMeasured(id: TaskId): boolean {
  let sum = 0;
  for (const char of id) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 1_000_003;
  return sum % MEASURED_ONE_IN === 0;
}

/** @returns how hard the task is, and why it is thought so. */
export function complexityOf(spec: TaskSpec, labels: Readonly<Record<string, string>>): Complexity {
  return classifyComplexity({
    prompt: spec.prompt ?? null,
    contextFiles: spec.context?.files ?? [],
    successCriteria: spec.successCriteria ?? [],
    checks: spec.verify.map(({ kind }) => kind),
    hasCommand: spec.command !== undefined,
    labels,
    tier: spec.tier ?? null,
  });
}

/** Only what verification judged says something of a tier; a lost worker or a dead endpoint does not. */
function outcomeOf(attempt: AttemptRow): readonly TierOutcome[] {
  const model = attempt.result?.["model"];
  if (typeof model !== "object" || model === null || !("tier" in model)) return [];
  const { tier } = model;
  if (tier !== "trivial" && tier !== "standard" && tier !== "complex") return [];
  const isJudged = "isJudged" in model && model["isJudged"] === true;
  return isJudged ? [{ tier, passed: attempt.outcome === "passed" }] : [];
}
