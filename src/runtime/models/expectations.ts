/** How long prompts would take on this node, for the hub of its fleet: by what its router knows of its servers now. */
import { parseRequirements } from "#api";
import type { ChatRequest, InferenceService } from "#inference";
import type { TaskPlans } from "./task-plans.ts";

/** Classes of prompts that are told of; each costs one decision of the router with every heartbeat. */
const MAX_CLASSES = 32;
/**
 * The same prompt on every node, because only differences count: some 400 tokens, as a short task has, so that what is
 * compared is mostly loading and waiting. How long a task really is, nobody knows before it ran.
 */
const USUAL_PROMPT: ChatRequest = {
  messages: [{ role: "user", content: "word ".repeat(400) }],
  options: { maxTokens: 200 },
};

export class Expectations {
  /** Those that this node accepted, the one that was asked for longest ago first. */
  readonly #classes = new Set<string>();
  readonly #plans: Pick<TaskPlans, "usualModels">;
  readonly #inference: Pick<InferenceService, "explain">;

  constructor(plans: Pick<TaskPlans, "usualModels">, inference: Pick<InferenceService, "explain">) {
    this.#plans = plans;
    this.#inference = inference;
  }

  /** The queue has work with these requirements, and this node can do it. */
  asked(requirements: string): void {
    if (this.#classes.delete(requirements) || parseRequirements(requirements)?.executor !== "shell") {
      this.#classes.add(requirements);
    }
    for (const oldest of this.#classes) {
      if (this.#classes.size <= MAX_CLASSES) break;
      this.#classes.delete(oldest);
    }
  }

  /** @returns seconds by requirements; those of which nothing is known are left out. */
  seconds(): Readonly<Record<string, number>> {
    const expected: Record<string, number> = {};
    for (const requirements of this.#classes) {
      const wanted = parseRequirements(requirements);
      if (wanted === undefined || (wanted.executor !== "ollama" && wanted.executor !== "claude")) continue;
      const context = { purpose: "task" as const, ...this.#plans.usualModels(wanted.executor, wanted.models) };
      const decision = this.#inference.explain(USUAL_PROMPT, context);
      const [best] = decision.candidates;
      if (decision.chosen === null || best?.terms === null || best?.terms === undefined) continue;
      const { waitMs, loadMs, prefillMs, decodeMs } = best.terms;
      expected[requirements] = Math.round((waitMs + loadMs + prefillMs + decodeMs) / 100) / 10;
    }
    return expected;
  }
}
