/** api: the HTTP API over the rooms: routes, schemas, token, limits, events. Knows no storage and no sockets but its own. */
export { type Api, type ApiOptions, type AppType, createApi } from "./app.ts";
export type { ApiBindings, ApiEnv } from "./environment.ts";
export type { Cause, Explanation } from "./explain.ts";
export { nearestName } from "./nearest-name.ts";
export type {
  ApiPorts,
  BackupReceipt,
  ConfigEntry,
  LogChunk,
  NodeInfo,
  ReadinessCheck,
  RunningAttempt,
  ShutdownMode,
  StorageFigures,
} from "./ports.ts";
export { PROBLEMS, type Problem, type ProblemCode, problemOf } from "./problem.ts";
export type { EventView, KeyView, QueueView, ScheduleView } from "./queue-view.ts";
export type { BottlenecksView, NodeFiguresView, NodesView, NodeView } from "./node-view.ts";
export {
  type NodeOffer,
  parseRequirements,
  type Requirements,
  requirementsText,
  unmetRequirements,
} from "./requirements.ts";
export { type HttpServer, serveApi, type ServeOptions } from "./serve.ts";
export {
  type Batch,
  newTasks,
  parseSubmissions,
  SUBMISSION_DEFAULTS,
  type Submission,
  type SubmissionDefaults,
  type SubmissionFacts,
  type SubmissionInput,
  submissionsToTasks,
  taskSpecOf,
} from "./submission.ts";
export { type AttemptView, type TaskView, taskView } from "./task-view.ts";
/** Words of the queue that occur in answers, so that a client needs this room alone. */
export type { Lane, OverlapPolicy, TaskState } from "#queue";
