/** Prints how well what could be better is found: `bun run bench:scanners [seed…]`. */
import { scoreScanners } from "./score.ts";

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const percent = (ratio: number): string => `${(ratio * 100).toFixed(1)} %`;

const seeds = process.argv.slice(2).map(Number);
for (const seed of seeds.length === 0 ? [1, 2, 3, 4] : seeds) {
  const startedMs = performance.now();
  const { files, labels, precision, recall, kinds, wrong, missed } = await scoreScanners(seed, 120);
  const tookMs = performance.now() - startedMs;
  print(
    `seed ${seed}: ${files} files, ${labels} labels, precision ${percent(precision)}, recall ${percent(recall)}, ${tookMs.toFixed(0)} ms`,
  );
  for (const { kind, right, wrong: of, missed: not } of kinds)
    print(`  ${kind}: ${right} right, ${of} wrong, ${not} missed`);
  for (const one of wrong.slice(0, 10)) print(`  false alarm: ${one}`);
  for (const one of missed.slice(0, 10)) print(`  missed: ${one}`);
}
