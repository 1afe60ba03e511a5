/** fleet: several nodes that share one queue: who may join, who is believed, and what the hub is asked. */
export {
  type FleetAdministration,
  HubAdministration,
  type HubParts,
  type TokenReceipt,
  type TokenView,
} from "./administration.ts";
export {
  BLOB_PIECE_BYTES,
  type BlobHash,
  type BlobLimits,
  type BlobState,
  type BlobStore,
  parseBlobHash,
  readWholeBlob,
} from "./blobs/blob-store.ts";
export { DiskBlobStore } from "./blobs/io/disk-blob-store.ts";
export { MemoryBlobStore } from "./blobs/memory-blob-store.ts";
export type {
  FleetNode,
  HubTerm,
  JoinTokens,
  Membership,
  NodeDirectory,
  NodeSecrets,
  NodeState,
  NotedRole,
} from "./directory.ts";
export { type ElectionNote, EMPTY_NOTE } from "./election.ts";
export { ElectionDuty, type ElectionDutyParts, type ElectionView } from "./election-duty.ts";
export { type ElectionPorts, type ElectionStore, MemoryElectionStore, type Standpoint } from "./election-ports.ts";
export {
  type ElectionAnswer,
  type ElectionRequest,
  electionAnswerSchema,
  electionRequestSchema,
} from "./election-words.ts";
export { Enrolment, type EnrolmentParts, type HubLink, type JoinWish } from "./enrolment.ts";
export { markOf, nextEpoch, roundOf } from "./epoch.ts";
export { FailingNodes, type NodeBackOff } from "./failing-nodes.ts";
export {
  announcedLevels,
  cannotLead,
  FEATURE_LEVEL,
  FIRST_FEATURE_LEVEL,
  fleetLevel,
  type LevelRange,
  levelsSaid,
  notSpoken,
  OLDEST_FEATURE_LEVEL,
  OWN_LEVELS,
  SETTLED_MS,
  speaks,
  unfit,
} from "./feature-level.ts";
export { FleetQueue } from "./fleet-queue.ts";
export type { FleetQueueOptions } from "./fleet-queue-options.ts";
export { type Home, Homes } from "./homes.ts";
export { type HubRequest, httpLink } from "./http-link.ts";
export { directLink, HubService, type HubServiceOptions } from "./hub-service.ts";
export { cryptography } from "./io/cryptography.ts";
export type { FetchFrom } from "./io/exchange.ts";
export { type CallLimits, HubClient, type HubClientOptions } from "./io/hub-client.ts";
export { type BootTime, type DurableText, LeaseNotes, MemoryText } from "./lease-notes.ts";
export { MemoryJoinTokens, MemoryNodeDirectory, MemoryNodeSecrets, sameKey } from "./memory-directory.ts";
export { MemoryOutbox } from "./memory-outbox.ts";
export { type Fleet, type FleetParts, openFleet } from "./open-fleet.ts";
export { FleetOrders, type Order, type ReleaseOrder } from "./orders.ts";
export type { AttemptBlobs, UnsentPart } from "./parts/attempt-blobs.ts";
export { FetchedParts } from "./parts/io/fetched-parts.ts";
export { OwnPartFiles } from "./parts/io/own-part-files.ts";
export { MemoryAttemptBlobs } from "./parts/memory-attempt-blobs.ts";
export { ATTEMPT_PARTS, ENCODINGS, type OwnParts, type PartBlob, type PartKey } from "./parts/part.ts";
export { PartCollection } from "./parts/part-collection.ts";
export { PartDepot } from "./parts/part-depot.ts";
export { PartPusher } from "./parts/part-pusher.ts";
export { type Elsewhere, type PartLink, PartReader } from "./parts/part-reader.ts";
export { PartRelay } from "./parts/part-relay.ts";
export { PartUploads } from "./parts/part-uploads.ts";
export {
  blobStateSchema,
  partPushAnswerSchema,
  partPushSchema,
  partReadAnswerSchema,
  partReadSchema,
} from "./parts/part-wire.ts";
export { type HubParts as PartsOfHub, hubParts, type PartTransport } from "./parts/parts-link.ts";
export { type GoalKeeper, performOn } from "./perform-command.ts";
export { betterPlace, type Deferral, type NodeFacts, type Places, type WorkKind } from "./placement.ts";
export type { Outbox, OutboxAnswer, OutboxRow, QueueLink, ReplicaView } from "./ports.ts";
export { hasReached, type Position } from "./position.ts";
export { Presence } from "./presence.ts";
export {
  entryOf,
  foldersToDelete,
  type NewEntry,
  type OwnEvent,
  type Quarantine,
  type QuarantineCounts,
  type QuarantineEntry,
  type QuarantineFolder,
  type QuarantineOutcome,
  type Resend,
  settlementOf,
  TELLING_EVENTS,
} from "./quarantine.ts";
export { ReplicaWatch, type ReplicaWatchOptions } from "./replica-watch.ts";
export { onReplicas, replicatedQueue } from "./replicated-queue.ts";
export {
  type AttemptCount,
  beginRollout,
  type NodeSight,
  type Rollout,
  type RolloutEvent,
  type RolloutFacts,
  stepRollout,
  type TakeReport,
} from "./rollout.ts";
export { runningOn } from "./running-on.ts";
export {
  type CheckSetting,
  type FleetSetting,
  type FleetSettings,
  HubSettings,
  RemoteSettings,
  type SettingReceipt,
} from "./settings.ts";
export {
  type FoundHub,
  type HubWord,
  hubToFollow,
  type KnownHub,
  obstacleToPromotion,
  type Promotion,
  type PromotionFacts,
} from "./succession.ts";
export { RequestGate, refusalText } from "./trust/gate.ts";
export { HubClock } from "./trust/hub-clock.ts";
export {
  type Candidate,
  DEFAULT_TOKEN_TTL_MS,
  type HubIdentity,
  hubUrl,
  type JoinAnswer,
  type JoinRequest,
  type JoinToken,
  joinRequest,
  judgeJoin,
  type LeaseClass,
  MAX_TOKEN_TTL_MS,
  MAX_TOKEN_USES,
  makeToken,
  readInvitation,
  type TokenWish,
} from "./trust/join-token.ts";
export { followKeyChanges, type KeyChange, MAX_KEY_CHANGES, makeKeyChange } from "./trust/key-change.ts";
export { type Cryptography, fingerprintOf, isPublicKey, type NodeKey } from "./trust/keys.ts";
export { FLEET_ROLES, type FleetAction, type FleetRole, mayDo, roleFor } from "./trust/roles.ts";
export * from "./trust/signing.ts";
export { type KnownNode, MAX_SKEW_MS, type TrustRefusal } from "./trust/verify-request.ts";
export { canElect, FAILOVER_MODES, type FailoverMode, MIN_VOTERS, majority, type Voters } from "./voters.ts";
export {
  claimAnswerSchema,
  claimSchema,
  commandsAnswerSchema,
  commandsSchema,
  type FleetCommand,
  heartbeatAnswerSchema,
  heartbeatSchema,
  waitAnswerSchema,
  waitSchema,
} from "./wire.ts";
