import { expect, test } from "vitest";
import { crashGoals } from "./run.ts";

test("goals survive kill -9: all complete, each task on its branch once, nothing submitted twice, nothing left", async () => {
  const order = { seed: 7, rounds: 2, goals: 2, endLimitMs: 20_000 };

  const report = await crashGoals({ ...order, progress: () => undefined });

  expect(report.faults).toEqual([]);
  expect(report).toMatchObject({ goals: 2, complete: 2 });
  expect(report.commits).toBe(report.workTasks);
});
