import { expect, test } from "vitest";
import { type PaceFacts, pauseMs, remakePauseMs } from "../../../../src/store/replica/sync-pace.ts";

const facts: PaceFacts = {
  failures: 0,
  isBehind: true,
  isHeard: false,
  sinceSyncMs: 0,
  backoffMaxMs: undefined,
  chance: 1,
};

test("a replica that is behind asks 50 ms after its last sync, however often it is told, and at once when that was long ago", () => {
  expect([0, 20, 50, 900].map((sinceSyncMs) => pauseMs({ ...facts, sinceSyncMs }))).toEqual([50, 30, 0, 0]);
});

test("a replica that has all the hub is known to have looks every 15 s", () => {
  expect(pauseMs({ ...facts, isBehind: false, sinceSyncMs: 5_000 })).toBe(10_000);
});

test("a hub that is away is asked after 0.5 to 30 s, later with each failure, never before half of it", () => {
  const latest = [1, 2, 3, 6, 50].map((failures) => pauseMs({ ...facts, failures }));
  const earliest = [1, 2, 3, 6, 50].map((failures) => pauseMs({ ...facts, failures, chance: 0 }));

  expect(latest).toEqual([1_000, 2_000, 4_000, 30_000, 30_000]);
  expect(earliest).toEqual([500, 1_000, 2_000, 15_000, 15_000]);
});

test("a hub that was away for long and is heard of again is asked within a second", () => {
  expect(pauseMs({ ...facts, failures: 50, isHeard: true })).toBe(1_000);
});

test("a copy is made anew at most every 30 s, and every hour when that does not help", () => {
  expect([0, 1, 2, 7, 100].map(remakePauseMs)).toEqual([30_000, 60_000, 120_000, 3_600_000, 3_600_000]);
});
