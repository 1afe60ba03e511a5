/** watchdog: layer 0. Starts, checks, restarts and swaps the node; imports base alone. */
export { checkExecutable, type ExecutableCheck } from "./update/executable.ts";
export type { HistoryRow, ReleaseCheck } from "./update/history.ts";
export { localSource, type ReleaseSource } from "./update/io/release-source.ts";
export { ReleaseStore, type ReleaseStoreParts } from "./update/io/release-store.ts";
export { type Recovery, type SwapOrder, type SwapPolicy, SwapRun, type SwapRunParts } from "./update/io/swap-run.ts";
export { DOWNLOAD_LIMITS, type DownloadLimits, type UrlSourceParts, urlSource } from "./update/io/url-source.ts";
export type { Journal, SwapStep } from "./update/journal.ts";
export { type Health, PROBATION, type ProbationPolicy } from "./update/probation.ts";
export { REFUSAL_REASONS, type Refusal, type RefusalReason } from "./update/refusal.ts";
export { SWAP_LABELS, type SwapCrashPoint, type SwapLabel } from "./update/swap-labels.ts";
export type { SelftestReport, SwapPorts } from "./update/swap-ports.ts";
export { parseRootKeys, type RootKey } from "./update/trust.ts";
export { compareVersions, parseVersion, type Version } from "./update/version.ts";
