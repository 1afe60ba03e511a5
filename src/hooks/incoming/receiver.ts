/** Takes webhooks: believes or refuses, keeps, and then does what follows (WH1, WH2 of delivery.ts). */
import {
  type Clock,
  describeFailure,
  err,
  type Failure,
  type Logger,
  ok,
  type Result,
  refused,
  type Timer,
} from "#base";
import { sha256 } from "../io/hmac.ts";
import { claimsOf, type ReadHeader, refusalOf } from "./credentials.ts";
import { decide } from "./decision.ts";
import type { Delivery, DeliveryEnd, DeliveryQuery, WebhookDeliveries } from "./delivery.ts";
import { type IncomingEvent, readEvent } from "./events.ts";
import { type GoalSubmissions, goalOf, type NameRepository } from "./goal.ts";
import type { WebhookSource } from "./source.ts";

export type ReceiverParts = {
  readonly sources: readonly WebhookSource[];
  /** Those that may sign for the source, read anew each time, so that one can be replaced without a restart. */
  readonly secretsOf: (source: string) => Result<readonly string[]>;
  readonly deliveries: WebhookDeliveries;
  readonly wake: (reason: string) => void;
  /** Undefined where this node takes no goals. */
  readonly goals: GoalSubmissions | undefined;
  readonly nameRepository: NameRepository;
  readonly toleranceMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
};

export type Received =
  | { readonly kind: "taken"; readonly delivery: Delivery; readonly isNew: boolean }
  /** Not believed. What exactly was wrong is for the operator, not for the sender. */
  | { readonly kind: "unauthorized" }
  | { readonly kind: "failed"; readonly failure: Failure };

/** Since this node started; who is not believed leaves no trace in the database. */
export type SourceStanding = WebhookSource & {
  readonly refusals: number;
  readonly lastRefusal: { readonly atMs: number; readonly reason: string } | null;
  /** Why nothing can be believed now. */
  readonly fault: string | null;
};

/** A goal that could not be handed over is tried again after this, and given up after so many tries. */
const LOOK_EVERY_MS = 30_000;
const MAX_TRIES = 20;
const MAX_DUE = 50;
/** Old deliveries are forgotten this often. */
const PRUNE_EVERY_MS = 3_600_000;

