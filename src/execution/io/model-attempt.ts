import { type Failure, refused } from "#base";
import type { RequestContext } from "#inference";
import type { ModelWork } from "../attempt.ts";
import type { ModelPlan } from "../attempt-plan.ts";
import { runWithCorrections } from "../loop/corrections.ts";
import { BoxedTools } from "../loop/io/boxed-tools.ts";
import { CheckpointFile } from "../loop/io/checkpoint-file.ts";
import { judgeLoop } from "../loop/judgement.ts";
import { describeLoopEnd } from "../loop/loop-end.ts";
import { observationChars } from "../loop/loop-limits.ts";
import { type LoopStep, stepLine } from "../loop/loop-step.ts";
import { modelReplies } from "../loop/model-replies.ts";
import { systemPrompt, taskPrompt } from "../loop/prompts.ts";
import { ToolLoop } from "../loop/tool-loop.ts";
import { MAX_PROGRESS_MESSAGE_CHARS } from "../progress-line.ts";
import { StopSwitch } from "../stop-switch.ts";
import type { RunToolCommand } from "../tools/io/command-tool.ts";
import { ToolBox } from "../tools/io/tool-box.ts";
import { WorkspaceFiles } from "../tools/io/workspace-files.ts";
import type { CommandRun } from "./command.ts";
import { ModelLink } from "./model-link.ts";
import { modelSocketPath } from "./model-socket.ts";
import { endAfterChecks, verifyWork } from "./model-verification.ts";
import { notDone, type Work, type Workshop } from "./workshop.ts";

/** Replies answered without a thought pass over their own mistakes; a little chance gets out of a rut. */
const TEMPERATURE = 0.2;

/**
 * The tool loop on a model: it works in the workspace through tools until it says that it is done or a limit is
 * reached; then the checks decide, and what failed goes back to it.
 */
export async function runModel(shop: Workshop, plan: ModelPlan): Promise<Work> {
  const { assignment, clock, stop } = shop;
  const { spec, token, limits } = assignment;
  const files = WorkspaceFiles.open(shop.workspace);
  if (!files.ok) return notDone(files.error);
  // What it was begun with belongs to its key: a task that is submitted anew does not go on where another one was.
  const key = new Bun.CryptoHasher("sha256").update(JSON.stringify([assignment.taskId, spec, shop.workspace]));
  const checkpoint = new CheckpointFile(plan.checkpointPath, key.digest("hex"));
  const chars = observationChars(plan.contextTokens);
  const tools = new BoxedTools({
    files: files.value,
    observationChars: chars,
    boxOn: (ledger) =>
      new ToolBox({ files: files.value, ledger, clock, runCommand: commandTool(shop), observationChars: chars }),
  });
  const teller = new StepTeller(shop, plan);
  try {
    const loop = await ToolLoop.open({
      plan: {
        systemPrompt: systemPrompt(tools.definitions),
        taskPrompt: taskPrompt(spec),
        limits: { ...plan.limits, wallMs: spec.deadlineMs ?? plan.limits.wallMs },
        contextTokens: plan.contextTokens,
        models: plan.models,
        // Thinking costs a trivial task more than it brings.
        options: { temperature: TEMPERATURE, ...(plan.tier === "trivial" ? { thinking: false } : {}) },
      },
      model: new ModelLink({
        socketPath: modelSocketPath(assignment.socketPath),
        token,
        clock,
        patienceMs: limits.orphanMs,
      }),
      context: requestContext(plan),
      tools,
      parser: modelReplies,
      clock,
      stop,
      checkpoint,
      onStep: (step) => teller.tell(step),
    });
    if (!loop.ok) return notDone(loop.error);
    const { outcome, reports } = await runWithCorrections({
      loop: loop.value,
      verify: () => verifyWork(shop),
      maxCorrections: plan.corrections,
    });
    const report = reports.at(-1);
    if (report === undefined) return notDone(NO_REPORT);
    const end = endAfterChecks(outcome.end, report, shop);
    const { completed, remaining, isJudged, ...verdict } = judgeLoop({ ...outcome, end }, report);
    const model: ModelWork = {
      ...tierOf(plan),
      isJudged,
      ...teller.answeredBy,
      replies: outcome.replies,
      ...outcome.ownUsage,
      calls: outcome.callCounts,
      ended: describeLoopEnd(end),
      lastWords: outcome.lastWords,
      completed,
      remaining,
      corrections: reports.slice(0, -1),
    };
    return { verdict, report, model };
  } finally {
    await checkpoint.close();
    files.value.close();
  }
}

const NO_REPORT: Failure = refused("internal", "the loop ended without a report");

function tierOf({
  tier,
  classifiedTier,
  tierReason,
}: ModelPlan): Pick<ModelWork, "tier" | "classifiedTier" | "tierReason"> {
  return { tier, classifiedTier, tierReason };
}

function requestContext(plan: ModelPlan): RequestContext {
  return {
    purpose: "task",
    tier: plan.tier,
    kinds: plan.kinds,
    allowSpill: plan.allowSpill,
    priority: plan.priority,
    ...(plan.models.length === 0 ? {} : { models: plan.models }),
    ...(plan.namedModels.length === 0 ? {} : { namedModels: plan.namedModels }),
    ...(plan.goal === null ? {} : { goal: plan.goal }),
  };
}

/** @returns how the model's commands are run; undefined where all would be refused, since a tool for that costs replies. */
function commandTool(shop: Workshop): RunToolCommand | undefined {
  if (shop.assignment.sandbox.commandsRefused !== null) return undefined;
  return (command, timeoutMs, outputBytes, signal) => runToolCommand(shop, command, timeoutMs, outputBytes, signal);
}

/** A command of the model ends with its time, with the attempt, and with the call that asked for it. */
async function runToolCommand(
  shop: Workshop,
  command: readonly string[],
  timeoutMs: number,
  outputBytes: number,
  signal: AbortSignal,
): Promise<CommandRun> {
  const stop = new StopSwitch();
  const onAbort = (): void => stop.request({ by: "machine", reason: "the call was ended" });
  void shop.stop.requested.then((request) => stop.request(request));
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort);
  try {
    return await shop.command({ command, cwd: shop.workspace, wallMs: timeoutMs, outputBytes }, stop);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Tells people what the loop does: every step in the attempt's log, the latest as progress of the task. */
class StepTeller {
  readonly #shop: Workshop;
  readonly #plan: ModelPlan;
  #replies = 0;
  answeredBy: Pick<ModelWork, "command" | "endpoint" | "model"> = { command: null, endpoint: null, model: null };

  constructor(shop: Workshop, plan: ModelPlan) {
    this.#shop = shop;
    this.#plan = plan;
  }

  tell(step: LoopStep): void {
    const line = stepLine(step);
    const { log, clock } = this.#shop;
    log.note(line);
    log.step(step, clock.nowMs());
    if (step.kind === "replied" || step.kind === "resumed") this.#replies = step.round;
    if (step.kind === "replied") {
      this.answeredBy = { command: null, endpoint: step.endpoint, model: step.model };
    }
    if (step.kind === "observed") this.#shop.crashPoint("worker:after-tool");
    const ratio = Math.min(1, this.#replies / this.#plan.limits.iterations);
    this.#shop.link.progress({ ratio, message: line.slice(0, MAX_PROGRESS_MESSAGE_CHARS) });
  }
}
