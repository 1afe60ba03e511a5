/**
 * `bun run crash:goal [--rounds 20] [--goals 20] [--seed N]`: goals on a real repository while their node, or it and its
 * workers, are killed with SIGKILL at random moments. Ends with 1 when a goal is not complete, a task of work is not on
 * its branch exactly once, something was submitted twice, or an attempt left something. Needs dist/drover.
 */
import { parseArgs } from "node:util";
import { endOwnOnSignal } from "../end-on-signal.ts";
import { crashGoals, goalCrashText } from "./run.ts";

const STILL_MS = 120_000;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "20" },
    goals: { type: "string", default: "20" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`${text} is no whole number above 0`);
}

const remove = endOwnOnSignal();
try {
  const [rounds, goals, seed] = [values.rounds, values.goals, values.seed].map(wholeNumber);
  console.log(`seed ${seed}`);
  const order = { rounds: rounds ?? 1, goals: goals ?? 1, seed: seed ?? 1, stillMs: STILL_MS };
  const report = await crashGoals({ ...order, progress: console.log });
  console.log(goalCrashText(report));
  process.exitCode = report.faults.length === 0 ? 0 : 1;
} finally {
  remove();
}
