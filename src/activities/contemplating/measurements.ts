/** What the queue and the fleet measured of themselves, as proposers read it. */

type LaneMeasure = {
  readonly lane: string;
  readonly ready: number;
  readonly waiting: number;
};

export type AttemptMeasure = {
  readonly node: string;
  readonly executor: string;
  readonly model: string | null;
  readonly outcome: string;
  readonly durationMs: number;
  readonly waitMs: number;
  readonly endedAtMs: number;
};

export type EndpointMeasure = {
  readonly id: string;
  readonly isHealthy: boolean;
  /** Of the time since this node knows it; null when nothing is known. */
  readonly unhealthyRatio: number | null;
  readonly models: readonly string[];
};

export type NodeMeasure = {
  readonly id: string;
  readonly name: string;
  /** Share of its places for attempts that were taken, over the window. */
  readonly busyRatio: number | null;
};

/** A model that is loaded, and of which a part runs on the processor. */
export type MisfitMeasure = {
  readonly model: string;
  readonly node: string;
  readonly needBytes: number;
  readonly haveBytes: number;
};

export type Measurements = {
  readonly windowMs: number;
  readonly attempts: readonly AttemptMeasure[];
  readonly lanes: readonly LaneMeasure[];
  readonly endpoints: readonly EndpointMeasure[];
  readonly nodes: readonly NodeMeasure[];
  readonly misfits: readonly MisfitMeasure[];
  /** Tiers that tasks asked for, with how many attempts they had and how many passed. */
  readonly tiers: readonly {
    readonly tier: string;
    readonly models: number;
    readonly attempts: number;
    /** Of these so many were verified, and so many passed. */
    readonly judged: number;
    readonly passed: number;
  }[];
  readonly deadLetters: readonly { readonly code: string; readonly text: string; readonly count: number }[];
  /** Size of the fleet's database now and at the beginning of the window; null when it was not measured then. */
  readonly database: { readonly bytes: number; readonly beforeBytes: number | null; readonly freeDiskBytes: number };
};
