/**
 * What the hub wants a node to do. A node is told with the answers it gets anyway, until it says that it has heard it or the
 * order is too old to be meant any more. Kept in memory: a hub that starts anew has forgotten what was not carried out.
 */
import type { NodeId } from "#base";

/** `restart`: be replaced by a new process, as `drover node restart` does on the spot. */
export type Order = { readonly id: string; readonly kind: "restart" };

/** @returns whether a node of this version knows what an order asks for. */
export function isOrder(said: { readonly id: string; readonly kind: string }): said is Order {
  return said.kind === "restart";
}

/** A node that comes back after this is not restarted for what a person wanted long ago. */
const ORDER_LIFE_MS = 600_000;

type Held = Order & { readonly untilMs: number };

/** One order for each node at most; given to known nodes only, so there are never more than nodes. */
export class FleetOrders {
  readonly #nodes = new Map<NodeId, Held>();
  readonly #prefix: string;
  #count = 0;

  /** @param prefix tells the orders of one process from those of the next; the session of its gate */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** @param nowMs monotonic; an order that still waits is the same wish, repeated */
  restart(node: NodeId, nowMs: number): Order {
    const held = this.#living(node, nowMs);
    if (held !== undefined) return { id: held.id, kind: held.kind };
    this.#count += 1;
    const order: Order = { id: `${this.#prefix}-${this.#count}`, kind: "restart" };
    this.#nodes.set(node, { ...order, untilMs: nowMs + ORDER_LIFE_MS });
    return order;
  }

  /**
   * What a node is to be told now.
   * @param heard ids that it says it has heard of; they are not told again
   */
  due(node: NodeId, heard: readonly string[], nowMs: number): readonly Order[] {
    const held = this.#living(node, nowMs);
    if (held !== undefined && !heard.includes(held.id)) return [{ id: held.id, kind: held.kind }];
    this.#nodes.delete(node);
    return [];
  }

  drop(node: NodeId): void {
    this.#nodes.delete(node);
  }

  #living(node: NodeId, nowMs: number): Held | undefined {
    const held = this.#nodes.get(node);
    return held !== undefined && held.untilMs > nowMs ? held : undefined;
  }
}
