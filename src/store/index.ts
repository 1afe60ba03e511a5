/** store: everything durable. Opens the databases, owns all SQL, implements the queue's port. */
export { type BackupReport, type BackupSchedule, scheduleBackups } from "./backup.ts";
export { backupsNewestFirst, backupTimeMs } from "./backup-policy.ts";
export { type Examination, examineDatabase } from "./examine.ts";
export type { Identity, IdentityChange } from "./identity.ts";
export { changesState, stateMark } from "./inspect.ts";
export { type NodeNotes, readNodeNotes } from "./node-notes.ts";
export { openStores, type StoreOptions, type Stores } from "./open.ts";
export { type MemberStores, openMemberStores, setFormerReplicaAside } from "./open-member.ts";
export { seedServerFolder } from "./primary/fill.ts";
export type { PrimaryOptions } from "./primary/start.ts";
export type { Replica } from "./replica/replica.ts";
export { type RestoreReport, restoreBackup } from "./restore.ts";
export {
  finishPromotion,
  finishStepDown,
  noteStepDown,
  raiseEpoch,
  readHubFacts,
  type SuccessionStep,
} from "./succession.ts";
export { verifyAuditFile, verifyAuditOf } from "./verify-audit.ts";
export type { CrashPoint } from "./writer.ts";
