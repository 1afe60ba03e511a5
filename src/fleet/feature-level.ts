/**
 * Which releases can work together, and what they may say to each other. Pure.
 *
 * A release speaks a range of feature levels. The fleet works at one of them: the highest that every node in it speaks.
 *
 * - FL1: the level of a fleet never falls.
 * - FL2: it rises no further than the newest level of every node that was heard of within {@link AWAY_MS}.
 * - FL3: a node works in a fleet if the fleet's level lies in its range; otherwise it ends what it holds, and gets nothing.
 */
import { type Failure, type JsonObject, refused } from "#base";

/** What this build can do in a fleet; a number that only grows, by one with each release that adds to the wire. */
export const FEATURE_LEVEL = 2;
/** The oldest level of a fleet that this build works in: that of the release before. */
export const OLDEST_FEATURE_LEVEL = 1;

/** The level from which on each feature may be used: every node understands it then. */
const FEATURES = {
  /** One queue for all. */
  queue: 1,
  /** Settings that hold for all nodes. */
  settings: 2,
  /** A hub that has nodes take a release. */
  rollout: 2,
  /** Goals that are handed in on any node. */
  goals: 2,
  /** Alerts of members in the history of the fleet. */
  alerts: 2,
  /** What the minds of members do, in the history of the fleet. */
  mind: 2,
} as const;
export type Feature = keyof typeof FEATURES;

/** Of a fleet that was begun before levels were kept. */
export const FIRST_FEATURE_LEVEL = 1;

export type LevelRange = { readonly oldest: number; readonly newest: number };

export const OWN_LEVELS: LevelRange = { oldest: OLDEST_FEATURE_LEVEL, newest: FEATURE_LEVEL };

/** Nodes that were silent for longer do not hold the fleet back; what is away for two weeks is updated when it returns. */
export const AWAY_MS = 14 * 86_400_000;
/** Every node of a hub that starts is heard of within this time; until then none counts as away. */
export const SETTLED_MS = 10 * 60_000;

export function speaks(level: number, feature: Feature): boolean {
  return level >= FEATURES[feature];
}

/** What is told to whoever asks for something that not every node understands yet. */
export function notSpoken(level: number, feature: Feature, what: string): Failure {
  return refused(
    "unsupported",
    `${what} needs feature level ${FEATURES[feature]} on every node, and this fleet is at ${level}`,
    "See which nodes are older with: drover node list; then update them: drover update",
  );
}

export type LevelFacts = {
  /** What the fleet has reached. */
  readonly stored: number;
  /** Of the hub. */
  readonly own: LevelRange;
  /** Nodes beside the hub that were not removed. */
  readonly others: readonly { readonly newest: number; readonly silentMs: number }[];
  /** Whether the hub has run for long enough to have heard of every node that is there. */
  readonly isSettled: boolean;
};

/** @returns the level at which the fleet works from now on (FL1, FL2). */
export function fleetLevel({ stored, own, others, isSettled }: LevelFacts): number {
  const live = others.filter(({ silentMs }) => !isSettled || silentMs <= AWAY_MS);
  return Math.max(stored, own.oldest, Math.min(own.newest, ...live.map(({ newest }) => newest)));
}

/** A node and its release, as a message names them. */
export type Speaker = { readonly name: string; readonly version: string; readonly levels: LevelRange };

/** @returns why a node cannot work in a fleet (FL3), and what to do; undefined when it can. */
export function unfit(node: Speaker, fleet: { readonly level: number; readonly version: string }): Failure | undefined {
  const { name, version, levels } = node;
  const isOne = levels.oldest === levels.newest || levels.oldest === 0;
  const range = isOne ? `${levels.newest}` : `${levels.oldest} to ${levels.newest}`;
  const runs = `${name} runs drover ${version}, which speaks feature level ${range}`;
  if (levels.newest < fleet.level) {
    const message = `${runs}; this fleet is at ${fleet.level}, and its hub runs drover ${fleet.version}`;
    return refused("unsupported", message, `Update that node to drover ${fleet.version}: drover update`);
  }
  if (levels.oldest > fleet.level) {
    const message = `${runs}; this fleet is at ${fleet.level} only, and its hub runs drover ${fleet.version}`;
    const remedy = `Update the fleet first (drover update --fleet on the hub), or run drover ${fleet.version} on that node`;
    return refused("unsupported", message, remedy);
  }
  return undefined;
}

/** @returns why a node cannot be the hub of a fleet at this level, whether a person or an election would make it one. */
export function cannotLead({ oldest, newest }: LevelRange, level: number): Failure | undefined {
  if (newest < level) {
    const message = `this node's drover speaks feature level ${newest}, and the fleet works at ${level}: it could not write the fleet's database`;
    const remedy = `Update this node first (drover update), or promote one whose LEVEL is ${level} or more: drover node list`;
    return refused("unsupported", message, remedy);
  }
  if (oldest > level) {
    const message = `this node's drover leads no fleet below feature level ${oldest}, and this one works at ${level}: its other nodes would get no work`;
    return refused("unsupported", message, "Promote a node of the release that the others run: drover node list");
  }
  return undefined;
}

/** What a node says of its release with each heartbeat. */
export function announcedLevels({ oldest, newest }: LevelRange): JsonObject {
  return { levels: { oldest, newest } };
}

/**
 * @param known the newest level that it named when it joined, for a node that was not heard of since; its oldest one was
 * looked at then
 */
export function levelsSaid(announced: JsonObject, known: number): LevelRange {
  if (Object.keys(announced).length === 0) return { oldest: 0, newest: known };
  const { levels } = announced;
  // `as`: an object of JSON that is no array.
  const said = typeof levels === "object" && levels !== null && !Array.isArray(levels) ? (levels as JsonObject) : {};
  const { oldest, newest } = said;
  return isLevel(oldest) && isLevel(newest) && oldest <= newest ? { oldest, newest } : UNSAID;
}

/** Of releases that do not name their levels. */
const UNSAID: LevelRange = { oldest: 0, newest: FIRST_FEATURE_LEVEL };

function isLevel(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
