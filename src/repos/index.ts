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
