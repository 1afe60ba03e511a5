import type { NodeId, TaskId } from "#base";
import { type Fence, isAfter, sameFence } from "./task.ts";

/**
 * How long a holder may be silent. Short enough that lost work is offered again within five seconds, long enough
 * for four missed heartbeats.
 */
export const LEASE_TERM_MS = 4_000;

export type Lease = {
  readonly taskId: TaskId;
  readonly fence: Fence;
  readonly holder: NodeId;
  readonly expiresAtMs: number;
  /** How long its holder may be silent. */
  readonly termMs: number;
};

/**
 * Who may still act, on the monotonic clock of this process. Leases are not stored: after a restart every running
 * task is given one full term in which its holder can report, and what reports too late meets another fence.
 */
export class LeaseTable {
  readonly #leases = new Map<TaskId, Lease>();
  #checkedAtMs: number | undefined;
  readonly #termMs: number;

  constructor(termMs = LEASE_TERM_MS) {
    this.#termMs = termMs;
  }

  get size(): number {
    return this.#leases.size;
  }

  /** A claim that is answered again, late, does not take the lease of whoever was given the task since. */
  grant(taskId: TaskId, fence: Fence, holder: NodeId, monotonicMs: number, termMs = this.#termMs): void {
    const current = this.#leases.get(taskId)?.fence;
    if (current !== undefined && isAfter(current, fence)) return;
    this.#leases.set(taskId, { taskId, fence, holder, expiresAtMs: monotonicMs + termMs, termMs });
  }

  /** @returns false when this fence holds no lease: stop the work, apply nothing. */
  renew(taskId: TaskId, fence: Fence, monotonicMs: number): boolean {
    const lease = this.#leases.get(taskId);
    if (lease === undefined || !sameFence(lease.fence, fence)) return false;
    this.#leases.set(taskId, { ...lease, expiresAtMs: monotonicMs + lease.termMs });
    return true;
  }

  /** @returns who holds the lease under this very fence. */
  holderOf(taskId: TaskId, fence: Fence): NodeId | undefined {
    const lease = this.#leases.get(taskId);
    return lease !== undefined && sameFence(lease.fence, fence) ? lease.holder : undefined;
  }

  heldBy(holder: NodeId): readonly Lease[] {
    return [...this.#leases.values()].filter((lease) => lease.holder === holder);
  }

  end(taskId: TaskId, fence: Fence): void {
    const lease = this.#leases.get(taskId);
    if (lease !== undefined && sameFence(lease.fence, fence)) this.#leases.delete(taskId);
  }

  /**
   * Leases that have run out. When this process itself stood still (suspended, stopped, starved) since the last
   * check, nobody could renew: each lease then gets that time back first, up to one full term from now.
   */
  expired(monotonicMs: number): readonly Lease[] {
    const silentMs = monotonicMs - (this.#checkedAtMs ?? monotonicMs);
    this.#checkedAtMs = monotonicMs;
    if (silentMs > this.#termMs / 2) {
      for (const lease of this.#leases.values()) {
        // One granted or renewed since then has lost nothing, so nothing passes a full term.
        const expiresAtMs = Math.min(lease.expiresAtMs + silentMs, monotonicMs + lease.termMs);
        this.#leases.set(lease.taskId, { ...lease, expiresAtMs });
      }
    }
    return [...this.#leases.values()].filter((lease) => lease.expiresAtMs <= monotonicMs);
  }
}
