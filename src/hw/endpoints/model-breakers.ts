/**
 * Whether a model of an endpoint is sent requests: one breaker for each model that failed while its server answered.
 * The rules are those of the endpoint's own breaker; a model without one is healthy.
 */
import { type Breaker, type BreakerFacts, healthOf, NEW_BREAKER, step, takesTrial } from "./breaker.ts";
import type { CallOutcome, Health } from "./endpoint.ts";

const HEALTHY: Breaker = { ...NEW_BREAKER, phase: { kind: "healthy" } };

/** Instants are monotonic milliseconds. At most as many entries as the endpoint lists models ({@link keepOnly}). */
export class ModelBreakers {
  readonly #breakers = new Map<string, Breaker>();

  /** A request is sent. @returns whether it is the one that tries whether the model works again. */
  began(model: string, facts: BreakerFacts): boolean {
    const breaker = this.#breakers.get(model);
    if (breaker === undefined) return false;
    const isTrial = takesTrial(breaker, facts.nowMs);
    this.#breakers.set(model, step(breaker, { kind: "began" }, facts));
    return isTrial;
  }

  /** @param trialAtMs when the request began, if it was the trial; null for every other */
  ended(model: string, outcome: CallOutcome, trialAtMs: number | null, facts: BreakerFacts): void {
    const known = this.#breakers.get(model);
    if (known === undefined && outcome.kind !== "modelFault") return;
    const next = step(known ?? HEALTHY, { kind: "ended", outcome: asOfModel(outcome), trialAtMs }, facts);
    const isForgotten = next.phase.kind === "healthy" && !next.outcomes.some(({ isFault }) => isFault);
    // A relapse is told by the openings before it, so what was open once is kept until the list of models changes.
    if (isForgotten && next.openings === 0) this.#breakers.delete(model);
    else this.#breakers.set(model, next);
  }

  /** Only models that take no requests, or one to see. */
  health(nowMs: number): ReadonlyMap<string, Health> {
    const found = new Map<string, Health>();
    for (const [model, breaker] of this.#breakers) {
      const health = healthOf(breaker, nowMs);
      if (health.kind === "open" || health.kind === "halfOpen") found.set(model, health);
    }
    return found;
  }

  keepOnly(models: ReadonlySet<string>): void {
    for (const name of this.#breakers.keys()) if (!models.has(name)) this.#breakers.delete(name);
  }
}

/** What counts against the endpoint says nothing of one of its models. */
function asOfModel(outcome: CallOutcome): CallOutcome {
  switch (outcome.kind) {
    case "ok":
      return outcome;
    case "modelFault":
      return { kind: "fault", reason: outcome.reason };
    case "fault":
    case "overloaded":
    case "neutral":
      return { kind: "neutral" };
  }
}
