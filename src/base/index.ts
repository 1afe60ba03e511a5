/** base: the words every room speaks. Imports nothing; touches nothing outside the process. */
export { assert, InvariantBroken, present } from "./assert.ts";
export { type Clock, SimulatedClock, sleep, type Timer } from "./clock.ts";
export {
  describeFailure,
  during,
  type Failure,
  type FailureCode,
  type FailureKind,
  type FieldFault,
  refused,
  retryable,
  terminal,
} from "./failure.ts";
export {
  type CommandId,
  createIdFactory,
  type GoalId,
  type IdFactory,
  type NodeId,
  parseGoalId,
  parseNodeId,
  parseScheduleId,
  parseTaskId,
  type ScheduleId,
  type TaskId,
} from "./ids.ts";
export { canonicalJson, type JsonObject, type JsonValue } from "./json.ts";
export * from "./limits.ts";
export {
  createLogger,
  LOG_LEVELS,
  type LogFields,
  type LogFormat,
  type Logger,
  type LogLevel,
  silentLogger,
} from "./log.ts";
export { isInTheOpen, isLoopback } from "./loopback.ts";
export { nearest } from "./nearest.ts";
export { type Random, seededRandom } from "./random.ts";
export { REDACTED, redactText, redactValue } from "./redact.ts";
export { err, ok, type Result } from "./result.ts";
export { FLEET_FILE, isReservedVariable, MARKER_NAME, NODE_FILE } from "./shared-names.ts";
export { isUntrusted, UNTRUSTED_LABEL } from "./untrusted.ts";
