/** Every number that a person may change, with its unit, default and bounds. */
import { err, type FieldFault, ok, type Result, refused } from "#base";
import { FAULT_KINDS, type FaultKind } from "./facts.ts";
import { ACTIVE_STATES } from "./mind.ts";
import { REMEDIATIONS, type Remediation } from "./remediations.ts";

export type SettingBounds = { readonly default: number; readonly min: number; readonly max: number };

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const whole = (value: number, min: number, max: number): SettingBounds => ({ default: value, min, max });
/** Levels have no natural end; this is past every number that a fact can have and still a safe integer. */
const ANY = 1_000_000_000;
const level = (value: number): SettingBounds => whole(value, 0, ANY);
const percent = (value: number): SettingBounds => whole(value, 0, 100);

/** Healing may begin so often in a window at most; the mind remembers this many episodes. */
export const MAX_EPISODES = 16;

export const SETTING_BOUNDS = {
  /** The least time in a state, unless a person moves it. Two looks at anything are then never in the same state by chance. */
  dwellMs: {
    resting: whole(10 * SECOND, SECOND, HOUR),
    executing: whole(30 * SECOND, SECOND, HOUR),
    improving: whole(MINUTE, SECOND, HOUR),
    contemplating: whole(MINUTE, SECOND, HOUR),
    healing: whole(15 * SECOND, SECOND, 5 * MINUTE),
  },
  /** The longest time in a state; it rests then, and looks anew. */
  deadlineMs: {
    executing: whole(4 * HOUR, MINUTE, DAY),
    improving: whole(30 * MINUTE, MINUTE, DAY),
    contemplating: whole(15 * MINUTE, MINUTE, DAY),
    healing: whole(5 * MINUTE, 30 * SECOND, HOUR),
  },
  /**
   * How often a state is entered in a period. For executing it is what the dwell times allow anyway, so that work does
   * not wait for it; the others cost models or touch what runs.
   */
  entriesPerPeriod: {
    executing: whole(90, 1, 10_000),
    improving: whole(4, 1, 1_000),
    contemplating: whole(2, 1, 1_000),
    healing: whole(8, 1, 100),
  },
  /** From this level on a fault makes the mind heal. */
  enterAt: {
    databaseFailing: level(3),
    diskLow: percent(95),
    memoryLow: percent(95),
    nodeFailing: level(3),
    replicaBehind: level(MINUTE),
    endpointsDown: percent(100),
    crashLoop: level(5),
    queueGrowing: level(1_000),
    stuckTasks: level(3),
    spentTasks: level(1),
    repositoryBroken: level(1),
    mergeConflict: level(1),
    clockSkew: level(5 * SECOND),
  },
  /** Down to this level it must fall before healing is over. */
  leaveAt: {
    databaseFailing: level(0),
    diskLow: percent(90),
    memoryLow: percent(85),
    nodeFailing: level(0),
    replicaBehind: level(5 * SECOND),
    endpointsDown: percent(75),
    crashLoop: level(1),
    queueGrowing: level(100),
    stuckTasks: level(0),
    spentTasks: level(0),
    repositoryBroken: level(0),
    mergeConflict: level(0),
    clockSkew: level(SECOND),
  },
  healing: {
    /** Episodes are counted over this time. */
    windowMs: whole(6 * HOUR, 10 * MINUTE, 7 * DAY),
    /** Of any window, at most this much is spent healing. */
    sharePercent: whole(10, 1, 50),
    /** Episodes in a window. */
    episodes: whole(8, 1, MAX_EPISODES),
    /** Episodes that did not help in a window; with this one it holds and asks for a person. */
    fruitless: whole(3, 1, MAX_EPISODES),
    /** From the end of an episode to the next; doubles with each episode in the window. */
    againMs: whole(MINUTE, SECOND, HOUR),
    /** After an episode that did not help nothing is begun for so long; doubles like it. */
    restMs: whole(5 * MINUTE, SECOND, HOUR),
    /** What doubling ends at. */
    maxRestMs: whole(HOUR, SECOND, DAY),
    /** After so long a hold ends by itself, once in a window. */
    holdRetryMs: whole(HOUR, MINUTE, 7 * DAY),
    /** Remediations under way at once. */
    atOnce: whole(4, 1, 32),
  },
  pace: {
    /** Entries of states are counted over this time. */
    periodMs: whole(HOUR, MINUTE, DAY),
    /** Both may be short: how often their states are entered is bounded by `entriesPerPeriod`. */
    scanEveryMs: whole(6 * HOUR, SECOND, 30 * DAY),
    proposeEveryMs: whole(DAY, SECOND, 90 * DAY),
    /** Of its budget a state needs this much left to be entered; it is left when nothing is. */
    budgetPercent: whole(5, 1, 100),
  },
} as const;

