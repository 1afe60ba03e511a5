/**
 * `bun run crash:swap [--swaps 200] [--requests 1000000]`: releases of the compiled executable are swapped under load,
 * back and forth, the watchdog included; then ten kinds of bad release are tried, and two usual ways to replace a server
 * are the controls. Ends with 1 when a request failed, a stream was cut, something was left, a bad release was not dealt
 * with as it must be, or a control showed no failure and so proves nothing.
 */
import { parseArgs } from "node:util";
import { endOwnOnSignal } from "../end-on-signal.ts";
import type { BadReport } from "./bad-releases.ts";
import { type ControlReport, restartControl, reusePortControl } from "./controls.ts";
import type { LoadResult } from "./load.ts";
import { runAll } from "./run.ts";
import { type SwapReport, shareOf } from "./swapping.ts";

const CONTROL_SWAPS = 20;

const { values } = parseArgs({
  options: {
    swaps: { type: "string", default: "200" },
    requests: { type: "string", default: "1000000" },
  },
});

async function main(): Promise<number> {
  const goal = { swaps: wholeNumber(values.swaps), requests: wholeNumber(values.requests) };
  const { swap, bad } = await runAll(goal, { progress: console.log, bad: (report) => console.log(badLine(report)) });
  for (const line of swapLines(swap)) console.log(line);
  const controls = [await reusePortControl(CONTROL_SWAPS), await restartControl(CONTROL_SWAPS)];
  for (const control of controls) console.log(controlLine(control));
  const isClean = swap.load.failed === 0 && swap.load.streamsCut === 0 && swap.leftovers.length === 0;
  const isHeld = bad.every(({ faults }) => faults.length === 0);
  return isClean && isHeld && controls.every(({ load }) => load.failed > 0) ? 0 : 1;
}

function swapLines({ swaps, times, load, leftovers }: SwapReport): readonly string[] {
  const [all, node] = [times.map(({ allMs }) => allMs), times.map(({ nodeMs }) => nodeMs)];
  return [
    `${swaps} swaps: ${ms(shareOf(all, 0.5))} at the median, ${ms(shareOf(all, 0.99))} at p99, from the request until the watchdog is replaced too`,
    `old node told to go until new one ready: ${ms(shareOf(node, 0.5))} at the median, ${ms(shareOf(node, 0.99))} at p99`,
    loadText(load),
    `left over: ${leftovers.length === 0 ? "nothing" : leftovers.join("; ")}`,
  ];
}

function loadText({ answered, failed, failures, streamsEnded, streamsCut, p50Ms, p99Ms, maxMs }: LoadResult): string {
  return `${answered} requests answered, ${failed} failed${failuresText(failures)}; ${streamsEnded} streams ended by a last frame, ${streamsCut} cut; ${p50Ms.toFixed(1)} ms at the median, ${ms(p99Ms)} at p99, ${ms(maxMs)} at most`;
}

function badLine({ kind, result, reason, answered, failures, tookMs, maxMs, faults }: BadReport): string {
  const text = `${kind.padEnd(18)} ${result} after ${ms(tookMs)}: ${reason ?? "-"} (${answered} requests answered, the slowest in ${ms(maxMs)}${failuresText(failures)})`;
  return [text, ...faults.map((fault) => `  FAULT: ${fault}`)].join("\n");
}

function controlLine({ name, swaps, load }: ControlReport): string {
  const verdict = load.failed > 0 ? "fails, as it must" : "SHOWS NO FAILURE: this run proves nothing";
  return `control, ${name}: ${verdict}; ${swaps} swaps, ${loadText(load)}`;
}

function failuresText(failures: Readonly<Record<string, number>>): string {
  const kinds = Object.entries(failures).map(([kind, count]) => `${count} ${kind}`);
  return kinds.length === 0 ? "" : ` (${kinds.join(", ")})`;
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${text} is no whole number above 0`);
  return value;
}

const removeFolder = endOwnOnSignal();
process.exitCode = await main();
removeFolder();
