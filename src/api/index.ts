/** api: the HTTP API over the rooms: routes, schemas, token, limits, events. Knows no storage and no sockets but its own. */

/** Words of the queue that occur in answers, so that a client needs this room alone. */
export type { Lane, OverlapPolicy, TaskState } from "#queue";
export { type Api, type ApiOptions, type AppType, createApi } from "./app.ts";
export type { ApiBindings, ApiEnv } from "./environment.ts";
export type { Cause, Explanation } from "./explain.ts";
export { fleetOffers } from "./fleet-view.ts";
export type { GoalView, WholeGoalView } from "./goal-view.ts";
export { heldOf } from "./held-tasks.ts";
export type {
  FindingQuery,
  FindingView,
  ImprovementPort,
  ImprovementsView,
  ProposalPort,
} from "./improvement-port.ts";
export type {
  BudgetState,
  CapacityPoint,
  Classification,
  ModelPassRate,
  ModelPorts,
} from "./model-ports.ts";
export type { BottlenecksView, NodeFiguresView, NodesView, NodeView } from "./node-view.ts";
export {
  type ApiPorts,
  type BackupReceipt,
  type BreakerPort,
  type BreakerView,
  type ConfigEntry,
  type DurabilityView,
  type FleetPort,
  type FleetSettingsPort,
  type FleetStanding,
  type Following,
  type LogChunk,
  type MindPort,
  type NodeInfo,
  type NoticePort,
  type ReadinessCheck,
  type RolloutPort,
  type RunningAttempt,
  type ShutdownMode,
  type StorageFigures,
  type UploadPort,
  unwatched,
  type WatchdogPort,
  type WebhookPort,
  type WholeResult,
} from "./ports.ts";
export type { Problem, ProblemCode } from "./problem.ts";
export type { EventView, KeyView, QueueView, ScheduleView } from "./queue-view.ts";
export type {
  AssessmentView,
  DeliveryView,
  DeliveryWish,
  ReceiptView,
  RepositoryPort,
  RepositoryView,
} from "./repository-port.ts";
export {
  absenceRemedy,
  type NodeOffer,
  parseRequirements,
  type Requirements,
  requirementsText,
  unmetRequirements,
} from "./requirements.ts";
export type { DecisionView } from "./route-view.ts";
export { type HttpServer, type ServeOptions, serveApi } from "./serve.ts";
export {
  type SourceBuild,
  type SourceBuildOrder,
  type SourceBuildPort,
  type SourceBuilds,
  type SourceChange,
  sourceBuildSchema,
} from "./source-build.ts";
export {
  type Submission,
  type SubmissionDefaults,
  type SubmissionFacts,
  type SubmissionInput,
  storedFields,
  submissionsToTasks,
  taskSpecOf,
} from "./submission.ts";
export { type AttemptView, type TaskView, taskView } from "./task-view.ts";