export class WebhookReceiver {
  readonly #parts: ReceiverParts;
  readonly #refusals = new Map<string, { count: number; atMs: number; reason: string }>();
  #timer: Timer | undefined;
  #prunedAtMs = -PRUNE_EVERY_MS;
  #isStopped = false;
  #working: Promise<void> = Promise.resolve();

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
  }

  /** Goes on with what a process before this one had begun. */
  start(): void {
    void this.#look();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#working;
  }

  async receive(name: string, header: ReadHeader, body: Uint8Array): Promise<Received> {
    const { clock, deliveries } = this.#parts;
    const source = this.#parts.sources.find((one) => one.name === name);
    if (source === undefined) return { kind: "unauthorized" };
    const secrets = this.#parts.secretsOf(name);
    if (!secrets.ok) return this.#refuse(source, describeFailure(secrets.error));
    const { toleranceMs } = this.#parts;
    const credentials = { kind: source.kind, header, body, secrets: secrets.value, nowMs: clock.nowMs(), toleranceMs };
    const refusal = refusalOf(credentials);
    if (refusal !== undefined) return this.#refuse(source, refusal);
    const text = decoded(body);
    const claims = claimsOf(source.kind, header);
    const event = text === undefined ? err(notText()) : readEvent(source.kind, claims.event, text);
    if (!event.ok) return { kind: "failed", failure: event.error };
    const digest = sha256(body);
    const taken = deliveries.take({
      source: name,
      deliveryId: claims.deliveryId ?? digest,
      digest,
      event: event.value.name,
      action: event.value.action,
      repository: event.value.repository,
      sender: event.value.sender,
      receivedAtMs: clock.nowMs(),
      bytes: body.byteLength,
      ...decide(source, event.value),
      body: text ?? "",
    });
    if (!taken.ok) return { kind: "failed", failure: taken.error };
    const { delivery, isNew } = taken.value;
    if (isNew) await this.#follow(delivery);
    const now = deliveries.find(delivery.n);
    return { kind: "taken", delivery: (now.ok ? now.value?.delivery : undefined) ?? delivery, isNew };
  }

  /** Decides anew, as the source is configured now, and lets it have its effects once more. */
  async redeliver(n: number): Promise<Result<Delivery>> {
    const kept = this.#kept(n);
    if (!kept.ok) return kept;
    const { delivery, source, event } = kept.value;
    const again = this.#parts.deliveries.again(n, decide(source, event));
    if (!again.ok) return again;
    await this.#follow({ ...delivery, ...decide(source, event), state: "due" });
    const now = this.#parts.deliveries.find(n);
    return now.ok ? ok(now.value?.delivery ?? delivery) : now;
  }

  standing(): readonly SourceStanding[] {
    return this.#parts.sources.map((source) => {
      const refusal = this.#refusals.get(source.name);
      const secrets = this.#parts.secretsOf(source.name);
      return {
        ...source,
        refusals: refusal?.count ?? 0,
        lastRefusal: refusal === undefined ? null : { atMs: refusal.atMs, reason: refusal.reason },
        fault: secrets.ok ? null : describeFailure(secrets.error),
      };
    });
  }

  list(query: DeliveryQuery): Result<readonly Delivery[]> {
    return this.#parts.deliveries.list(query);
  }

  find(n: number): ReturnType<WebhookDeliveries["find"]> {
    return this.#parts.deliveries.find(n);
  }

  /** For the mind: how much there is to look at. */
  unlooked(): number {
    const found = this.#parts.deliveries.unlooked();
    return found.ok ? found.value : 0;
  }

  /** The mind has looked. */
  looked(): void {
    const noted = this.#parts.deliveries.looked(this.#parts.clock.nowMs());
    if (!noted.ok) this.#parts.logger.warn("that webhooks were looked at was not noted", { why: noted.error.message });
  }

  #refuse(source: WebhookSource, reason: string): Received {
    const { clock, logger } = this.#parts;
    const count = (this.#refusals.get(source.name)?.count ?? 0) + 1;
    this.#refusals.set(source.name, { count, atMs: clock.nowMs(), reason });
    // The first, and then ever fewer: whoever floods the address is not to flood the log.
    if (Math.log2(count) % 1 === 0) logger.warn("a webhook was not believed", { source: source.name, reason, count });
    return { kind: "unauthorized" };
  }

  #kept(n: number): Result<{
    readonly delivery: Delivery;
    readonly source: WebhookSource;
    readonly event: IncomingEvent;
  }> {
    const found = this.#parts.deliveries.find(n);
    if (!found.ok) return found;
    const delivery = found.value?.delivery;
    const text = found.value?.body ?? null;
    if (delivery === undefined) {
      return err(refused("not_found", `there is no delivery ${n}`, "List them: drover webhook deliveries"));
    }
    const source = this.#parts.sources.find(({ name }) => name === delivery.source);
    if (source === undefined) {
      return err(refused("conflict", `source ${delivery.source} is not configured any more`, "Let the sender do it"));
    }
    if (text === null) {
      return err(refused("conflict", `the body of delivery ${n} is not kept any more`, "Let the sender do it"));
    }
    const event = readEvent(source.kind, delivery.event, text);
    return event.ok ? ok({ delivery, source, event: event.value }) : event;
  }

  /** What follows from a delivery that is kept; noted as done only afterwards, so a crash repeats it. */
  async #follow(delivery: Delivery): Promise<void> {
    const end = delivery.outcome === "goal" ? await this.#submit(delivery) : DONE;
    if (delivery.outcome !== "ignored") this.#parts.wake(`webhook: ${delivery.reason}`);
    const settled = this.#parts.deliveries.settle(delivery.n, end);
    if (!settled.ok) this.#parts.logger.warn("what came of a webhook was not noted", { why: settled.error.message });
    if (end.state === "due") this.#schedule();
  }

  async #submit(delivery: Delivery): Promise<DeliveryEnd> {
    const { goals } = this.#parts;
    const kept = this.#kept(delivery.n);
    if (!kept.ok) return failed(kept.error.message);
    const { source, event } = kept.value;
    const named = event.repository === null ? ok(null) : this.#parts.nameRepository(source.kind, event.repository);
    if (!named.ok) return this.#later(delivery, named.error);
    const goal = goalOf(source, event, sha256, named.value);
    if (goal === undefined || goals === undefined) return failed("this node takes no goals");
    const submitted = await goals.submit(goal);
    if (submitted.ok) return { ...DONE, goalId: submitted.value.id };
    // The issue is a goal already, by another text: it was edited since. What was begun goes on as it was.
    if (submitted.error.code === "conflict") return DONE;
    return this.#later(delivery, submitted.error);
  }

  #later(delivery: Delivery, error: Failure): DeliveryEnd {
    const isWorthAnotherTry = error.kind === "retryable" && delivery.tries + 1 < MAX_TRIES;
    return { ...failed(describeFailure(error)), state: isWorthAnotherTry ? "due" : "failed" };
  }

  #look(): Promise<void> {
    this.#working = this.#working.then(() => this.#lookOnce());
    return this.#working;
  }

  async #lookOnce(): Promise<void> {
    const { deliveries, clock, logger } = this.#parts;
    if (clock.monotonicMs() - this.#prunedAtMs >= PRUNE_EVERY_MS) {
      this.#prunedAtMs = clock.monotonicMs();
      const pruned = deliveries.prune(clock.nowMs());
      if (!pruned.ok) logger.warn("old webhooks were not forgotten", { why: pruned.error.message });
    }
    const due = deliveries.due(MAX_DUE);
    if (!due.ok) logger.warn("webhooks whose effects are due cannot be read", { why: due.error.message });
    for (const delivery of due.ok ? due.value : []) await this.#follow(delivery);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.after(LOOK_EVERY_MS, () => void this.#look());
  }
}

const DONE: DeliveryEnd = { state: "done", goalId: null, error: null };

function failed(error: string): DeliveryEnd {
  return { state: "failed", goalId: null, error };
}

function decoded(body: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    return undefined;
  }
}

function notText(): Failure {
  return refused("invalid", "the body is not UTF-8", "Let the sender use the content type application/json");
}
