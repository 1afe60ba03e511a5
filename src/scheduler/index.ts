/** scheduler: which task goes to which model on which endpoint, and why. */

export { BatchingOrder, type QueuedForModel } from "./batching.ts";
export {
  BUDGET_WINDOWS,
  type Budget,
  type BudgetAction,
  BudgetCounter,
  type BudgetDecision,
  type BudgetWindow,
  budgetAlerts,
  checkBudget,
  type Spent,
  windowStartMs,
} from "./budget.ts";
export { type Complexity, type ComplexityFacts, classifyComplexity } from "./complexity.ts";
export { type Lookahead, type NeededSoon } from "./demand-book.ts";
export type { EndpointHardware } from "./first-estimate.ts";
export type { FitPlanner, RouteFit } from "./fit-planner.ts";
export { statedMemorySpeed } from "./memory-speed.ts";
export { PassLedger, type PassRate, type PassRow } from "./pass-ledger.ts";
export { type Prewarm, type PrewarmEndpoint, type PrewarmOffer, planPrewarms } from "./prewarm.ts";
export { energyCost, type ModelPrice, priceOf, tokenCost } from "./price.ts";
export type {
  EndpointModel,
  RouteCandidate,
  RouteDecision,
  RouteObservation,
  RouteRequest,
  Router,
  RouteTerms,
} from "./route.ts";
export { ExpectedCompletionRouter } from "./router.ts";
export { SlotBook, type SlotRow } from "./slot-book.ts";
export { SpeedBook, type SpeedRow } from "./speed-book.ts";
export { type ConfiguredTiers, chainFor, nextTier, type TierChain, type TierOutcome } from "./tiers.ts";
export type { PredictionAccuracy } from "./work-book.ts";
