/** repos: repositories, and what may leave them. */
export {
  type PublicationSource,
  publishedFiles,
  repositoryRoot,
} from "./io/published-files.ts";
export { ALLOW_LIST_FILE, type Allowed, type Judged, judge, parseAllowList } from "./publication/allow-list.ts";
export type { Finding, FindingKind, Severity } from "./publication/finding.ts";
export { type Replaced, replaceAddresses } from "./publication/replace-addresses.ts";
export { type PublishedFile, type ScanParts, scanFile } from "./publication/scan.ts";
export { type TrackedState, trackedState } from "./scanning/io/tracked-files.ts";
export { type Ranked, rankFindings } from "./scanning/rank.ts";
export type { ScanEffort, ScanFinding, ScanKind, ScanSeverity } from "./scanning/scan-finding.ts";
export {
  type FactsCache,
  type FileFactsEntry,
  type RepositoryScan,
  scanRepository,
} from "./scanning/scan-repository.ts";
