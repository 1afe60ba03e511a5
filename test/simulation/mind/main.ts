import { checkHistories } from "./check.ts";
import { live } from "./flapping.ts";
import { fates, misplaced } from "./mutants.ts";
import { alphabetOf, search } from "./search.ts";
import { smallRules } from "./small-rules.ts";

/**
 * The proofs of the mind, without a limit of time:
 *
 *   bun run sim:mind --hours N [--seed S]        a life of N hours under an adversary that flaps every fact
 *   bun run sim:mind --histories N [--seed S]    N random histories of random rules, people and crashes
 *   bun run sim:mind --exhaustive [--tiny]       every mind that small rules allow
 *   bun run sim:mind --mutants [TEXT]            which law catches which defect of the code; those named TEXT
 *
 * Exits with 0 when every law holds and every mutant is caught, with BROKEN when not.
 */
const BROKEN = 3;
const HOUR_MS = 3_600_000;

const words = process.argv.slice(2);
const numberOf = (name: string): number | undefined => {
  const at = words.indexOf(`--${name}`);
  return at < 0 ? undefined : Number(words[at + 1]);
};
const seed = numberOf("seed") ?? 1;
const hours = numberOf("hours");
const histories = numberOf("histories");

const startedMs = performance.now();
try {
  if (words.includes("--mutants")) await tellMutants();
  else if (words.includes("--exhaustive")) tellSearch(words.includes("--tiny") ? "tiny" : "small");
  else if (histories === undefined) tellLife(hours ?? 10_000);
  else {
    console.log(told(checkHistories(seed, histories)));
    console.log(`${histories} histories from seed ${seed} on keep every law; ${seconds()} s`);
  }
} catch (cause) {
  console.log(cause instanceof Error ? cause.stack : String(cause));
  console.log(`seed ${seed}`);
  process.exitCode = BROKEN;
}

function tellLife(many: number): void {
  const life = live(many, seed);
  const elapsedMs = performance.now() - startedMs;
  console.log(told(life.tally));
  console.log(`${life.hours} hours, ${life.steps} steps, seed ${seed}: every law holds`);
  console.log(`the shortest stay in a state that the mind left by itself: ${life.shortestStay.toFixed(3)} dwell times`);
  console.log(`${seconds()} s, ${Math.round((many * HOUR_MS) / elapsedMs)} times real time`);
}

function tellSearch(size: "tiny" | "small"): void {
  const { minds, steps, ways } = search(smallRules(size), alphabetOf(size), alphabetOf(size));
  console.log(told(ways));
  console.log(`${minds} minds, ${steps} steps, every law holds; ${seconds()} s`);
}

async function tellMutants(): Promise<void> {
  const wrong = misplaced();
  if (wrong.length > 0) throw new Error(`not in their place: ${wrong.join("; ")}`);
  let survivors = 0;
  let caught = 0;
  for await (const { name, law, tookMs } of fates(words[words.indexOf("--mutants") + 1] ?? "")) {
    const isControl = caught + survivors === 0 && name === "the code as it is";
    if (isControl && law !== null) throw new Error(`${name} breaks ${law}`);
    if (!isControl && law === null) survivors += 1;
    if (law !== null) caught += 1;
    console.log(`${name}: ${law === null ? "survives" : law} (${Math.round(tookMs)} ms)`);
  }
  console.log(`${caught} mutants caught, ${survivors} survive; ${seconds()} s`);
  if (survivors > 0) process.exitCode = BROKEN;
}

function told(tally: ReadonlyMap<string, number>): string {
  return [...tally].map(([name, count]) => `${name} ${count}`).join(", ");
}

function seconds(): string {
  return ((performance.now() - startedMs) / 1_000).toFixed(1);
}
