import type { Result } from "#base";
import type { Alert, AlertState } from "./alert.ts";

export type AlertQuery = {
  /** Those with a lower number; the newest first. */
  readonly below?: number;
  readonly limit: number;
  readonly states?: readonly AlertState[];
};

/** What keeps alerts. Every call returns at once, and what it took is durable. */
export interface AlertStore {
  /** Those that are not resolved. */
  open(): Result<readonly Alert[]>;
  /** Number 0 is a new one and gets its own. Fails as `conflict` when another one of its key is open (AL1). */
  put(alert: Alert): Result<Alert>;
  find(id: number): Result<Alert | undefined>;
  list(query: AlertQuery): Result<readonly Alert[]>;
  /** Forgets resolved ones: those from before `beforeMs`, and those beyond the newest `keep`. @returns how many. */
  prune(beforeMs: number, keep: number): Result<number>;
}
