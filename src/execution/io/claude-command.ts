import { z } from "zod";
import { retryable, terminal } from "#base";
import type { ModelWork } from "../attempt.ts";
import type { ModelPlan } from "../attempt-plan.ts";
import { judgeLoop, mayCorrect, skipLoopChecks } from "../loop/judgement.ts";
import { describeLoopEnd, type LoopEnd, type WorkRecord } from "../loop/loop-end.ts";
import { correctionPrompt, taskPrompt } from "../loop/prompts.ts";
import { EMPTY_WORLD } from "../loop/work-record.ts";
import { describeEnd, judge } from "../outcome.ts";
import { skippedReport, type VerificationReport } from "../verification/report.ts";
import type { CommandRun } from "./command.ts";
import { endAfterChecks, verifyWork } from "./model-verification.ts";
import type { Work, Workshop } from "./workshop.ts";

/** What the command prints at its end with `--output-format json`; other fields come and go with its versions. */
const answerSchema = z.object({
  type: z.literal("result"),
  subtype: z.string().optional(),
  result: z.string().optional(),
  is_error: z.boolean().optional(),
  num_turns: z.number().nonnegative().optional(),
  total_cost_usd: z.number().nonnegative().optional(),
  usage: z
    .object({
      input_tokens: z.number().nonnegative().optional(),
      output_tokens: z.number().nonnegative().optional(),
      cache_read_input_tokens: z.number().nonnegative().optional(),
      cache_creation_input_tokens: z.number().nonnegative().optional(),
    })
    .optional(),
});
type Answer = z.output<typeof answerSchema>;

/** The answer is one line of JSON; a long report of a long session. */
const ANSWER_BYTES = 1024 * 1024;
const MICRODOLLARS_PER_DOLLAR = 1_000_000;

/**
 * An installed `claude` command carries the prompt out by itself, in the sandbox: it asks nobody, and what it may do
 * the kernel decides. It needs the network, so the allow-list must name its service, and its key among the variables
 * that commands get. Failed checks are said to it in the same conversation.
 */
export async function runClaudeCommand(shop: Workshop, plan: ModelPlan, program: string): Promise<Work> {
  const { spec, limits } = shop.assignment;
  const wallMs = spec.deadlineMs ?? plan.limits.wallMs;
  const deadlineMs = shop.clock.monotonicMs() + wallMs;
  const reports: VerificationReport[] = [];
  let spent: Spent = { promptTokens: 0, completionTokens: 0, costMicrodollars: 0, replies: 0 };
  let prompt = taskPrompt(spec);
  for (;;) {
    const round = reports.length + 1;
    shop.log.note(round === 1 ? `ask ${program}` : `correction ${round - 1}: ask ${program} again`);
    const run = await shop.command({
      command: claudeArguments(program, prompt, plan, round > 1),
      cwd: shop.workspace,
      wallMs: Math.max(1, deadlineMs - shop.clock.monotonicMs()),
      outputBytes: limits.outputBytes,
      headBytes: ANSWER_BYTES,
      log: shop.log.output,
    });
    shop.crashPoint("worker:after-command");
    const answer = answerIn(run);
    spent = plus(spent, answer);
    const ended = endOf(run, answer, program, { wallMs, turns: plan.limits.iterations });
    const skipped = skipLoopChecks({ end: ended, record: WORKED });
    const report = skipped === undefined ? await verifyWork(shop) : skippedReport(skipped);
    reports.push(report);
    const hasMeans = spent.promptTokens + spent.completionTokens < plan.limits.tokens;
    const isOver = report.passed || report.skipped !== undefined || !mayCorrect(ended) || round > plan.corrections;
    if (!isOver && hasMeans && shop.clock.monotonicMs() < deadlineMs) {
      prompt = correctionPrompt(report, round, plan.corrections);
      continue;
    }
    const end = endAfterChecks(ended, report, shop);
    const lastWords = answer?.result ?? "";
    const { completed, remaining, isJudged, ...verdict } = judgeLoop({ end, record: WORKED, lastWords }, report);
    const model: ModelWork = {
      tier: plan.tier,
      classifiedTier: plan.classifiedTier,
      isJudged,
      tierReason: plan.tierReason,
      command: program,
      endpoint: program,
      model: plan.models[0] ?? null,
      ...spent,
      ended: describeLoopEnd(end),
      lastWords,
      completed,
      remaining,
      calls: [], // the command reads them for itself
      corrections: reports.slice(0, -1),
    };
    return { verdict, report, run, model };
  }
}

/** What it changed it does not say; that it did something is enough for its work to be judged. */
const WORKED: WorkRecord = { files: {}, world: EMPTY_WORLD, commands: [], commandCount: 0, callCount: 1 };

/** How a round ended, in the words of the tool loop, so that both are judged alike. */
function endOf(
  run: CommandRun,
  answer: Answer | undefined,
  program: string,
  limits: { readonly wallMs: number; readonly turns: number },
): LoopEnd {
  const { end } = run;
  switch (end.kind) {
    case "stopped":
      return { kind: "stopped", request: end.request };
    case "failed":
      return { kind: "failed", failure: end.failure };
    case "wallLimit":
      return { kind: "wallTime", limitMs: limits.wallMs };
    case "outputLimit":
      return { kind: "failed", failure: terminal("unavailable", describeEnd(end)) };
    case "exited":
    case "signalled":
      break;
  }
  if (answer?.subtype === "error_max_turns") return { kind: "iterations", limit: limits.turns };
  if (answer?.is_error === true) {
    const reason = answer.result ?? answer.subtype ?? "it does not say why";
    return { kind: "failed", failure: retryable("unavailable", `${program} gave up: ${reason}`) };
  }
  if (end.kind === "exited" && end.exitCode === 0) return { kind: "final" };
  const words = judge(end, skippedReport(""), run.output.tail === "" ? run.output.head : run.output.tail).error;
  return { kind: "failed", failure: retryable("unavailable", words ?? describeEnd(end)) };
}

function claudeArguments(program: string, prompt: string, plan: ModelPlan, goesOn: boolean): readonly string[] {
  const model = plan.models[0];
  return [
    program,
    "--print",
    "--output-format",
    "json",
    // The sandbox says what may be done; there is nobody to ask.
    "--dangerously-skip-permissions",
    "--max-turns",
    String(plan.limits.iterations),
    ...(model === undefined ? [] : ["--model", model]),
    ...(goesOn ? ["--continue"] : []),
    prompt,
  ];
}

/** @returns the answer in the last line that is one; the command may warn before it. */
function answerIn(run: CommandRun): Answer | undefined {
  for (const line of `${run.output.head}${run.output.tail}`.trim().split("\n").reverse()) {
    try {
      const parsed = answerSchema.safeParse(JSON.parse(line));
      if (parsed.success) return parsed.data;
    } catch {
      // A line for people: the answer may stand before it.
    }
  }
  return undefined;
}

type Spent = Pick<ModelWork, "promptTokens" | "completionTokens" | "costMicrodollars" | "replies">;

function plus(spent: Spent, answer: Answer | undefined): Spent {
  const usage = answer?.usage;
  const cached = (usage?.cache_read_input_tokens ?? 0) + (usage?.cache_creation_input_tokens ?? 0);
  return {
    promptTokens: spent.promptTokens + (usage?.input_tokens ?? 0) + cached,
    completionTokens: spent.completionTokens + (usage?.output_tokens ?? 0),
    costMicrodollars: spent.costMicrodollars + Math.round((answer?.total_cost_usd ?? 0) * MICRODOLLARS_PER_DOLLAR),
    replies: spent.replies + (answer?.num_turns ?? 0),
  };
}
