/**
 * Carries out the remediations that the mind decides on.
 *
 * HL1: one treatment is carried out once, however often it is told.
 * HL2: what may interrupt attempts is left undone when one is well on its target at that very moment (FSM7).
 * HL3: each one leaves one audit entry, whatever came of it; none is waited for longer than {@link REMEDY_LIMIT_MS}.
 */
import { type Clock, describeFailure, err, type Logger, ok, type Result, retryable } from "#base";
import type { Effect, FaultKind, RemediationName } from "#fsm";
import type { Audit } from "#telemetry";
import type { Activity } from "../activity.ts";

export type Treatment = Extract<Effect, { readonly kind: "treat" }>;

/** @returns what was done, in a sentence; a failure says why nothing was. Whether it helped is seen by the facts. */
export type Remedy = (treatment: Treatment) => Promise<Result<string>>;
export type Remedies = Readonly<Record<RemediationName, Remedy>>;

/** Attempts that run on a target and are well, now. */
export type CountHealthy = (fault: FaultKind, target: string) => Promise<number>;

/** Below the deadline of an episode. The longest one loads a model, which the mind gives two minutes. */
export const REMEDY_LIMIT_MS = 180_000;
/** Treatments whose numbers are remembered; an episode has some fifty. */
const MAX_REMEMBERED = 1_000;
/** How long a stop waits for those under way. */
const STOP_LIMIT_MS = 2_000;

/** `what` was done, or why it was not. */
export type CarriedOut = {
  readonly treatment: number;
  readonly remediation: RemediationName;
  readonly fault: FaultKind;
  readonly target: string;
  readonly isDone: boolean;
  readonly what: string;
};

export type HealingParts = {
  readonly remedies: Remedies;
  readonly healthyAttempts: CountHealthy;
  readonly audit: Audit;
  /** Told of what came of each, too. */
  readonly told: (outcome: CarriedOut) => void;
  readonly clock: Clock;
  readonly logger: Logger;
};

export class Healing implements Activity {
  readonly #parts: HealingParts;
  readonly #known = new Set<number>();
  readonly #underWay = new Set<Promise<void>>();

  constructor(parts: HealingParts) {
    this.#parts = parts;
  }

  begin(): void {
    // Nothing: the mind itself says which treatment is next.
  }

  end(): void {
    // Nothing: a treatment under way comes to its end.
  }

  get isDone(): boolean {
    return this.#underWay.size === 0;
  }

  treat(treatment: Treatment): void {
    if (this.#known.has(treatment.treatment)) return;
    this.#known.add(treatment.treatment);
    for (const oldest of this.#known) {
      if (this.#known.size <= MAX_REMEMBERED) break;
      this.#known.delete(oldest);
    }
    const done = this.#carryOut(treatment).finally(() => this.#underWay.delete(done));
    this.#underWay.add(done);
  }

  /** Waits, for a short time, until nothing is under way. */
  async settled(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = this.#parts.clock.after(STOP_LIMIT_MS, () => late.resolve());
    await Promise.race([Promise.all(this.#underWay), late.promise]);
    timer.cancel();
  }

  async #carryOut(treatment: Treatment): Promise<void> {
    const { remediation, fault, target } = treatment;
    const outcome = await this.#outcome(treatment);
    const { audit, logger, told } = this.#parts;
    const fields = { treatment: treatment.treatment, remediation, fault, target };
    if (outcome.ok) logger.info("a remediation was carried out", { ...fields, what: outcome.value });
    else logger.warn("a remediation was not carried out", { ...fields, failure: describeFailure(outcome.error) });
    const carriedOut = { ...fields, isDone: outcome.ok, what: outcome.ok ? outcome.value : outcome.error.message };
    const reason = `${fault} of ${target}`;
    audit.append({ actor: "mind", action: `heal.${remediation}`, subject: target, reason, detail: carriedOut });
    told(carriedOut);
  }

  async #outcome(treatment: Treatment): Promise<Result<string>> {
    const { remedies, healthyAttempts, logger, clock } = this.#parts;
    try {
      if (treatment.onlyIfIdle) {
        const running = await healthyAttempts(treatment.fault, treatment.target);
        if (running > 0)
          return err(retryable("conflict", `left undone: ${running} attempts are well on ${treatment.target}`));
      }
      const late = Promise.withResolvers<Result<string>>();
      const timer = clock.after(REMEDY_LIMIT_MS, () => {
        late.resolve(err(retryable("timed_out", `it took longer than ${REMEDY_LIMIT_MS / 1_000} s`)));
      });
      const result = await Promise.race([remedies[treatment.remediation](treatment), late.promise]);
      timer.cancel();
      return result;
    } catch (cause) {
      logger.error("a remediation failed by a bug", { remediation: treatment.remediation, cause: String(cause) });
      return err(retryable("internal", `it failed by a bug: ${String(cause)}`));
    }
  }
}

/** @returns the sentence as a success. */
export function did(what: string): Result<string> {
  return ok(what);
}
