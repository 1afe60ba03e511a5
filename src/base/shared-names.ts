/**
 * Names that several processes agree on. They stand here because the watchdog must know them without loading the rooms
 * they come from: databases, models and queue have no place in the process that survives their faults.
 */

/**
 * The name under which every process of an attempt carries its marker, so that descendants that left the process
 * group and the session are still found. The marker is no secret: the worker's own token never reaches a command.
 */
export const MARKER_NAME = "DROVER_ATTEMPT_TOKEN";

/** The databases of a state folder: tasks and what belongs to them, and what only this host knows. */
export const FLEET_FILE = "fleet.db";
export const NODE_FILE = "node.db";

/**
 * Names a task may not set: they would change how drover itself, or the launcher that starts the command, behaves.
 * Inside the command (`["env", "LD_…=…", …]`) everything may be set.
 */
const RESERVED_ENV = /^(DROVER_.*|BUN_.*|LD_.*|DYLD_.*|NODE_OPTIONS|BASH_ENV|ENV)$/;

/** @returns whether a command's environment may not be given this name. */
export function isReservedVariable(name: string): boolean {
  return RESERVED_ENV.test(name);
}
