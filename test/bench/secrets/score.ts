import { createHash } from "node:crypto";
import { scanFile } from "#repos";
import type { Labelled } from "./labelled-texts.ts";

export type Score = {
  readonly precision: number;
  readonly recall: number;
  readonly missed: readonly Labelled[];
  readonly falseAlarms: readonly Labelled[];
  readonly secrets: number;
  readonly harmless: number;
};

/** Scans each text and compares what blocks with its label. */
export async function scoreTexts(texts: readonly Labelled[]): Promise<Score> {
  const digest = (text: string): string => createHash("sha256").update(text).digest("hex");
  const missed: Labelled[] = [];
  const falseAlarms: Labelled[] = [];
  let hits = 0;
  for (const one of texts) {
    const findings = await scanFile(
      { path: one.path, text: one.text, bytes: one.text.length },
      { watched: [], digest },
    );
    const isFound = findings.some(({ kind, severity }) => kind === "secret" && severity === "block");
    if (isFound && one.isSecret) hits += 1;
    if (isFound && !one.isSecret) falseAlarms.push(one);
    if (!isFound && one.isSecret) missed.push(one);
  }
  const secrets = texts.filter(({ isSecret }) => isSecret).length;
  return {
    precision: hits / Math.max(1, hits + falseAlarms.length),
    recall: hits / Math.max(1, secrets),
    missed,
    falseAlarms,
    secrets,
    harmless: texts.length - secrets,
  };
}
