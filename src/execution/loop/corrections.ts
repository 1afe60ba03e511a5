import { boundSummary, skippedReport, type VerificationReport } from "../verification/report.ts";
import { headAndTail } from "./conversation.ts";
import { judgeLoop, type LoopVerdict, mayCorrect, skipLoopChecks } from "./judgement.ts";
import { correctionPrompt } from "./prompts.ts";
import type { LoopOutcome, ToolLoop } from "./tool-loop.ts";

/** Evidence of one check in a report that is kept: the model was told more, and it lies in every checkpoint from then on. */
const MAX_KEPT_DETAIL_CHARS = 1_000;

export type CorrectedRun = {
  /** Tokens, money and time of all rounds together. */
  readonly outcome: LoopOutcome;
  /** The report of each round, also of those of lost workers; the last one decides, and has its evidence whole. */
  readonly reports: readonly VerificationReport[];
  readonly verdict: LoopVerdict;
};

/**
 * Runs a loop, verifies, and returns what failed to the model, up to `maxCorrections` times in one conversation.
 * Verification also judges what a loop left that ended at a limit.
 */
export async function runWithCorrections(options: {
  readonly loop: Pick<ToolLoop, "run" | "correct">;
  readonly verify: () => Promise<VerificationReport>;
  readonly maxCorrections: number;
}): Promise<CorrectedRun> {
  const { loop, verify, maxCorrections } = options;
  let outcome = await loop.run();
  for (;;) {
    const skipped = skipLoopChecks(outcome);
    const report = skipped === undefined ? await verify() : skippedReport(skipped);
    const round = outcome.corrections.length + 1;
    const isOver = report.passed || skipped !== undefined || report.skipped !== undefined || round > maxCorrections;
    if (isOver || !mayCorrect(outcome.end)) {
      return { outcome, reports: [...outcome.corrections, report], verdict: judgeLoop(outcome, report) };
    }
    outcome = await loop.correct(correctionPrompt(report, round, maxCorrections), inShort(report));
  }
}

function inShort(report: VerificationReport): VerificationReport {
  const checks = report.checks.map((check) => ({
    ...check,
    summary: boundSummary(check.summary),
    detail: headAndTail(check.detail, MAX_KEPT_DETAIL_CHARS),
  }));
  return { ...report, checks };
}
