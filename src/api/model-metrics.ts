/** What a scraper sees of endpoints, models and hardware. */
import { freeVramBytes } from "#hw";
import type { ApiPorts } from "./ports.ts";

/** Sums over more than this many models are of no use to a graph. */
const MAX_MODELS = 200;
/** Each in each of the three tiers. */
const MAX_RATES = 3 * MAX_MODELS;
const DAY_MS = 86_400_000;

/** Registers everything; figures are taken when somebody scrapes. */
export function publishModelMetrics({ metrics, models, clock }: ApiPorts): void {
  const healthy = metrics.gauge("drover_endpoint_healthy", "1 while an endpoint takes requests");
  const inFlight = metrics.gauge("drover_endpoint_requests", "Requests of this node under way, by endpoint and model");
  const waiting = metrics.gauge("drover_model_requests_waiting", "Requests that wait for a model");
  const tokens = metrics.gauge("drover_model_tokens_day", "Tokens of the last 24 hours, by model and direction");
  const cost = metrics.gauge("drover_model_cost_microdollars_day", "Cost of the last 24 hours, by model");
  const error = metrics.gauge(
    "drover_route_prediction_error_ratio",
    "Mean error of expected times as a part of the time that replies took, over about the last hundred",
  );
  const vram = metrics.gauge("drover_vram_free_bytes", "Memory of a graphics card that is free, by card");
  const ram = metrics.gauge("drover_ram_available_bytes", "Memory that this node can still take");
  const budget = metrics.gauge("drover_budget_used_ratio", "Used part of a budget, by span and unit; 1 is all of it");
  const passed = metrics.gauge("drover_model_pass_ratio", "Estimated share of verified attempts, by model and tier");
  const judged = metrics.gauge(
    "drover_model_judged_attempts",
    "Attempts behind drover_model_pass_ratio; old ones fade",
  );
  metrics.onScrape(async () => {
    waiting.set(models.inference.waiting);
    const { meanAbsoluteErrorRatio } = models.accuracy();
    if (meanAbsoluteErrorRatio !== null) error.set(meanAbsoluteErrorRatio);
    for (const gauge of [healthy, inFlight, tokens, cost, vram, passed, judged]) gauge.clear();
    for (const { endpoint, health, inFlight: running } of models.endpoints()) {
      healthy.set(health.kind === "healthy" ? 1 : 0, { endpoint: endpoint.id });
      for (const [model, count] of Object.entries(running)) inFlight.set(count, { endpoint: endpoint.id, model });
    }
    for (const { model, tier, mean, samples } of models.passRates().slice(0, MAX_RATES)) {
      passed.set(mean, { model, tier });
      judged.set(samples, { model, tier });
    }
    const capacity = models.capacity();
    if (capacity.ram.availableBytes !== null) ram.set(capacity.ram.availableBytes);
    for (const gpu of capacity.gpus) {
      const free = freeVramBytes(gpu, capacity.ram);
      if (free !== null) vram.set(free, { gpu: gpu.id, name: gpu.name });
    }
    budget.clear();
    const budgets = await models.budgets();
    for (const { span, unit, used, limit } of budgets.ok ? budgets.value : []) {
      budget.set(limit > 0 ? used / limit : 1, { span, unit });
    }
    const toMs = clock.nowMs() + 1;
    const sums = await models.store.usage({ fromMs: toMs - DAY_MS, toMs, by: "model", limit: MAX_MODELS });
    if (!sums.ok) return;
    for (const sum of sums.value) {
      tokens.set(sum.promptTokens, { model: sum.group, direction: "prompt" });
      tokens.set(sum.completionTokens, { model: sum.group, direction: "reply" });
      cost.set(sum.costMicrodollars, { model: sum.group });
    }
  });
}
