import { createIdFactory, SimulatedClock, seededRandom } from "#base";

/** Of every pool, unless a test says otherwise: each takes the place of the one before, also of another process. */
export const poolNodeId = createIdFactory(new SimulatedClock(), seededRandom(1)).node();
