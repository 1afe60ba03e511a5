/**
 * `bun run crash:goal-steps [patch|pullRequest|merge|mergeOnForge …]`: kills a node at each passage of each step of the
 * mind, of a goal, of its repository and of its delivery, starts it again, and looks at everything. Without a name it
 * does so for each way of delivering. Ends with 1 when something was lost, done twice or left, or a step was not passed.
 * Needs dist/drover.
 */
import { endOwnOnSignal } from "../end-on-signal.ts";
import { killAtEachStep, STEPS } from "./steps.ts";
import { DELIVERIES } from "./world.ts";

const asked = process.argv.slice(2);
const chosen = DELIVERIES.filter((delivery) => asked.length === 0 || asked.includes(delivery));
const remove = endOwnOnSignal();
try {
  for (const delivery of chosen) {
    const beganMs = performance.now();
    const { killed, missed, minds, faults } = await killAtEachStep(delivery, STEPS[delivery], console.log);
    const seconds = ((performance.now() - beganMs) / 1_000).toFixed(0);
    for (const step of missed) console.log(`NOT PASSED: ${step}`);
    console.log(
      `${delivery}: ${killed.length} kills at ${STEPS[delivery].length} steps, ${missed.length} not passed, ` +
        `${minds} minds compared with their journals, ${faults.length} faults; ${seconds} s`,
    );
    if (missed.length + faults.length > 0) process.exitCode = 1;
  }
} finally {
  remove();
}
