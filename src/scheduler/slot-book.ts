/** How many requests a model answers at once on an endpoint. Ollama's API does not tell, so it is learned. */
import type { EndpointKind, EndpointState } from "#hw";

/** Ollama's default is 1 (OLLAMA_NUM_PARALLEL); servers of the other kinds batch what comes. */
const FIRST_SLOTS: Readonly<Record<EndpointKind, number>> = { ollama: 1, openai: 8, anthropic: 16 };
/** More than any server of one machine is set to. */
const MAX_SLOTS = 64;
/** Observations that must agree before the figure moves: one may be chance. */
const VOTES_TO_MOVE = 2;
/** A request that waited less than this share of the time it stood behind others did not wait for them. */
const DID_NOT_WAIT_RATIO = 0.25;
const DID_WAIT_RATIO = 0.6;
/** Shorter overlaps than this drown in the cost of the call itself. */
const LEAST_OVERLAP_MS = 100;
/** Endpoints times models that are remembered. */
const MAX_ENTRIES = 5_000;

/** Stands for every model of an endpoint: the setting is the server's, and few models differ from it. */
const ANY_MODEL = "*";

type Entry = { slots: number; moreVotes: number; fewerVotes: number };

export type SlotRow = { readonly endpoint: string; readonly model: string; readonly slots: number };

/** Slots by endpoint and model. A request that was answered although all slots were taken shows that there are more. */
export class SlotBook {
  readonly #entries = new Map<string, Entry & { readonly endpoint: string; readonly model: string }>();

  /** Slots of a model where it is: as a person says, else as the server does, else as learned. */
  of({ endpoint, parallel }: Pick<EndpointState, "endpoint" | "parallel">, model: string): number {
    return this.slots(endpoint.id, model, endpoint.kind, endpoint.parallel ?? parallel ?? null);
  }

  slots(endpoint: string, model: string, kind: EndpointKind, configured: number | null): number {
    if (configured !== null && configured > 0) return configured;
    const entry = this.#entries.get(keyOf(endpoint, model)) ?? this.#entries.get(keyOf(endpoint, ANY_MODEL));
    return entry?.slots ?? FIRST_SLOTS[kind];
  }

  /**
   * @param ahead requests of the model that were there when this one came, all of them at work.
   * @param overlapMs how long that lasted.
   * @param waitedMs how long the server kept this one waiting: its whole time without load, prefill and decode.
   */
  observe(
    where: { readonly endpoint: string; readonly model: string; readonly kind: EndpointKind },
    ahead: number,
    overlapMs: number,
    waitedMs: number,
  ): void {
    if (ahead < 1 || overlapMs < LEAST_OVERLAP_MS) return;
    this.#vote(where, where.model, ahead, overlapMs, waitedMs);
    this.#vote(where, ANY_MODEL, ahead, overlapMs, waitedMs);
  }

  #vote(
    where: { readonly endpoint: string; readonly kind: EndpointKind },
    model: string,
    ahead: number,
    overlapMs: number,
    waitedMs: number,
  ): void {
    const { endpoint } = where;
    const key = keyOf(endpoint, model);
    const slots = this.slots(endpoint, model, where.kind, null);
    const entry = this.#entries.get(key) ?? { endpoint, model, slots, moreVotes: 0, fewerVotes: 0 };
    if (waitedMs < DID_NOT_WAIT_RATIO * overlapMs && ahead >= entry.slots) {
      entry.moreVotes += 1;
      entry.fewerVotes = 0;
      if (entry.moreVotes >= VOTES_TO_MOVE)
        Object.assign(entry, { slots: Math.min(MAX_SLOTS, ahead + 1), moreVotes: 0 });
    } else if (waitedMs > DID_WAIT_RATIO * overlapMs && ahead < entry.slots) {
      entry.fewerVotes += 1;
      entry.moreVotes = 0;
      if (entry.fewerVotes >= VOTES_TO_MOVE) Object.assign(entry, { slots: Math.max(1, ahead), fewerVotes: 0 });
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size <= MAX_ENTRIES) return;
    const oldest = this.#entries.keys().next();
    if (oldest.done !== true) this.#entries.delete(oldest.value);
  }

  toRows(): readonly SlotRow[] {
    return [...this.#entries.values()].map(({ endpoint, model, slots }) => ({ endpoint, model, slots }));
  }

  fromRows(rows: readonly SlotRow[]): void {
    for (const { endpoint, model, slots } of rows) {
      const key = keyOf(endpoint, model);
      if (this.#entries.has(key) || !(slots >= 1 && slots <= MAX_SLOTS)) continue;
      this.#entries.set(key, { endpoint, model, slots: Math.floor(slots), moreVotes: 0, fewerVotes: 0 });
    }
  }
}

function keyOf(endpoint: string, model: string): string {
  return `${endpoint}\n${model}`;
}
