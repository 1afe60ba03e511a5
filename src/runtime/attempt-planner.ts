import { storedFields } from "#api";
import { describeFailure, err, type Logger, ok, retryable } from "#base";
import type { AttemptRef, AttemptResult, SandboxPlan } from "#execution";
import { LANES } from "#queue";
import type { Stores } from "#store";
import type { AttemptPlanner } from "./attempts.ts";
import type { NodeModels } from "./models/open-models.ts";
import { requiredModels } from "./models/required-models.ts";

type Models = Pick<NodeModels, "plans" | "learned" | "registry" | "spending">;
type Parts = {
  readonly sandbox: SandboxPlan;
  readonly stores: { readonly queue: Pick<Stores["queue"], "find"> };
  readonly models: Models;
  readonly logger: Logger;
};

/** Plans attempts from what the store knows of their task, and keeps what came of them. */
export function attemptPlanner({ sandbox, stores, models, logger }: Parts): AttemptPlanner {
  return {
    sandbox,
    modelPlan: async (task, spec, executor) => {
      const found = await stores.queue.find(task.row.id);
      if (!found.ok) return found;
      const { attempts = [], labels = {} } = found.value ?? {};
      const lane = LANES[task.row.lane] ?? "normal";
      const { body } = task;
      const mayTryAgain = task.attempt < task.row.attemptLimit;
      const required = { requiredModels: requiredModels(body), goal: goalOf(body) };
      const asked = { id: task.row.id, lane, labels, ...required, mayTryAgain };
      const plan = models.plans.modelPlan(spec, executor, asked, attempts, models.registry.states());
      // The command asks its service by itself, so this is the only place to hold it back.
      const admission = plan.claudeCommand === null ? undefined : models.spending.admit();
      if (admission === undefined || admission.kind === "allowed") return ok(plan);
      return err(retryable("limit", admission.reason, "Raise the budget, or wait until it is free again"));
    },
    ended: async (ref, result, isRepeated) => {
      if (!isRepeated) learn(models, result);
      if (typeof result.model?.command !== "string") return;
      if (isRepeated) {
        // Its node may have died between the report and this account.
        const spent = await models.spending.spentBy(ref.taskId, ref.attempt);
        if (!spent.ok || spent.value.requests > 0) return;
      }
      const found = await stores.queue.find(ref.taskId);
      if (!found.ok) logger.warn("the goal of a task was not found", { failure: describeFailure(found.error) });
      const goal = found.ok && found.value !== undefined ? goalOf(found.value.body) : null;
      accountCommand(models, ref, result, { ...result.model, command: result.model.command, goal });
    },
    spentBy: (ref) => models.spending.spentBy(ref.taskId, ref.attempt),
  };
}

/** Under the tier of the task, wherever it ran: that is what the next such task asks of each model. */
function learn({ learned }: Models, { outcome, model, report }: AttemptResult): void {
  if (model?.model === undefined || model.model === null || !model.isJudged) return;
  // Of a task without checks only the model itself says that it is done.
  if (report.checks.length === 0 && report.skipped === undefined) return;
  learned.passes.record(model.model, model.classifiedTier, outcome === "passed");
}

/** What an installed command asked of its service went through no endpoint of ours. */
function accountCommand(
  { spending }: Models,
  ref: AttemptRef,
  result: AttemptResult,
  model: NonNullable<AttemptResult["model"]> & { readonly command: string; readonly goal: string | null },
): void {
  const { promptTokens, completionTokens, costMicrodollars, tier, goal } = model;
  if (promptTokens + completionTokens + costMicrodollars === 0) return;
  spending.record({
    atMs: result.endedAtMs,
    purpose: "task",
    taskId: ref.taskId,
    attempt: ref.attempt,
    goal,
    endpoint: model.command,
    model: model.model ?? "claude",
    tier,
    promptTokens,
    completionTokens,
    costMicrodollars,
    energyJoules: null,
    durationMs: result.durationMs,
  });
}

function goalOf(body: string): string | null {
  const { goal } = storedFields(body);
  return typeof goal === "string" ? goal : null;
}
