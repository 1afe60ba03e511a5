/** watchdog: layer 0. Keeps a node running, its socket open and its release sound; knows no models, tasks or agents. */
export { childEnvironment } from "./child-environment.ts";
export { type Exit, type Fault, type FaultKind, type Pulse, REFUSED_EXIT } from "./fault.ts";
export { awaitInstanceLock, type InstanceLock, takeInstanceLock } from "./io/instance-lock.ts";
export { KeptProcesses } from "./io/kept-processes.ts";
export { LineBuffer } from "./io/line-buffer.ts";
export { LineWriter } from "./io/line-writer.ts";
export { inheritedSocket, type ListeningSocket } from "./io/listening-socket.ts";
export type { GenerationFacts } from "./io/node-unit.ts";
export { adoptOrphans, startReaper } from "./io/orphans.ts";
export { runProbe } from "./io/probe.ts";
export { entryOf, identify, isAlive, type ProcessEntry, type ProcessIdentity, variableOf } from "./io/process-table.ts";
export type { ReleaseOptions } from "./io/release-keeper.ts";
export { type LogLimits, RotatedLog } from "./io/rotated-log.ts";
export { type ServiceManager, serviceManager } from "./io/service-manager.ts";
export { type SharedListener, serveFromSocket } from "./io/shared-server.ts";
export { sendSocket } from "./io/socket-handover.ts";
export type { OutputSink } from "./io/supervised-child.ts";
export { type FaultRecord, type SupervisedView, Supervisor } from "./io/supervisor.ts";
export { startWatchdog, type Watchdog } from "./io/watchdog.ts";
export { readWatchdogFile } from "./io/watchdog-file.ts";
export { KEPT_POLICY, type KeptProcess, type KeptReport } from "./kept-process.ts";
export {
  type NodeMessage,
  PROTOCOL,
  parseWatchdogMessage,
  type ShutdownMode,
  type WatchdogAction,
  type WatchdogMessage,
} from "./messages.ts";
export type { Backoff, SupervisionPolicy } from "./policy.ts";
export {
  DEFAULT_POLICY,
  type ProbeConfig,
  type ProcessConfig,
  type ProcessSpec,
  specOfProcess,
} from "./process-spec.ts";
export { decodeBase64, encodeBase64 } from "./update/base64.ts";
export { checkExecutable, type ExecutableCheck } from "./update/executable.ts";
export { type HistoryRow, type ReleaseCheck, readHistory } from "./update/history.ts";
export { SPKI_PREFIX } from "./update/io/ed25519.ts";
export { localSource, type ReleaseSource } from "./update/io/release-source.ts";
export { RESERVE_BYTES, ReleaseStore, type ReleaseStoreParts } from "./update/io/release-store.ts";
export { type Recovery, type SwapOrder, type SwapPolicy, SwapRun, type SwapRunParts } from "./update/io/swap-run.ts";
export { DOWNLOAD_LIMITS, type DownloadLimits, type UrlSourceParts, urlSource } from "./update/io/url-source.ts";
export { type Journal, readJournal, type SwapStep } from "./update/journal.ts";
export {
  MAX_MANIFEST_BYTES,
  MAX_RELEASE_BYTES,
  type Manifest,
  parseEnvelope,
  parseManifest,
} from "./update/manifest.ts";
export { type Health, PROBATION, type ProbationPolicy } from "./update/probation.ts";
export { REFUSAL_REASONS, type Refusal, type RefusalReason } from "./update/refusal.ts";
export { parseWindow, type UpdateSchedule, type UpdateWindow } from "./update/schedule.ts";
export { SWAP_LABELS, type SwapCrashPoint, type SwapLabel } from "./update/swap-labels.ts";
export type { SelftestReport, SwapPorts } from "./update/swap-ports.ts";
export { keyIdOf, parseCertificate, parseRootKeys, type RootKey } from "./update/trust.ts";
export { compareVersions, parseVersion, type Version } from "./update/version.ts";
