/** queue: tasks, lanes, leases, retries, dead letters, dependencies, fairness, schedules. Pure; imports base only. */
export { backoffMs } from "./backoff.ts";
export { type ClaimedTask, type ClaimReceipt, type ClaimRequest, DEFER_MS } from "./commands/claim.ts";
export type { CancelReceipt } from "./commands/control.ts";
export { type FinishReceipt, fenceOf } from "./commands/finish.ts";
export { findCycle, type Receipt } from "./commands/submit.ts";
export { Consumer, type ConsumerOptions } from "./consumer.ts";
export { AGED_TURN_EVERY, LANE_PATIENCE_MS } from "./fairness.ts";
export { LEASE_TERM_MS, type Lease, LeaseTable } from "./leases.ts";
export { lostReport } from "./lost-report.ts";
export { emptyLane, MemoryQueueStore, type MemorySnapshot } from "./memory-store.ts";
export type { PlacementRule } from "./placement-rule.ts";
export type {
  AttemptSample,
  CommandRow,
  CostQuery,
  CostSum,
  NoteKind,
  NoteRow,
  NoteTable,
  Page,
  PruneBefore,
  QueueStore,
  QueueTransaction,
  TaskFilter,
  TaskRecord,
} from "./ports.ts";
export type { Once, Queue, ScheduleRequest } from "./queue.ts";
export { nextDueMs, type OverlapPolicy, type ScheduleRow } from "./schedule.ts";
export { QueueService, type QueueServiceOptions } from "./service.ts";
export type { AnnouncementKind } from "./task.ts";
export {
  ATTEMPT_OUTCOMES,
  type AttemptOutcome,
  type AttemptReport,
  type AttemptRow,
  DEPENDENCY_POLICIES,
  type DependencyPolicy,
  type EndReason,
  type Fence,
  type KeyPolicy,
  type KeyRow,
  LANES,
  type Lane,
  type LaneRow,
  type NewQueueEvent,
  type NewTask,
  type Progress,
  type QueueEvent,
  type QueueEventKind,
  sameFence,
  TASK_STATES,
  type TaskRow,
  type TaskState,
  UNLIMITED,
  type WakeReason,
} from "./task.ts";
export { accepted, hasEnded, violations } from "./transition.ts";
