import type { AttemptRef, AttemptResult } from "./attempt.ts";
import type { Progress } from "./progress-line.ts";
import type { WorkerPhase } from "./protocol.ts";

/**
 * What the node hears about its attempts. Calls about one attempt come in order; `finished` and `lost` exclude each
 * other, but either may come again after a crash of the node, so the receiver decides by the fence.
 */
export interface AttemptObserver {
  /** The worker lives; about once a second. The moment to renew the lease. */
  heartbeat(ref: AttemptRef, phase: WorkerPhase): void;
  progress(ref: AttemptRef, progress: Progress): void;
  /**
   * The attempt ended with a result. Resolves once the answer is durable: `accepted` when the result counts,
   * `refused` when its fence is stale; in both cases the attempt's folder goes. A rejection is tried again later.
   */
  finished(ref: AttemptRef, result: AttemptResult): Promise<"accepted" | "refused">;
  /** The worker died without a result, and nothing of it is left running. Resolves once that is durable. */
  lost(ref: AttemptRef, reason: string): Promise<void>;
}
