import { expect, test } from "vitest";
import { crashGoals } from "./run.ts";
import { killOneGoal } from "./steps.ts";

const LIMIT_MS = 240_000;

test("goals survive kill -9: all complete, each task on its branch once, nothing submitted twice, nothing left", async () => {
  const order = { seed: 7, rounds: 2, goals: 2, stillMs: 20_000 };

  const report = await crashGoals({ ...order, progress: () => undefined });

  expect(report.faults).toEqual([]);
  expect(report).toMatchObject({ goals: 2, complete: 2 });
  expect(report.commits).toBe(report.workTasks);
});

test("a goal whose node is killed between an effect and its note, twice, is delivered once", {
  timeout: LIMIT_MS,
}, async () => {
  const steps = ["attempt:landed", "delivery:proposed"];

  const { killed, missed, faults } = await killOneGoal("pullRequest", steps);

  expect(faults).toEqual([]);
  expect({ killed, missed }).toEqual({ killed: steps, missed: [] });
});
