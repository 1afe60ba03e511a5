/**
 * bun test/bench/tool-calls/main.ts [--documents 300000] [--split-rounds 3] [--seed 1]
 *   [--show "hermes / BOM"] [--innocent FOLDER]
 *
 * Reads generated replies, every format under every corruption, and prints how many came back exactly as meant. Then as
 * many rounds of documents in every cut, which must be read as the whole is.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Glob } from "bun";
import { seededRandom } from "#base";
import { ReplyReader } from "../../../src/execution/tool-calls/reply-reader.ts";
import { CORRUPTIONS } from "./corruptions.ts";
import { randomCalls } from "./documents.ts";
import { INNOCENT } from "./innocent.ts";
import { isBeginningOf, judge, type Verdict } from "./judge.ts";
import { readSplit } from "./splits.ts";
import { TOOLS } from "./tools.ts";
import { WRITERS } from "./writers.ts";

/** Longer files are no replies. */
const MAX_FILE_CHARS = 60_000;
/** Documents that `--show` prints. */
const MAX_SHOWN = 12;

process.exitCode = main();

type Tally = Record<Verdict, number> & { beginnings: number };

function main(): number {
  const { values } = parseArgs({
    options: {
      "split-rounds": { type: "string", default: "3" },
      documents: { type: "string", default: "300000" },
      seed: { type: "string", default: "1" },
      show: { type: "string" },
      innocent: { type: "string" },
    },
  });
  const documents = Number(values.documents);
  const seed = Number(values.seed);
  const rounds = Number(values["split-rounds"]);
  if (![documents, seed, rounds].every((value) => Number.isSafeInteger(value) && value >= 0)) {
    console.error("--documents, --split-rounds and --seed take whole numbers");
    return 2;
  }
  console.log(`${documents} documents, seed ${seed}`);
  const random = seededRandom(seed);
  const tallies = new Map<string, Tally>();
  const shown: string[] = [];
  let chars = 0;
  let slowestMs = 0;
  const startedMs = performance.now();
  for (let made = 0; made < documents; ) {
    const writer = WRITERS[made % WRITERS.length];
    const corruption = CORRUPTIONS[Math.floor(made / WRITERS.length) % CORRUPTIONS.length];
    if (writer === undefined || corruption === undefined) return 1;
    made += 1;
    const corrupted = corruption.apply(randomCalls(random, writer), writer, random);
    if (corrupted === undefined) continue;
    const beganMs = performance.now();
    const reader = new ReplyReader(TOOLS);
    reader.push({ kind: "text", text: corrupted.text });
    const reply = reader.end(corrupted.reason);
    slowestMs = Math.max(slowestMs, performance.now() - beganMs);
    chars += corrupted.text.length;
    const verdict = judge(reply, corrupted);
    const isBeginning = verdict === "altered" && reply.calls.every((call) => isBeginningOf(call, corrupted.expected));
    for (const key of [`format ${writer.name}`, `${corruption.isLossless ? "slip" : "damage"} ${corruption.name}`]) {
      if (key.startsWith("format") && !corruption.isLossless) continue;
      const tally = tallies.get(key) ?? { exact: 0, told: 0, altered: 0, beginnings: 0 };
      tally[verdict] += 1;
      if (isBeginning) tally.beginnings += 1;
      tallies.set(key, tally);
    }
    const isOfInterest = verdict === "altered" || (corruption.isLossless && verdict === "told");
    const label = `${writer.name} / ${corruption.name}`;
    if (isOfInterest && values.show !== undefined && label.includes(values.show) && shown.length < MAX_SHOWN) {
      shown.push(`--- ${label}: ${verdict}\n${corrupted.text}\n=> ${JSON.stringify(reply)}`);
    }
  }
  const tookMs = performance.now() - startedMs;
  for (const text of shown) console.log(text);
  print(tallies);
  console.log(
    `\n${Math.round(tookMs)} ms, ${(((chars / tookMs) * 1000) / 1e6).toFixed(2)} million characters a second, slowest document ${slowestMs.toFixed(1)} ms`,
  );
  const mismatches = readSplits(seed, rounds);
  return innocent(values.innocent) === 0 && mismatches === 0 ? 0 : 1;
}

/** @returns how many readings gave something else than the whole. */
function readSplits(seed: number, rounds: number): number {
  const random = seededRandom(seed);
  const startedMs = performance.now();
  let documents = 0;
  let readings = 0;
  let slips = 0;
  let exact = 0;
  let mismatches = 0;
  for (const corruption of CORRUPTIONS) {
    for (const reading of readSplit(random, corruption, { rounds, draws: 1 })) {
      documents += 1;
      readings += reading.readings;
      mismatches += reading.mismatches.length;
      if (corruption.isLossless) {
        slips += reading.readings;
        // A reading that is as the whole is worth what the whole is.
        if (judge(reading.whole, reading.corrupted) === "exact") exact += reading.readings - reading.mismatches.length;
      }
      const [first] = reading.mismatches;
      if (first !== undefined)
        console.log(`--- ${reading.writer.name} / ${corruption.name}: ${first}\n${reading.corrupted.text}`);
    }
  }
  const share = slips === 0 ? "-" : ((exact / slips) * 100).toFixed(2);
  console.log(
    `\nsplits: ${readings} readings of ${documents} documents, cut at every byte and into pieces of 1 to 3; mismatches ${mismatches}, of ${slips} with slips exact ${share} %, ${Math.round(performance.now() - startedMs)} ms`,
  );
  return mismatches;
}

function print(tallies: ReadonlyMap<string, Tally>): void {
  const rows = [...tallies].sort(([a], [b]) => (a < b ? -1 : 1));
  console.log(
    `${"".padEnd(40)}${["exact %", "told", "altered", "of them short", "documents"].map((word) => word.padStart(14)).join("")}`,
  );
  for (const [name, tally] of rows) {
    const all = tally.exact + tally.told + tally.altered;
    const cells = [((tally.exact / all) * 100).toFixed(2), tally.told, tally.altered, tally.beginnings, all];
    console.log(name.padEnd(40) + cells.map((cell) => String(cell).padStart(14)).join(""));
  }
}

/** Texts that call nothing: documentation, code, JSON of other things; with `--innocent` also the files of a folder. */
function innocent(folder: string | undefined): number {
  const calls = readInnocent("innocent texts", INNOCENT);
  if (folder !== undefined) {
    const files = [...new Glob("**/*.{md,ts,js,mjs,json}").scanSync({ cwd: folder })];
    const texts = files.map((file) => readFileSync(join(folder, file), "utf8"));
    readInnocent(
      `files of ${folder}`,
      texts.filter((text) => text.length <= MAX_FILE_CHARS),
    );
  }
  return calls === 0 ? 0 : 1;
}

function readInnocent(what: string, texts: readonly string[]): number {
  let calls = 0;
  let likely = 0;
  let explicit = 0;
  for (const text of texts) {
    const reader = new ReplyReader(TOOLS);
    reader.push({ kind: "text", text });
    const reply = reader.end();
    if (reply.calls.length > 0) console.log(`call: ${JSON.stringify(reply.calls).slice(0, 300)}`);
    calls += reply.calls.length;
    explicit += reply.faults.filter((fault) => fault.isExplicit).length;
    likely += reply.faults.filter((fault) => !fault.isExplicit).length;
  }
  const chars = texts.reduce((sum, text) => sum + text.length, 0);
  console.log(
    `${what}: ${texts.length} of ${chars} characters, calls ${calls}, faults ${likely}, explicit ones ${explicit}`,
  );
  return calls;
}
