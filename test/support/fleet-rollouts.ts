import type { RolloutPort } from "#api";
import { err, ok, refused } from "#base";

const none = async () => err(refused("conflict", "this node leads no fleet"));

/** Of a node that leads no fleet. */
export const noRollouts: RolloutPort = { current: async () => ok(undefined), begin: none, steer: none, read: none };
