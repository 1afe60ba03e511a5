/** The node's own judgement of memory, over what the simulated hosts announce and report. */
import type { HostCapacity } from "#hw";
import { HostFitPlanner } from "../../../src/runtime/models/fit-planner.ts";
import type { SimulatedDirectory } from "./simulated-directory.ts";

/** No simulated host is the node's own. */
export const NO_OWN_HOST = {
  current: (): HostCapacity => {
    throw new Error("no endpoint of the simulation runs on the node's host");
  },
};

export function nodeFitPlanner({ calibrations, residency }: SimulatedDirectory): HostFitPlanner {
  return new HostFitPlanner(NO_OWN_HOST, { calibrations }, residency);
}
