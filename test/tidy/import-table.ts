/** Which room may import which: the table of ARCHITECTURE.md, in the form that tests and the linter's check read. */

const pureRooms = [
  "base",
  "fsm",
  "queue",
  "hw",
  "bus",
  "telemetry",
  "watchdog",
  "goals",
  "scheduler",
  "hooks",
] as const;
const workingRooms = ["fleet", "inference", "execution", "repos", "agents", "activities"] as const;
const rooms: readonly string[] = [...pureRooms, ...workingRooms];

/** Room → rooms it may import. A room that is not listed here does not exist. */
export const importTable: Readonly<Record<string, readonly string[]>> = {
  base: [],
  fsm: ["base"],
  queue: ["base"],
  hooks: ["base"],
  hw: ["base"],
  bus: ["base"],
  telemetry: ["base"],
  watchdog: ["base"],
  goals: ["base", "queue"],
  scheduler: ["base", "queue", "hw"],
  fleet: ["base", "queue"],
  inference: ["base", "hw", "scheduler"],
  execution: ["base", "queue", "hw", "inference"],
  repos: ["base"],
  agents: ["base", "bus", "queue"],
  activities: ["base", "fsm", "queue", "goals", "hw", "execution", "repos", "telemetry"],
  // The types and ports of what it stores; which of them is a matter of review.
  store: rooms,
  api: rooms,
  dashboard: ["base", "api"],
  cli: ["base", "api"],
  // The composition root wires everything; only src/main.ts imports it.
  runtime: [...rooms, "store", "api", "dashboard", "cli"],
};

/** Rooms that may touch the outside world anywhere; the others only in a folder named io. */
export const edgeRooms: readonly string[] = ["store", "api", "cli", "runtime"];

/**
 * What src/main.ts may import. The version is a file of constants, so that `--version` loads no room; the launcher of the
 * sandbox starts before every command of a task.
 */
export const mainImports: readonly string[] = [
  "#runtime",
  "#cli",
  "./runtime/version.ts",
  "./execution/sandbox/io/launcher.ts",
];
