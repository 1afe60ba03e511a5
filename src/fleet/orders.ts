/**
 * What the hub wants a node to do. A node is told with the answers it gets anyway, until it says that it has heard it or the
 * order is too old to be meant any more. Kept in memory: a hub that starts anew has forgotten what was not carried out.
 */
import type { NodeId } from "#base";

/** A release that a node is to take: from its hub, or from the address of a manifest. */
export type ReleaseOrder = { readonly version: string; readonly from: string; readonly key: string };

/**
 * `restart`: be replaced by a new process, as `drover node restart` does on the spot. `take`: install a release, as
 * `drover update` does there.
 */
export type Order =
  | { readonly id: string; readonly kind: "restart" }
  | { readonly id: string; readonly kind: "take"; readonly release: ReleaseOrder };
type Wish = { readonly kind: "restart" } | { readonly kind: "take"; readonly release: ReleaseOrder };

/** @returns whether a node of this version knows what an order asks for. */
export function isOrder(said: {
  readonly id: string;
  readonly kind: string;
  readonly release?: ReleaseOrder | undefined;
}): said is Order {
  return said.kind === "restart" || (said.kind === "take" && said.release !== undefined);
}

/** A node that comes back after this is not restarted for what a person wanted long ago. */
const ORDER_LIFE_MS = 600_000;

type Held = { readonly order: Order; readonly untilMs: number };

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
    return this.#give(node, { kind: "restart" }, nowMs);
  }

  /** In the place of what the node has not heard of yet: the release brings a restart with it. */
  take(node: NodeId, release: ReleaseOrder, nowMs: number): Order {
    return this.#give(node, { kind: "take", release }, nowMs);
  }

  /** Takes a release back that the node has not heard of. */
  withdraw(node: NodeId): void {
    if (this.#nodes.get(node)?.order.kind === "take") this.#nodes.delete(node);
  }

  /**
   * What a node is to be told now.
   * @param heard ids that it says it has heard of; they are not told again
   */
  due(node: NodeId, heard: readonly string[], nowMs: number): readonly Order[] {
    const held = this.#living(node, nowMs);
    if (held !== undefined && !heard.includes(held.order.id)) return [held.order];
    this.#nodes.delete(node);
    return [];
  }

  drop(node: NodeId): void {
    this.#nodes.delete(node);
  }

  #give(node: NodeId, wish: Wish, nowMs: number): Order {
    const held = this.#living(node, nowMs);
    if (held !== undefined && keyOf(held.order) === keyOf(wish)) return held.order;
    this.#count += 1;
    const order: Order = { id: `${this.#prefix}-${this.#count}`, ...wish };
    this.#nodes.set(node, { order, untilMs: nowMs + ORDER_LIFE_MS });
    return order;
  }

  #living(node: NodeId, nowMs: number): Held | undefined {
    const held = this.#nodes.get(node);
    return held !== undefined && held.untilMs > nowMs ? held : undefined;
  }
}

function keyOf(wish: Wish): string {
  return wish.kind === "restart" ? wish.kind : wish.release.key;
}
