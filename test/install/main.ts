/**
 * The long form: `bun run crash:install [--lanes N] [WORDS…]`. install.sh cut after every byte, then every scenario (those
 * whose name holds one of the words, when some are given). Prints each fault and, last, the counts.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { concurrently } from "./concurrently.ts";
import { runParts } from "./cut.ts";
import { repository, shells } from "./installer-world.ts";
import { faultsOf, nameOf } from "./scenario.ts";
import { allScenarios } from "./scenarios.ts";
import { openSource } from "./source.ts";

/** Most of a scenario waits for limits of a second or two. */
const LANES = 6;

const seconds = (sinceMs: number): string => ((performance.now() - sinceMs) / 1000).toFixed(1);

async function cutEverywhere(): Promise<number> {
  const startedMs = performance.now();
  const script = readFileSync(join(repository, "install.sh"));
  // Without its last line end it is whole.
  const lengths = Array.from({ length: script.length - 1 }, (_, length) => length);
  const { parts, faults } = await runParts(script, lengths);
  for (const fault of faults) console.log(fault);
  console.log(`cut: ${parts} parts of ${script.length} bytes, ${faults.length} did something, ${seconds(startedMs)} s`);
  return faults.length;
}

async function allFaults(words: readonly string[], lanes: number): Promise<number> {
  const startedMs = performance.now();
  const source = openSource();
  const chosen = allScenarios(shells).filter(
    (scenario) => words.length === 0 || words.some((word) => nameOf(scenario).includes(word)),
  );
  let bad = 0;
  await concurrently(chosen, lanes, async (scenario) => {
    const faults = await faultsOf(scenario, source);
    if (faults.length === 0) return;
    bad += 1;
    console.log(`${nameOf(scenario)}\n${faults.join("\n")}`);
  });
  await source.close();
  console.log(`faults: ${chosen.length} scenarios under ${shells.join(", ")}, ${bad} bad, ${seconds(startedMs)} s`);
  return bad;
}

const { values, positionals } = parseArgs({ options: { lanes: { type: "string" } }, allowPositionals: true });
const cuts = positionals.length === 0 ? await cutEverywhere() : 0;
const bad = await allFaults(positionals, Number(values.lanes ?? LANES));
process.exitCode = cuts + bad === 0 ? 0 : 1;
