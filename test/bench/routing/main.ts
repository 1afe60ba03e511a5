/**
 * bun test/bench/routing/main.ts [--seeds 4] [--first-seed 101] [--tries 40] [--only light,busy]
 * bun test/bench/routing/main.ts --real [--first-seed 101]
 *
 * Routes simulated workloads over a simulated fleet with each policy and prints how long requests took. See
 * README.md beside it. Deterministic: the same arguments print the same figures. It asserts nothing.
 */
import { parseArgs } from "node:util";
import { BASELINES } from "./baselines.ts";
import { greedy, searched } from "./clairvoyant.ts";
import { ours, oursNextDay, oursUnannounced } from "./our-policy.ts";
import { runRealFleet } from "./real-fleet.ts";
import {
  bars,
  HINDSIGHT,
  lengthErrorRatio,
  mean,
  OURS,
  predictionErrorRatio,
  type ScenarioResult,
  table,
} from "./report.ts";
import { meanMs, type Run, Simulation } from "./simulation.ts";
import { scenarios } from "./workload.ts";

const POLICIES = [...BASELINES, ours, oursUnannounced, oursNextDay, greedy];

type Options = Simulated | { readonly kind: "real"; readonly seed: number };
type Simulated = {
  readonly kind: "simulated";
  readonly seeds: readonly number[];
  readonly tries: number;
  readonly only: readonly string[];
};

const options = readOptions();
if (typeof options === "string") {
  console.error(options);
  process.exitCode = 2;
} else if (options.kind === "real") {
  await replay(options.seed);
} else {
  simulate(options);
}

/** Runs the short workload on real servers, and compares the order of the policies with the simulated one. */
async function replay(seed: number): Promise<void> {
  const results = await runRealFleet(seed);
  if (typeof results === "string") {
    console.log(`no real fleet: ${results}`);
    return;
  }
  const simulated = new Map(
    [...BASELINES, ours].map((policy) => {
      const runs = [1, 2, 3].map((offset) => new Simulation(scenarioOf("busy", seed + offset), seed, policy).run());
      return [policy.name, mean(runs.map(meanMs))] as const;
    }),
  );
  console.log("three real servers with toy models; beside it the simulated fleet's scenario busy\n");
  for (const { policy, meanMs: realMs, p95Ms, loads, failed } of results) {
    const figures = `mean ${(realMs / 1000).toFixed(2)} s  p95 ${(p95Ms / 1000).toFixed(2)} s  loads ${loads}  failed ${failed}`;
    console.log(
      `${policy.padEnd(18)} ${figures}  simulated mean ${((simulated.get(policy) ?? 0) / 1000).toFixed(2)} s`,
    );
  }
  const pairs = results.flatMap((a, index) => results.slice(index + 1).map((b) => [a, b] as const));
  const agreed = pairs.filter(
    ([a, b]) => a.meanMs < b.meanMs === (simulated.get(a.policy) ?? 0) < (simulated.get(b.policy) ?? 0),
  );
  console.log(`\n${agreed.length} of ${pairs.length} pairs of policies stand in the same order in both`);
}

function simulate({ seeds, tries, only }: Simulated): void {
  const startMs = performance.now();
  const names = scenarios(1).map(({ name }) => name);
  const results: ScenarioResult[] = [];
  console.log(`simulated fleet, 200 requests a run, seeds ${seeds.join(", ")}; hindsight searches ${tries} changes\n`);
  for (const name of names) {
    if (only.length > 0 && !only.includes(name)) continue;
    const result = runScenario(name, seeds, tries);
    results.push(result);
    const own = result.series.find(({ policy }) => policy === OURS)?.runs ?? [];
    const error = predictionErrorRatio(own);
    const length = mean(seeds.map((seed) => lengthErrorRatio(scenarioOf(name, seed))));
    console.log(table(result));
    console.log(
      `ours predicted with a mean absolute error of ${percent(error)}; the senders' guesses of length are off by ${percent(length)}\n`,
    );
  }
  for (const line of bars(results)) console.log(line);
  console.log(`\n${((performance.now() - startMs) / 1000).toFixed(0)} s`);
}

function runScenario(name: string, seeds: readonly number[], tries: number): ScenarioResult {
  const runs = new Map<string, Run[]>(POLICIES.map((policy) => [policy.name, []]));
  const hindsight: Run[] = [];
  for (const seed of seeds) {
    const scenario = scenarioOf(name, seed);
    const all = POLICIES.map((policy) => {
      const run = new Simulation(scenario, seed, policy).run();
      runs.get(policy.name)?.push(run);
      return run;
    });
    if (tries > 0) hindsight.push(searched(scenario, seed, all, tries));
  }
  const series = [...runs].map(([policy, list]) => ({ policy, runs: list }));
  return { scenario: name, series: tries > 0 ? [...series, { policy: HINDSIGHT, runs: hindsight }] : series };
}

function scenarioOf(name: string, seed: number): ReturnType<typeof scenarios>[number] {
  const found = scenarios(seed).find((scenario) => scenario.name === name);
  if (found === undefined) throw new Error(`no scenario ${name}`);
  return found;
}

function percent(ratio: number | null): string {
  return ratio === null ? "-" : `${Math.round(ratio * 100)} %`;
}

function readOptions(): Options | string {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "4" },
      "first-seed": { type: "string", default: "101" },
      tries: { type: "string", default: "40" },
      only: { type: "string", default: "" },
      real: { type: "boolean", default: false },
    },
  });
  const count = Number(values.seeds);
  const first = Number(values["first-seed"]);
  const tries = Number(values.tries);
  if (![count, first, tries].every((number) => Number.isInteger(number) && number >= 0) || count < 1) {
    return "--seeds, --first-seed and --tries take whole numbers";
  }
  if (values.real) return { kind: "real", seed: first };
  const only = values.only.split(",").filter((name) => name !== "");
  return { kind: "simulated", seeds: Array.from({ length: count }, (_, index) => first + index), tries, only };
}
