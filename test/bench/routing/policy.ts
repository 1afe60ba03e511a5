/** What a policy sees and decides. */
import type { Clock } from "#base";
import type { EndpointDirectory } from "#hw";
import type { Lookahead } from "../../../src/scheduler/demand-book.ts";
import type { FitPlanner } from "../../../src/scheduler/fit-planner.ts";
import type { SimulatedHost } from "./simulated-host.ts";
import type { WorkloadRequest } from "./workload.ts";

/** What every policy may know: what polls and announcements tell, what was sent, what fits. No rates. */
export type Visible = {
  readonly clock: Clock;
  readonly directory: EndpointDirectory;
  readonly fit: FitPlanner;
  /** What waits in the queue for work that is under way: a workflow is submitted as a whole. */
  readonly lookahead: Lookahead;
  readonly seed: number;
};

/** The truth, for the clairvoyant policy alone. */
export type Truth = { readonly hosts: ReadonlyMap<string, SimulatedHost> };

export type Choice = {
  readonly endpoint: string;
  readonly predictedMs: number | null;
  /** `num_ctx` of the request; the model's usual one when it is left out. */
  readonly contextTokens?: number;
};

/** What a server says of one reply. */
export type ServerTimes = { readonly loadMs: number; readonly prefillMs: number; readonly decodeMs: number };

export interface Policy {
  /** @param excluded endpoints that failed for this request. @returns null when it has to wait. */
  choose(request: WorkloadRequest, excluded: readonly string[]): Choice | null;
  /** A reply ended well. @param totalMs from sending it to its last token. */
  ended?(request: WorkloadRequest, choice: Choice, ended: ServerTimes, totalMs: number): void;
}

export type PolicyMaker = {
  readonly name: string;
  readonly make: (visible: Visible, truth: Truth) => Policy;
};
