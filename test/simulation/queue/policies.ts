import { type KeyPolicy, UNLIMITED } from "#queue";

const POLICIES: readonly KeyPolicy[] = [
  { maxConcurrent: null, ratePerSecond: null, burst: 1, weight: 1, paused: false },
  { maxConcurrent: 1, ratePerSecond: null, burst: 1, weight: 1, paused: false },
  { maxConcurrent: 2, ratePerSecond: null, burst: 1, weight: 2, paused: false },
  { maxConcurrent: null, ratePerSecond: 0.5, burst: 1, weight: 1, paused: false },
  { maxConcurrent: null, ratePerSecond: 5, burst: 3, weight: 0.5, paused: false },
  { maxConcurrent: 1, ratePerSecond: 4, burst: 2, weight: 1, paused: false },
  { maxConcurrent: 3, ratePerSecond: null, burst: 1, weight: 1, paused: true },
];

/** What keys are limited to in histories; steps name a policy by its place. */
export function policyAt(place: number): KeyPolicy {
  return POLICIES[place] ?? UNLIMITED;
}
