/** Prints how well secrets are found before publication: `bun run bench:secrets [seed…]`. */
import { labelledTexts } from "./labelled-texts.ts";
import { scoreTexts } from "./score.ts";

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const percent = (ratio: number): string => `${(ratio * 100).toFixed(1)} %`;

const seeds = process.argv.slice(2).map(Number);
for (const seed of seeds.length === 0 ? [1, 2, 3, 4] : seeds) {
  const texts = labelledTexts(seed);
  const startedMs = performance.now();
  const score = await scoreTexts(texts);
  const tookMs = performance.now() - startedMs;
  print(
    `seed ${seed}: ${texts.length} texts (${score.secrets} with a secret), precision ${percent(score.precision)}, ` +
      `recall ${percent(score.recall)}, ${(tookMs / texts.length).toFixed(2)} ms each`,
  );
  for (const { family, text } of score.missed) print(`  missed, ${family}: ${JSON.stringify(text.slice(0, 160))}`);
  for (const { family, text } of score.falseAlarms)
    print(`  false alarm, ${family}: ${JSON.stringify(text.slice(0, 160))}`);
}
