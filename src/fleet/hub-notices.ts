/** What the hub tells a node beside its leases: orders, and that the node's release does not fit the fleet's. */
import { type Failure, type Logger, refused } from "#base";
import { isOrder, type Order } from "./orders.ts";
import { type HeartbeatAnswer, MAX_HEARD } from "./wire.ts";

export type HubNoticesOptions = {
  readonly logger: Logger;
  readonly obey: (order: Order) => void;
};

export class HubNotices {
  readonly #options: HubNoticesOptions;
  #heard: readonly string[] = [];
  #unfit: Failure | undefined;

  constructor(options: HubNoticesOptions) {
    this.#options = options;
  }

  /** Orders that were heard of, to be told to the hub. */
  get heard(): readonly string[] {
    return this.#heard;
  }

  /** Why the hub gives this node nothing; undefined while it does. */
  get unfit(): Failure | undefined {
    return this.#unfit;
  }

  take({ orders, unfit }: Pick<HeartbeatAnswer, "orders" | "unfit">): void {
    for (const order of orders) this.#obey(order);
    const { logger } = this.#options;
    if (unfit === undefined) {
      if (this.#unfit !== undefined) logger.info("this node fits its fleet again");
      this.#unfit = undefined;
      return;
    }
    if (this.#unfit?.message !== unfit.message) {
      logger.error("the hub gives this node no work", { why: unfit.message, remedy: unfit.remedy });
    }
    this.#unfit = refused("unsupported", unfit.message, unfit.remedy);
  }

  /** Once, however often it is told; one of a newer hub that this version does not know is heard and passed over. */
  #obey(order: HeartbeatAnswer["orders"][number]): void {
    const { id, kind } = order;
    if (this.#heard.includes(id)) return;
    this.#heard = [...this.#heard, id].slice(-MAX_HEARD);
    if (isOrder(order)) this.#options.obey(order);
    else this.#options.logger.warn("the hub wants something that this version does not know", { order: kind });
  }
}
