import { storedFields } from "#api";
import { err, ok, retryable } from "#base";
import type { AttemptResult, SandboxPlan } from "#execution";
import { LANES } from "#queue";
import type { Stores } from "#store";
import type { AttemptPlanner } from "./attempts.ts";
import type { NodeModels } from "./models/open-models.ts";

type Models = Pick<NodeModels, "plans" | "learned" | "registry" | "spending">;

/** Plans attempts from what the store knows of their task, and keeps what came of them. */
export function attemptPlanner(sandbox: SandboxPlan, stores: Pick<Stores, "queue">, models: Models): AttemptPlanner {
  return {
    sandbox,
    modelPlan: async (task, spec, executor) => {
      const found = await stores.queue.find(task.row.id);
      if (!found.ok) return found;
      const { attempts = [], labels = {} } = found.value ?? {};
      const lane = LANES[task.row.lane] ?? "normal";
      const mayTryAgain = task.attempt < task.row.attemptLimit;
      const asked = { id: task.row.id, lane, labels, requiredModels: requiredModels(task.body), mayTryAgain };
      const plan = models.plans.modelPlan(spec, executor, asked, attempts, models.registry.states());
      // The command asks its service by itself, so this is the only place to hold it back.
      const admission = plan.claudeCommand === null ? undefined : models.spending.admit();
      if (admission === undefined || admission.kind === "allowed") return ok(plan);
      return err(retryable("limit", admission.reason, "Raise the budget, or wait until it is free again"));
    },
    ended: (ref, result) => {
      learn(models, result);
      if (result.model !== undefined && models.registry.state(result.model.endpoint ?? "") === undefined) {
        accountCommand(models, ref, result, result.model);
      }
    },
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
  ref: { readonly taskId: string; readonly attempt: number },
  result: AttemptResult,
  model: NonNullable<AttemptResult["model"]>,
): void {
  const { promptTokens, completionTokens, costMicrodollars, tier } = model;
  if (promptTokens + completionTokens + costMicrodollars === 0) return;
  spending.record({
    atMs: result.endedAtMs,
    purpose: "task",
    taskId: ref.taskId,
    attempt: ref.attempt,
    endpoint: model.endpoint ?? "command",
    model: model.model ?? "claude",
    tier,
    promptTokens,
    completionTokens,
    costMicrodollars,
    energyJoules: null,
    durationMs: result.durationMs,
  });
}

function requiredModels(body: string): readonly string[] {
  const { requires } = storedFields(body);
  if (typeof requires !== "object" || requires === null || Array.isArray(requires) || !("models" in requires))
    return [];
  const { models } = requires;
  return Array.isArray(models) ? models.filter((name) => typeof name === "string") : [];
}
