/**
 * What each server's models held at an instant. Graphics cards are sampled every ten seconds and servers every few: a
 * sample from before a load, taken together with what is loaded now, would count that memory twice.
 */
import type { EndpointState } from "../endpoints/endpoint.ts";
import { type HeldMemory, heldMemoryOf } from "./fit-memory.ts";

/** Changes kept of each server. A sample is some seconds old, and a server does not load more models than this meanwhile. */
const MAX_CHANGES = 32;
const NOTHING: HeldMemory = { vramBytes: 0, ramBytes: 0 };

type Change = { readonly atMs: number; readonly held: HeldMemory };

export class ResidencyHistory {
  readonly #changes = new Map<string, readonly Change[]>();

  /** @returns whether the server's models hold something else than before; what is seen first is no change. */
  note(state: EndpointState): boolean {
    const { endpoint, loaded, polledAtMs } = state;
    if (polledAtMs === null) return false;
    const held = heldMemoryOf(loaded);
    const known = this.#changes.get(endpoint.id) ?? [];
    const last = known.at(-1);
    if (last?.held.vramBytes === held.vramBytes && last.held.ramBytes === held.ramBytes) return false;
    this.#changes.set(endpoint.id, [...known, { atMs: polledAtMs, held }].slice(-MAX_CHANGES));
    return last !== undefined;
  }

  /** Forgets servers that are not among these. */
  keepOnly(endpointIds: ReadonlySet<string>): void {
    for (const id of this.#changes.keys()) if (!endpointIds.has(id)) this.#changes.delete(id);
  }

  /** @returns what its models held at an instant of the wall clock; before its first sight what it held then. */
  heldAt(endpointId: string, atMs: number): HeldMemory {
    const known = this.#changes.get(endpointId) ?? [];
    return (known.findLast((change) => change.atMs <= atMs) ?? known[0])?.held ?? NOTHING;
  }
}
