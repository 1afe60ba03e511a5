/**
 * Who is served next. Three rules, each pure:
 *
 * 1. Between lanes: strict priority, except that every AGED_TURN_EVERY-th claim goes to the most overdue lane.
 * 2. Between keys of a lane: self-clocked fair queueing. A task gets, when it becomes ready, the tag
 *    max(virtual time of the lane, last tag of its key) + 1/weight, and tasks are served by tag. A key with a hundred
 *    thousand tasks has tags far ahead; the first task of another key comes next. (S. J. Golestani, "A Self-Clocked
 *    Fair Queueing Scheme for Broadband Applications", INFOCOM 1994.)
 * 3. Within a key: limits on concurrency and rate decide at admission, so that tasks held back by their key are not
 *    in the index that claims read, however many they are.
 */
import type { KeyPolicy, KeyRow, LaneRow, TaskRow } from "./task.ts";
import { UNLIMITED } from "./task.ts";

/** One claim in four may go to an overdue lane: urgent work keeps three quarters of the node at the worst. */
export const AGED_TURN_EVERY = 4;

/** How long the next task of a lane may wait before the lane is overdue, in milliseconds, by lane number. */
export const LANE_PATIENCE_MS: readonly number[] = [0, 5_000, 15_000, 60_000, 300_000];

/** How far back a key's rate bucket is trusted when the wall clock jumped forward. */
const MAX_REFILL_MS = 3_600_000;

/**
 * @param heads by lane number, the task each lane would serve next
 * @param turn the number of this claim
 * @returns the number of the lane to serve, or undefined when no lane has a task
 */
export function chooseLane(heads: readonly (TaskRow | undefined)[], nowMs: number, turn: number): number | undefined {
  const first = heads.findIndex((head) => head !== undefined);
  if (first < 0) return undefined;
  if (turn % AGED_TURN_EVERY !== 0) return first;
  let chosen = first;
  let worst = 1; // overdue means more than all of its patience
  for (let lane = first + 1; lane < heads.length; lane += 1) {
    const overdue = overdueRatio(heads[lane], lane, nowMs);
    if (overdue > worst) {
      worst = overdue;
      chosen = lane;
    }
  }
  return chosen;
}

function overdueRatio(head: TaskRow | undefined, lane: number, nowMs: number): number {
  const patienceMs = LANE_PATIENCE_MS[lane];
  if (head === undefined || head.readyAtMs === null || patienceMs === undefined || patienceMs === 0) return 0;
  return (nowMs - head.readyAtMs) / patienceMs;
}

export function freshKey(key: string, nowMs: number): KeyRow {
  return {
    key,
    policy: UNLIMITED,
    running: 0,
    admitted: 0,
    tags: [0, 0, 0, 0, 0],
    rateTokens: UNLIMITED.burst,
    rateAtMs: nowMs,
    wakeAtMs: null,
  };
}

/** @returns the tag for a task of this key that becomes ready in this lane now, and the key that remembers it. */
export function nextTag(key: KeyRow, lane: LaneRow): { readonly tag: number; readonly key: KeyRow } {
  const tag = Math.max(lane.virtualTime, key.tags[lane.lane] ?? 0) + 1 / key.policy.weight;
  return { tag, key: { ...key, tags: key.tags.map((old, index) => (index === lane.lane ? tag : old)) } };
}

export function isLimited(policy: KeyPolicy): boolean {
  return policy.paused || policy.maxConcurrent !== null || policy.ratePerSecond !== null;
}

/**
 * May a task of this key that was let through start? No when the policy was tightened since: the key is paused, its
 * places are taken (Q6), or more were let through than its rate allows in one burst.
 */
export function hasRoom(key: KeyRow): boolean {
  const { paused, maxConcurrent, ratePerSecond, burst } = key.policy;
  if (paused) return false;
  if (ratePerSecond !== null && key.admitted > Math.max(1, burst)) return false;
  return maxConcurrent === null || key.running < maxConcurrent;
}

/**
 * Lets one more task of the key through, or not.
 * @returns the key after the decision; `wakeAtMs` is when to ask again, and null unless only the rate said no: any
 * other refusal ends by a command, and an instant left from before would be due for ever.
 */
export function admitOne(key: KeyRow, nowMs: number): { readonly admitted: boolean; readonly key: KeyRow } {
  const { policy } = key;
  if (!isLimited(policy)) return { admitted: true, key: { ...key, admitted: key.admitted + 1 } };
  const isFull = policy.maxConcurrent !== null && key.running + key.admitted >= policy.maxConcurrent;
  if (policy.paused || isFull) return { admitted: false, key: { ...key, wakeAtMs: null } };
  if (policy.ratePerSecond === null) return { admitted: true, key: { ...key, admitted: key.admitted + 1 } };
  // Tasks let through and not yet claimed must not pile up: they would start in one burst later. The claim asks again.
  if (key.admitted >= Math.max(1, policy.burst)) return { admitted: false, key: { ...key, wakeAtMs: null } };
  const filled = refill(key, policy.ratePerSecond, nowMs);
  if (filled.rateTokens >= 1) {
    return {
      admitted: true,
      key: { ...filled, rateTokens: filled.rateTokens - 1, admitted: key.admitted + 1, wakeAtMs: null },
    };
  }
  const waitMs = Math.ceil(((1 - filled.rateTokens) / policy.ratePerSecond) * 1000);
  return { admitted: false, key: { ...filled, wakeAtMs: nowMs + Math.max(1, waitMs) } };
}

/** Token bucket. A clock that went back adds nothing and starts anew from there; one that jumped ahead fills it once. */
function refill(key: KeyRow, ratePerSecond: number, nowMs: number): KeyRow {
  const elapsedMs = Math.min(Math.max(0, nowMs - key.rateAtMs), MAX_REFILL_MS);
  const rateTokens = Math.min(key.policy.burst, key.rateTokens + (elapsedMs / 1000) * ratePerSecond);
  return { ...key, rateTokens, rateAtMs: nowMs };
}
