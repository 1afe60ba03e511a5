/** activities: what a node does in each state of its mind, and what it needs for that. Decides nothing about states. */

export { type Activities, type Activity, NOTHING_TO_DO } from "./activity.ts";
export {
  Contemplating,
  type ContemplatingParts,
  type ProposalPolicy,
} from "./contemplating/contemplating.ts";
export { dedupe } from "./contemplating/dedupe.ts";
export { measuredProposals } from "./contemplating/measured-proposals.ts";
export type {
  AttemptMeasure,
  EndpointMeasure,
  Measurements,
  MisfitMeasure,
  NodeMeasure,
} from "./contemplating/measurements.ts";
export { readProposals } from "./contemplating/model-proposals.ts";
export {
  type Decision,
  PROPOSAL_KINDS,
  PROPOSAL_SOURCES,
  PROPOSAL_STATES,
  type Proposal,
  type ProposalBody,
  type ProposalDraft,
  type ProposalState,
  type ProposalStore,
} from "./contemplating/proposal.ts";
export { similarity } from "./contemplating/similarity.ts";
export { Executing, type GoalFigures, goalFigures } from "./executing/executing.ts";
export {
  type DeliveryOrder,
  type ExecutingParts,
  type ExecutingSettings,
  type GoalRepositories,
  modelsOf,
} from "./executing/ports.ts";
export { lastWords } from "./executing/seen-tasks.ts";
export { GOAL_STEPS } from "./executing/steps.ts";
export { diskFault, memoryFault } from "./facts/host-faults.ts";
export { KeyActivity } from "./facts/key-activity.ts";
export { Streaks } from "./facts/streaks.ts";
export {
  type CarriedOut,
  type CountHealthy,
  did,
  Healing,
  type Remedies,
  type Remedy,
  type Treatment,
} from "./healing/healing.ts";
export {
  type BrokenBuild,
  fixTaskOf,
  type MergeConflict,
  NO_REPOSITORIES,
  type RepositoryHealth,
} from "./healing/repository-health.ts";
export { type Choice, type ChoiceRules, choose, DEFAULT_CHOICE_RULES, keyOf, MAX_REVERTS } from "./improving/choose.ts";
export {
  FINDING_SOURCES,
  FINDING_STATES,
  type FindingSource,
  type FindingState,
  isTryOpen,
  type KnownFinding,
  type ScanRecord,
  TRY_STATES,
  type Try,
  type TryState,
} from "./improving/improvement.ts";
export { Improving, type ImprovingParts } from "./improving/improving.ts";
export { Look } from "./improving/look.ts";
export { ModelLook } from "./improving/model-look.ts";
export type {
  FindingFilter,
  GoalEnd,
  GoalOutcomes,
  GoalSubmissions,
  ImprovedRepositories,
  ImprovementStore,
  Looked,
  MindTaskEnd,
  MindTasks,
  NewGoal,
  Question,
  TryChange,
} from "./improving/ports.ts";
export { ToolLook } from "./improving/tool-look.ts";
export { type Care, decodeAll, type KeptMind, MemoryMindJournal, type MindJournal } from "./mind-journal.ts";
export type { StateBudgets } from "./state-budgets.ts";
