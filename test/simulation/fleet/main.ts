import { RULES } from "./checks.ts";
import { playElection } from "./election/play.ts";
import { ELECTION_RULES } from "./election/rules.ts";
import { Mutants } from "./mutants.ts";
import { MUTATIONS } from "./mutations.ts";
import { play } from "./play.ts";

/**
 * Histories of a fleet, one a seed:
 *
 *   bun run sim:fleet --seeds N [--from SEED]     N seeds from there on; the first that breaks a rule ends it
 *   bun run sim:fleet --seed SEED [--trace]       that one again, and all that happens in it
 *   … --of work|election                          of what; of both unless told: of work under any hub, and of hubs by election
 *   … --without RULE                              does not look at that rule
 *   bun run sim:fleet --mutants [--only TEXT]     which rule catches which defect of the code, and at which seed
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
const KINDS = {
  work: { play, rules: RULES as Readonly<Record<string, string>> },
  election: { play: playElection, rules: ELECTION_RULES as Readonly<Record<string, string>> },
};
const kinds = Object.entries(KINDS).filter(([kind]) => kind === (named("of") ?? kind));
if (words.includes("--mutants")) {
  await tellMutants();
  process.exit();
}

const trace = words.includes("--trace") ? (line: string) => console.log(line) : undefined;

const startedMs = performance.now();
const totals = new Map<string, number>();
for (let seed = from; seed < from + seeds; seed += 1) {
  for (const [kind, { play: playOne, rules }] of kinds) {
    const { breach, counts } = await playOne(seed, off, trace);
    for (const [name, count] of counts) totals.set(name, (totals.get(name) ?? 0) + count);
    if (breach === undefined) continue;
    console.log(`seed ${seed} breaks "${breach.rule}" after ${breach.atMs} ms: ${breach.text}`);
    console.log(`  the rule: ${rules[breach.rule]}`);
    console.log(`  again: bun run sim:fleet --of ${kind} --seed ${seed}`);
    process.exit(BROKEN);
  }
  if ((seed - from + 1) % TELL_EVERY === 0) console.log(`${seed - from + 1} seeds`);
}
const minutes = (performance.now() - startedMs) / 60_000;
console.log([...totals].map(([name, count]) => `${name} ${count}`).join(", "));
console.log(`${seeds} seeds from ${from} on keep every rule; ${Math.round(seeds / minutes)} a minute`);

async function tellMutants(): Promise<void> {
  const mutants = new Mutants();
  const wanted = MUTATIONS.filter(({ name, of = "work" }) => {
    return kinds.some(([kind]) => kind === of) && name.includes(named("only") ?? "");
  });
  for (const mutation of wanted) {
    const { caught } = await mutants.play(mutation);
    const fate = caught === undefined ? "survives" : `seed ${caught.seed}, by "${caught.rule}"`;
    console.log(`${mutation.name}: ${fate}`);
  }
  mutants.end();
}
