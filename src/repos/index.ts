/** repos: repositories, the work on them, and what may leave them. */
export type { Change } from "./autonomy/change.ts";
export { type Decision, type DecisionFacts, decide, type Policy, TIERS, type Tier } from "./autonomy/decision.ts";
export { type Risk, type RiskFacts, riskOf } from "./autonomy/risk.ts";
export {
  type Assessment,
  type CheckReport,
  type CheckRunner,
  type DeliveryNews,
  type DeliveryOrder,
  type DeliveryReceipt,
  reportOf,
} from "./delivery/delivery.ts";
export { policyOf } from "./delivery/io/assess.ts";
export { Deliveries } from "./delivery/io/deliveries.ts";
export type { RepositoryDescription } from "./description/description.ts";
export { describeCommit } from "./description/io/describe.ts";
export type { CommitStatus, Forge, PullRequest } from "./forge/forge.ts";
export { openForge } from "./forge/io/open-forge.ts";
export {
  AttemptWork,
  type CapturedWork,
  type NeededWork,
  type PreparedWork,
} from "./io/attempt-work.ts";
export { checkOut, removeCheckout } from "./io/checkout.ts";
export type { Author } from "./io/commits.ts";
export { ForgeTokens } from "./io/forge-tokens.ts";
export {
  type PublicationSource,
  publishedFiles,
  repositoryRoot,
} from "./io/published-files.ts";
export { type PlaceSettings, type RepositoryPlace, RepositoryPlaces } from "./io/repository-place.ts";
export { removeShared, type SharingParts, sharedIds } from "./io/shared-work.ts";
export type { WorkRecord } from "./io/work-records.ts";
export { ALLOW_LIST_FILE, type Allowed, type Judged, judge, parseAllowList } from "./publication/allow-list.ts";
export type { Finding, FindingKind, Severity } from "./publication/finding.ts";
export { type Replaced, replaceAddresses } from "./publication/replace-addresses.ts";
export { type PublishedFile, type ScanParts, scanFile } from "./publication/scan.ts";
export { MemoryRepositoryStore } from "./registry/memory-repository-store.ts";
export {
  CHECK_NAMES,
  type CheckName,
  findForgeRepository,
  findRepository,
  MAX_REPOSITORIES,
  type Registered,
  type Repository,
  type RepositoryEntry,
  type RepositoryInput,
  registered,
  repositorySchema,
  workBranch,
} from "./registry/repository.ts";
export type { ConditionRecord, DeliveryOutcome, DeliveryRecord, RepositoryStore } from "./registry/repository-store.ts";
export { FactsFile } from "./scanning/io/facts-file.ts";
export { folderState } from "./scanning/io/folder-files.ts";
export { allowListOf, changedPaths, type TrackedState, trackedState } from "./scanning/io/tracked-files.ts";
export { isForeign, isTest, languageOf } from "./scanning/languages.ts";
export {
  MANIFESTS,
  type ProjectCommand,
  preferRegistered,
  projectCommands,
  type RegisteredChecks,
} from "./scanning/project-commands.ts";
export { type Ranked, rankFindings } from "./scanning/rank.ts";
export {
  type Digest,
  named,
  type ScanEffort,
  type ScanFinding,
  type ScanKind,
  type ScanSeverity,
  type Sighted,
} from "./scanning/scan-finding.ts";
export {
  type FactsCache,
  type FileFactsEntry,
  type RepositoryScan,
  scanRepository,
  type TrackedFile,
} from "./scanning/scan-repository.ts";
export { readToolRun, type ToolReading, type ToolRun } from "./scanning/tool-output.ts";
export { type AtRepositoryStep, REPOSITORY_STEPS } from "./steps.ts";
export { Turns } from "./turns.ts";
