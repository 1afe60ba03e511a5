/**
 * Which nodes were heard of, and what they said. Kept in memory, because a heartbeat of each node every few seconds would
 * otherwise be a commit that every replica fetches; written seldom, for the nodes that read it.
 */
import type { Clock, JsonObject, NodeId } from "#base";

export type Sighting = { readonly atMs: number; readonly announced: JsonObject };

type Seen = Sighting & { readonly monotonicMs: number; isKept: boolean };

export class Presence {
  readonly #clock: Clock;
  readonly #seen = new Map<NodeId, Seen>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  heard(node: NodeId, announced: JsonObject): void {
    const monotonicMs = this.#clock.monotonicMs();
    this.#seen.set(node, { atMs: this.#clock.nowMs(), monotonicMs, announced, isKept: false });
  }

  of(node: NodeId): Sighting | undefined {
    return this.#seen.get(node);
  }

  /** How long a node was silent; infinite for one that this process never heard. */
  silentMs(node: NodeId): number {
    const seen = this.#seen.get(node);
    return seen === undefined ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() - seen.monotonicMs;
  }

  drop(node: NodeId): void {
    this.#seen.delete(node);
  }

  /** @returns what was heard since this was asked last. */
  takeNews(): readonly (Sighting & { readonly node: NodeId })[] {
    const news: (Sighting & { readonly node: NodeId })[] = [];
    for (const [node, seen] of this.#seen) {
      if (seen.isKept) continue;
      seen.isKept = true;
      news.push({ node, atMs: seen.atMs, announced: seen.announced });
    }
    return news;
  }
}
