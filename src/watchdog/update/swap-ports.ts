import type { Result } from "#base";
import type { ReleaseCheck } from "./history.ts";
import type { Health } from "./probation.ts";
import type { Version } from "./version.ts";

/** What a release said of itself before anything was changed for it. */
export type SelftestReport = {
  readonly checks: readonly ReleaseCheck[];
  /** Whether it would bring the databases into a form that the release before cannot open. */
  readonly changesState: boolean;
};

/** What a swap asks of those who run the node. Each call ends within a limit of its own. */
export interface SwapPorts {
  /** Runs `BINARY selftest --state-copy DIR` beside the running node. A failure is the reason why it is not taken. */
  selftest(binary: string): Promise<Result<SelftestReport>>;
  /** Tells clients that a swap to `version` begins, or that it is over. */
  announce(on: boolean, version: Version): void;
  /**
   * The running release takes no new work, finishes its requests and ends; what does not end in time is ended by
   * force. Afterwards no release runs, also when this fails. Attempts go on in their workers.
   */
  drain(): Promise<Result<void>>;
  /** Copies the databases while no release runs. @returns the name under which the copy is found again. */
  copyState(): Promise<Result<string>>;
  /**
   * Puts a copy back while no release runs, only if nothing was written since that would be lost.
   * @returns whether it was put back, and a sentence for the history.
   */
  restoreState(copy: string): Promise<Result<{ readonly restored: boolean; readonly remark: string }>>;
  /** The copy is not needed any more; one that is gone already is no fault. */
  dropState(copy: string): void;
  /** Starts a release on the node's socket. Resolves when it is ready, or with the reason why it will not be. */
  start(binary: string): Promise<Result<void>>;
  /** Of the release that was started last. */
  health(): Health;
}
