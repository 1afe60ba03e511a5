/** Nonces that were used, for as long as they could be used again; in bounded memory. */

/**
 * Nonces of one node that are remembered at once: with a window of a minute it may send some 270 requests a second for ever. One
 * entry is about 100 bytes.
 */
const MAX_NONCES = 16_384;

export type NonceVerdict = "fresh" | "replayed" | "full";

export class ReplayCache {
  readonly #nodes = new Map<string, Map<string, number>>();
  readonly #maxNonces: number;

  constructor(maxNonces: number = MAX_NONCES) {
    this.#maxNonces = maxNonces;
  }

  get size(): number {
    return [...this.#nodes.values()].reduce((sum, nonces) => sum + nonces.size, 0);
  }

  /**
   * Takes a nonce that came under a good signature, so that nobody but the nodes themselves fills the memory.
   * @param untilMs from then on the request would be refused for its age
   * @param nowMs never goes back; a full memory refuses, because forgetting early would let a request through twice
   */
  take(node: string, nonce: string, untilMs: number, nowMs: number): NonceVerdict {
    const nonces = this.#nodes.get(node) ?? new Map<string, number>();
    if (nonces.size === 0) this.#nodes.set(node, nonces);
    if (nonces.has(nonce)) return "replayed";
    forget(nonces, nowMs);
    if (nonces.size >= this.#maxNonces) return "full";
    nonces.set(nonce, untilMs);
    return "fresh";
  }

  /** The key of a node that is gone opens nothing any more, so nothing of it need be remembered. */
  drop(node: string): void {
    this.#nodes.delete(node);
  }
}

/** In the order of arrival, so one that is still needed may keep some behind it a little longer than they need be. */
function forget(nonces: Map<string, number>, nowMs: number): void {
  for (const [nonce, untilMs] of nonces) {
    if (untilMs >= nowMs) return;
    nonces.delete(nonce);
  }
}
