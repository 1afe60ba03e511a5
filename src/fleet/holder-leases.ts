/**
 * What a node believes of the leases it holds from a hub on another machine.
 *
 * H1: a lease counts from the moment its request was sent, on this node's monotonic clock, never from its answer.
 * H2: it is used for SAFE_SHARE of its term; then the holder stops by itself, whatever it cannot hear.
 *     One that was held when this process came up is not used before the hub confirms it: nobody knows since when it counts.
 * H3: what the hub refused once is over, however late an answer about it comes.
 */
import type { TaskId } from "#base";
import { type Fence, sameFence } from "#queue";

/** The rest of the term is for clocks that run apart, and for the time that stopping takes. */
const SAFE_SHARE = 0.8;

type Held = { readonly taskId: TaskId; readonly fence: Fence; readonly untilMs: number };

export class HolderLeases {
  readonly #held = new Map<TaskId, Held>();

  get size(): number {
    return this.#held.size;
  }

  list(): readonly { readonly taskId: TaskId; readonly fence: Fence }[] {
    return [...this.#held.values()].map(({ taskId, fence }) => ({ taskId, fence }));
  }

  grant(taskId: TaskId, fence: Fence, sentAtMs: number, termMs: number): void {
    this.#held.set(taskId, { taskId, fence, untilMs: sentAtMs + termMs * SAFE_SHARE });
  }

  /** Held by the process before this one: named to the hub, and not used until that confirms it. */
  adopt(taskId: TaskId, fence: Fence): void {
    this.#held.set(taskId, { taskId, fence, untilMs: Number.NEGATIVE_INFINITY });
  }

  /** The hub confirmed it. */
  renewed(taskId: TaskId, fence: Fence, sentAtMs: number, termMs: number): void {
    const held = this.#held.get(taskId);
    if (held === undefined || !sameFence(held.fence, fence)) return;
    this.grant(taskId, fence, Math.max(sentAtMs, held.untilMs - termMs * SAFE_SHARE), termMs);
  }

  /** The hub does not know it any more, or the work is over. */
  end(taskId: TaskId, fence: Fence): void {
    const held = this.#held.get(taskId);
    if (held !== undefined && sameFence(held.fence, fence)) this.#held.delete(taskId);
  }

  /** @returns whether the holder may go on. */
  isLive(taskId: TaskId, fence: Fence, nowMs: number): boolean {
    const held = this.#held.get(taskId);
    return held !== undefined && sameFence(held.fence, fence) && nowMs < held.untilMs;
  }
}
