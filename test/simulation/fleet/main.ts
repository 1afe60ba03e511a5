import { RULES } from "./checks.ts";
import { Mutants } from "./mutants.ts";
import { MUTATIONS } from "./mutations.ts";
import { play } from "./play.ts";

/**
 * Histories of a fleet, one a seed:
 *
 *   bun run sim:fleet --seeds N [--from SEED]     N seeds from there on; the first that breaks a rule ends it
 *   bun run sim:fleet --seed SEED [--trace]       that one again, and all that happens in it
 *   … --without RULE                              does not look at that rule
 *   bun run sim:fleet --mutants                   which rule catches which defect of the code, and at which seed
 *
 * Exits with 0 when every rule holds, with BROKEN when one does not.
 */
const BROKEN = 3;
const TELL_EVERY = 1_000;

const words = process.argv.slice(2);
const named = (name: string): string | undefined => {
  const at = words.indexOf(`--${name}`);
  return at < 0 ? undefined : words[at + 1];
};
const only = named("seed");
const from = Number(only ?? named("from") ?? 1);
const seeds = only === undefined ? Number(named("seeds") ?? 1_000) : 1;
const off = new Set(words.filter((_word, index) => words[index - 1] === "--without"));
if (words.includes("--mutants")) {
  await tellMutants();
  process.exit();
}

const trace = words.includes("--trace") ? (line: string) => console.log(line) : undefined;

const startedMs = performance.now();
const totals = new Map<string, number>();
for (let seed = from; seed < from + seeds; seed += 1) {
  const { breach, counts } = await play(seed, off, trace);
  for (const [name, count] of counts) totals.set(name, (totals.get(name) ?? 0) + count);
  if ((seed - from + 1) % TELL_EVERY === 0) console.log(`${seed - from + 1} seeds`);
  if (breach === undefined) continue;
  console.log(`seed ${seed} breaks "${breach.rule}" after ${breach.atMs} ms: ${breach.text}`);
  console.log(`  the rule: ${RULES[breach.rule]}`);
  console.log(`  again: bun run sim:fleet --seed ${seed}`);
  process.exit(BROKEN);
}
const minutes = (performance.now() - startedMs) / 60_000;
console.log([...totals].map(([name, count]) => `${name} ${count}`).join(", "));
console.log(`${seeds} seeds from ${from} on keep every rule; ${Math.round(seeds / minutes)} a minute`);

async function tellMutants(): Promise<void> {
  const mutants = new Mutants();
  for (const mutation of MUTATIONS) {
    const { caught } = await mutants.play(mutation);
    const fate = caught === undefined ? "survives" : `seed ${caught.seed}, by "${caught.rule}"`;
    console.log(`${mutation.name}: ${fate}`);
  }
  mutants.end();
}
