/**
 * A long life under an adversary that knows the mind and picks the facts of each moment to make it change its state:
 * work that is there only while it rests, faults that come and go around both thresholds, budgets that return.
 * Between bursts at the edges of dwell times and deadlines hours may pass. One seed gives one life.
 */
import { type Random, seededRandom } from "#base";
import {
  DEFAULT_RULES,
  type Facts,
  type Fault,
  type FaultKind,
  type FsmState,
  type MindEvent,
  QUIET,
} from "../../../src/fsm/index.ts";
import { Player } from "./player.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

type Mood = "contrary" | "broken" | "flickering" | "quiet";
const MOODS: readonly Mood[] = ["contrary", "contrary", "flickering", "broken", "quiet"];

export type Life = {
  readonly hours: number;
  readonly steps: number;
  readonly shortestStay: number;
  readonly tally: ReadonlyMap<string, number>;
};

export function live(hours: number, seed: number): Life {
  const random = seededRandom(seed);
  const player = new Player(DEFAULT_RULES, 1_000_000_000, false);
  const endMs = player.nowMs + hours * HOUR;
  let steps = 0;
  let mood: Mood = "contrary";
  let moodUntilMs = player.nowMs;
  let broken: readonly Fault[] = [];
  while (player.nowMs < endMs) {
    if (player.nowMs >= moodUntilMs) {
      mood = pick(random, MOODS);
      moodUntilMs = player.nowMs + Math.ceil(random.next() * 12 * HOUR);
      broken = some([faultOf(random, 1), faultOf(random, 2)]);
    }
    const afterMs = pauseBefore(random, player, mood);
    // Somebody comes by more often when it is on hold.
    const isVisited = random.next() < (player.mind.hold === null ? 0.002 : 0.02);
    const event: MindEvent = isVisited ? deedOf(random) : { kind: "tick" };
    const kept = random.next() < 0.001 ? Math.floor(random.next() * 3) : null;
    player.tell(event, factsOf(random, mood, player.mind.state, broken), afterMs, kept);
    steps += 1;
  }
  return { hours, steps, shortestStay: player.laws.shortestStay, tally: player.laws.tally };
}

function pick<T>(random: Random, from: readonly [T, ...T[]] | readonly T[]): T {
  // `as`: no list here is empty.
  return from[Math.floor(random.next() * from.length)] as T;
}

/** Near what may happen next: just before an edge, on it, or after it; else any time up to half an hour. */
function pauseBefore(random: Random, { mind, nowMs }: Player, mood: Mood): number {
  if (mood === "broken" && mind.state === "healing") return SECOND; // as it is in truth: cool-downs are of seconds
  const chance = random.next();
  if (mood === "quiet" || chance < 0.1) return 1 + Math.floor(random.next() * 30 * MINUTE);
  if (chance < 0.4) return SECOND;
  const edges = [
    mind.sinceMs + DEFAULT_RULES.settings.dwellMs[mind.state],
    mind.sinceMs + DEFAULT_RULES.settings.dwellMs.resting,
    mind.deadlineMs ?? 0,
    mind.healAgainMs,
    mind.restUntilMs,
    mind.hold?.retryAtMs ?? 0,
    mind.pause?.untilMs ?? 0,
  ].filter((atMs) => atMs > nowMs);
  if (edges.length === 0) return 1 + Math.floor(random.next() * 10 * MINUTE);
  return Math.max(1, pick(random, edges) - nowMs - 1 + Math.floor(random.next() * 3));
}

const KINDS: readonly FaultKind[] = [
  "stuckTasks",
  "endpointsDown",
  "nodeFailing",
  "databaseFailing",
  "diskLow",
  "repositoryBroken",
];

/** @param share of the upper threshold; 1 reaches it */
function faultOf(random: Random, share: number): Fault {
  const kind = pick(random, KINDS);
  const healthyAttempts = random.next() < 0.3 ? 1 : 0;
  const level = Math.floor(DEFAULT_RULES.settings.enterAt[kind] * share);
  return { kind, target: random.next() < 0.5 ? "a" : "b", level, healthyAttempts };
}

/** One of a kind and target. */
function some([first, second]: readonly [Fault, Fault]): readonly Fault[] {
  return first.kind === second.kind && first.target === second.target ? [first] : [first, second];
}

function factsOf(random: Random, mood: Mood, state: FsmState, broken: readonly Fault[]): Facts {
  const flips = random.next() < 0.5;
  switch (mood) {
    case "quiet":
      return flips ? QUIET : { ...QUIET, wellForMs: MINUTE };
    case "broken":
      return { ...QUIET, readyTasks: flips ? 1 : 0, faults: broken, means: ["fallbackModel"] };
    case "flickering":
      return {
        ...QUIET,
        runningAttempts: 1,
        faults: flips ? some([faultOf(random, 1), faultOf(random, 0.95)]) : [],
        wellForMs: MINUTE,
      };
    case "contrary":
      return contrary(random, state);
  }
}

/** Whatever makes it leave. */
function contrary(random: Random, state: FsmState): Facts {
  switch (state) {
    case "resting":
      return random.next() < 0.5
        ? { ...QUIET, readyGoals: 1, faults: random.next() < 0.5 ? [faultOf(random, 1)] : [] }
        : { ...QUIET, sinceScanMs: null, sinceProposalMs: null, wakeEvents: 1 };
    case "executing":
      return random.next() < 0.5 ? QUIET : { ...QUIET, faults: [faultOf(random, 1)] };
    case "improving":
    case "contemplating":
      if (random.next() < 0.2) return { ...QUIET, faults: [faultOf(random, 1)] };
      return { ...QUIET, isActivityDone: true, sinceProposalMs: null, readyTasks: random.next() < 0.3 ? 1 : 0 };
    case "healing":
      return random.next() < 0.7 ? QUIET : { ...QUIET, faults: [faultOf(random, 0.95)] };
  }
}

function deedOf(random: Random): MindEvent {
  const by = "ada";
  const deeds: readonly MindEvent[] = [
    { kind: "pause", by, reason: "maintenance", forMs: 20 * MINUTE },
    { kind: "resume", by },
    { kind: "release", by },
    { kind: "release", by },
    { kind: "force", by, to: pick(random, ["resting", "executing", "healing"]), reason: "to see" },
    { kind: "stoodStill", missedMs: Math.floor(random.next() * HOUR) },
  ];
  return pick(random, deeds);
}
