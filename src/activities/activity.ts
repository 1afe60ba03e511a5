import type { ActiveState } from "#fsm";

/**
 * What a node does in one state of its mind. `begin` again while it runs changes nothing. `end` stops deciding; attempts
 * that run go on. Both answer at once and never throw.
 */
export interface Activity {
  /** @param deadlineMs when the mind ends it, in the mind's own time */
  begin(deadlineMs: number): void;
  end(): void;
  /** Whether it has nothing left to do. */
  readonly isDone: boolean;
}

export type Activities = Readonly<Record<ActiveState, Activity>>;

/** Of a state for which this node has nothing to do: it is over as soon as it begins. */
export const NOTHING_TO_DO: Activity = { begin: () => undefined, end: () => undefined, isDone: true };
