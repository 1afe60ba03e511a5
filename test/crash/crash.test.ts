/**
 * The compiled executable, killed over and over while clients submit. `bun run crash` does the same for as long as
 * somebody wants. Figures are printed and not asserted.
 */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { crashRun } from "./crash-run.ts";
import { ALL_LABELS } from "./labels.ts";
import { reportLines } from "./report-text.ts";

/** Each label once, and as many kills at random moments. */
const ROUNDS = 2 * ALL_LABELS.length;
const LIMIT_MS = 180_000;

describe("a node that is killed again and again", () => {
  it(
    "with its workers or without, at random moments and at labelled effects, loses nothing and applies nothing twice",
    async () => {
      const seed = Date.now() % 1_000_000;
      const report = await crashRun({ seed, rounds: ROUNDS, labels: ALL_LABELS });
      for (const line of [`crash run with seed ${seed}`, ...reportLines(report)]) console.log(line);

      expect(report.violations).toEqual([]);
      expect(report.leftovers).toEqual([]);
      expect(report.faults).toEqual([]);
      // A run in which little happened proves little.
      expect([...report.hits].filter(([, many]) => many === 0)).toEqual([]);
      expect(report.ledger.accepted.length).toBeGreaterThan(ROUNDS * 10);
      expect(report.rows.attempts.length).toBeGreaterThan(ROUNDS);
      expect(report.ledger.repeated).toBeGreaterThan(0);
    },
    LIMIT_MS,
  );

  it("and that answers before it has committed is caught by this very harness", async () => {
    const substitute = [process.execPath, join(import.meta.dirname, "hasty-node-main.ts")];

    const report = await crashRun({ seed: 5, rounds: 4, labels: [], substitute });
    const lost = report.violations.filter(({ rule }) => rule === "lost");
    console.log(`control: ${lost.length} of ${report.ledger.accepted.length} accepted tasks lost, as they have to be`);

    expect(report.ledger.accepted.length).toBeGreaterThan(0);
    expect(lost.length).toBeGreaterThan(0);
  });
});
