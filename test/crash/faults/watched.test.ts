import { expect, it } from "vitest";
import { linesOfWatched } from "./report-text.ts";
import { DECK_FAULTS, watchedRun } from "./watched-run.ts";

it("a node under its watchdog comes back from every fault; nothing is refused, lost or left", async () => {
  const report = await watchedRun({ faults: DECK_FAULTS, seed: process.pid });
  console.log(linesOfWatched(report).join("\n"));

  expect(report.faults).toBe(24);
  expect(report.wrong).toEqual([]);
  expect(report.tasksAccepted).toBeGreaterThan(20);
  expect(report.tasksWrong).toEqual([]);
  expect(report.refused).toBe(0);
  expect(report).toMatchObject({ leakedProcesses: 0, zombies: 0, descriptorsGrown: 0 });
});
