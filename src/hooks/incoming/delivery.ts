/**
 * One webhook that was believed, and what came of it.
 *
 * WH1: a delivery has effects once, however often it arrives: it is known by the sender's id and by the digest of its
 *     body, because the id stands outside of what is signed.
 * WH2: it is durable before its sender is answered, and its effects follow also after a crash in between.
 */
import type { Result } from "#base";

/** - `wake`: the mind is to look. - `goal`: it becomes a goal. - `ignored`: it is kept as history alone. */
export type DeliveryOutcome = "wake" | "goal" | "ignored";

export type NewDelivery = {
  readonly source: string;
  /** As the sender calls it; the digest where it says nothing. */
  readonly deliveryId: string;
  /** SHA-256 of the body. */
  readonly digest: string;
  /** In the words of GitHub, such as `pull_request`. */
  readonly event: string;
  readonly action: string | null;
  readonly repository: string | null;
  readonly sender: string | null;
  readonly receivedAtMs: number;
  readonly bytes: number;
  readonly outcome: DeliveryOutcome;
  readonly reason: string;
  readonly body: string;
};

export type Delivery = Omit<NewDelivery, "body"> & {
  readonly n: number;
  /** `due`: its effects are still to come. */
  readonly state: "due" | "done" | "failed";
  /** Times that its effects were tried. */
  readonly tries: number;
  readonly error: string | null;
  readonly goalId: string | null;
  /** Times that it arrived again. */
  readonly repeats: number;
  /** When the mind has looked at it; null until then. */
  readonly lookedAtMs: number | null;
  /** Whether its body is still kept. */
  readonly hasBody: boolean;
};

export type DeliveryQuery = {
  readonly source: string | undefined;
  /** Older than this one. */
  readonly before: number | undefined;
  readonly limit: number;
};

/** Deliveries kept to be recognised, and for how long. A delivery has some 400 bytes, so 40 MB at most. */
export const MAX_DELIVERIES = 100_000;
export const KEEP_DELIVERIES_MS = 30 * 86_400_000;
/** Bodies kept to be shown and delivered again. */
export const MAX_BODIES = 256;

/** In node.db; each call is one transaction. */
export interface WebhookDeliveries {
  /** Keeps it, or counts that it was there before. @returns the one that is kept. */
  take(delivery: NewDelivery): Result<{ readonly delivery: Delivery; readonly isNew: boolean }>;
  /** @returns undefined when it is not kept (any more). */
  find(n: number): Result<{ readonly delivery: Delivery; readonly body: string | null } | undefined>;
  /** The newest first. */
  list(query: DeliveryQuery): Result<readonly Delivery[]>;
  /** Those whose effects are to come, the oldest first. */
  due(limit: number): Result<readonly Delivery[]>;
  /** Its effects are to come again, by what is decided now. */
  again(n: number, decision: { readonly outcome: DeliveryOutcome; readonly reason: string }): Result<void>;
  settle(n: number, end: DeliveryEnd): Result<void>;
  /** Deliveries that are to wake the mind and at which it has not looked. */
  unlooked(): Result<number>;
  looked(nowMs: number): Result<void>;
  /** Forgets what is older than {@link KEEP_DELIVERIES_MS}, and the oldest beyond the limits. */
  prune(nowMs: number): Result<void>;
}

export type DeliveryEnd = {
  readonly state: Delivery["state"];
  readonly goalId: string | null;
  readonly error: string | null;
};