type Bounds = typeof SETTING_BOUNDS;
export type SettingGroup = keyof Bounds;
export type FsmSettings = {
  readonly [Group in SettingGroup]: { readonly [Name in keyof Bounds[Group]]: number };
};

/** What the machine goes by: the numbers, and the catalogue. */
export type FsmRules = { readonly settings: FsmSettings; readonly remediations: readonly Remediation[] };

type Loose = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

function defaults(): FsmSettings {
  const groups = Object.entries(SETTING_BOUNDS).map(([group, bounds]) => [
    group,
    Object.fromEntries(Object.entries<SettingBounds>(bounds).map(([name, bound]) => [name, bound.default])),
  ]);
  // `as`: the same names as the bounds, which the type is made of.
  return Object.fromEntries(groups) as FsmSettings;
}

export const DEFAULT_SETTINGS: FsmSettings = defaults();
export const DEFAULT_RULES: FsmRules = { settings: DEFAULT_SETTINGS, remediations: REMEDIATIONS };

/** @returns the settings, or each number that is out of its bounds or contradicts another, by `group.name`. */
export function checkSettings(settings: FsmSettings): Result<FsmSettings> {
  // `as`: read by names that come from the bounds.
  const given = settings as unknown as Loose;
  const faults: FieldFault[] = [];
  for (const [group, bounds] of Object.entries(SETTING_BOUNDS)) {
    for (const [name, { min, max }] of Object.entries<SettingBounds>(bounds)) {
      const value = given[group]?.[name];
      if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) continue;
      faults.push({ path: `${group}.${name}`, reason: `is no whole number from ${min} to ${max}` });
    }
  }
  if (faults.length === 0) faults.push(...contradictions(settings));
  if (faults.length === 0) return ok(settings);
  const remedy = "Correct the numbers that are named";
  return err(refused("invalid", `${faults.length} settings of the mind are wrong`, remedy, faults));
}

function contradictions({ dwellMs, deadlineMs, enterAt, leaveAt, healing }: FsmSettings): readonly FieldFault[] {
  const faults: FieldFault[] = [];
  for (const state of ACTIVE_STATES) {
    if (deadlineMs[state] > dwellMs[state]) continue;
    faults.push({ path: `deadlineMs.${state}`, reason: `is not above dwellMs.${state}` });
  }
  for (const kind of FAULT_KINDS) {
    if (enterAt[kind] > leaveAt[kind]) continue;
    faults.push({ path: `enterAt.${kind}`, reason: `is not above leaveAt.${kind}, so a level between would flap` });
  }
  if (deadlineMs.healing > shareMs(healing)) {
    faults.push({ path: "healing.sharePercent", reason: "leaves no room for one episode up to its deadline" });
  }
  if (healing.maxRestMs < healing.restMs) faults.push({ path: "healing.maxRestMs", reason: "is below healing.restMs" });
  return faults;
}

/** @returns how much healing a window may hold. */
export function shareMs({ windowMs, sharePercent }: FsmSettings["healing"]): number {
  return Math.floor((windowMs * sharePercent) / 100);
}

export type Thresholds = Readonly<Record<FaultKind, number>>;
