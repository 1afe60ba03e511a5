/** What the API needs of the node it speaks for. The runtime provides it; tests provide small ones. */
import {
  type Clock,
  err,
  type Failure,
  type IdFactory,
  type JsonObject,
  type JsonValue,
  type Logger,
  type NodeId,
  type Random,
  type Result,
  refused,
  type TaskId,
} from "#base";
import type { ExecutorKind } from "#execution";
import type {
  CheckSetting,
  ElectionAnswer,
  ElectionRequest,
  ElectionView,
  Enrolment,
  FleetAdministration,
  FleetNode,
  FleetRole,
  FleetSettings,
  HubAdministration,
  HubIdentity,
  HubService,
  HubTerm,
  PartDepot,
  PartReader,
  PartRelay,
  Quarantine,
  RequestGate,
  Rollout,
} from "#fleet";
import type { Entry, Facts, FsmRules, Mind, MindEvent } from "#fsm";
import type { Goals } from "#goals";
import type { Notifier, WebhookReceiver } from "#hooks";
import type { Queue } from "#queue";
import type {
  AlertBook,
  AuditStore,
  MetricRegistry,
  RuleWatch,
  SpendingState,
  StateAction,
  StateBudget,
} from "#telemetry";
import type { WatchdogAction } from "#watchdog";
import type { ImprovementPort, ProposalPort } from "./improvement-port.ts";
import type { ModelPorts } from "./model-ports.ts";
import type { RateLimitOverrides } from "./rate-tiers.ts";
import type { RepositoryPort } from "./repository-port.ts";
import type { NodeOffer } from "./requirements.ts";
import type { SourceBuildPort } from "./source-build.ts";
import type { SubmissionDefaults } from "./submission.ts";

/** Who this node is. Constant while it runs. */
export type NodeInfo = {
  readonly id: NodeId;
  readonly name: string;
  readonly version: string;
  readonly commit: string;
  readonly pid: number;
  readonly startedAtMs: number;
  readonly stateDir: string;
};

/** One condition for being of use, such as `store`; `detail` is a sentence for a person. */
export type ReadinessCheck = { readonly name: string; readonly ok: boolean; readonly detail: string };

/** An attempt that runs on this node now. */
export type RunningAttempt = {
  readonly taskId: TaskId;
  readonly attempt: number;
  readonly executor: string;
  readonly startedAtMs: number;
  readonly pid: number | null;
};

/**
 * Part of an attempt's log. `sizeBytes` is what the log holds in all at this moment. `isArriving`: more may follow although
 * the attempt has ended, because it lies on another node.
 */
export type LogChunk = { readonly bytes: Uint8Array; readonly sizeBytes: number; readonly isArriving?: boolean };

/** A report and its result, as long as they are. */
export type WholeResult = { readonly report: JsonObject | null; readonly result: JsonObject | null };

export type StorageFigures = {
  readonly fleetDbBytes: number;
  readonly nodeDbBytes: number;
  readonly freeDiskBytes: number;
};

export type BackupReceipt = { readonly file: string; readonly sizeBytes: number; readonly takenAtMs: number };

/** One setting, where it came from and its value; secrets are replaced before they get here. */
export type ConfigEntry = { readonly name: string; readonly value: unknown; readonly origin: string };

/**
 * `drain` lets running attempts end; `now` ends them and gives their tasks back uncounted, to be offered again at the
 * next start.
 */
export type ShutdownMode = "drain" | "now";

/** Whoever watches this node. Every question fails as `unsupported` for a node that nobody watches. */
export interface WatchdogPort {
  ask(action: WatchdogAction, body: JsonValue): Promise<Result<JsonValue>>;
}

/** Something that holds back so that the node goes on. */
export type BreakerView = {
  readonly name: string;
  readonly state: "closed" | "open" | "halfOpen" | "overridden";
  readonly sinceMs: number | null;
  readonly value: number;
  readonly limit: number | null;
  readonly detail: string;
  readonly isResettable: boolean;
};

export interface BreakerPort {
  list(): Promise<readonly BreakerView[]>;
  reset(name: string): Promise<Result<void>>;
}

/** What this node tells people and other programs. */
export type NoticePort = Pick<Notifier, "standing" | "test" | "list">;

/** Webhooks that come to this node. */
export type WebhookPort = Pick<WebhookReceiver, "receive" | "redeliver" | "standing" | "list" | "find"> & {
  readonly maxBodyBytes: number;
};

/** Releases that are sent to this node. */
export interface UploadPort {
  /** Takes one file of upload `id`, whole or not at all. */
  put(id: string, file: string, body: ReadableStream<Uint8Array> | null): Promise<Result<{ readonly bytes: number }>>;
  /** @returns the folder of an upload. */
  folder(id: string): Result<string>;
}

/** Of a node that nobody watches. */
export const unwatched: WatchdogPort = {
  ask: () =>
    Promise.resolve(
      err(
        refused(
          "unsupported",
          "this node has no watchdog, so it cannot be restarted or updated from here",
          "Start it with: drover up",
        ),
      ),
    ),
};

/** What this node is in its fleet, now. */
export type FleetStanding = {
  readonly role: "solo" | "hub" | FleetRole;
  /** Null while there is none. */
  readonly fleet: string | null;
  readonly epoch: number;
  /** The hub, where that is another node. */
  readonly hub: HubIdentity | null;
  /** What was joined, or left, and takes effect with the next start. */
  readonly isRestartDue: boolean;
  /** At which the fleet works: what every node of it understands. */
  readonly featureLevel: number;
};

/** How near a node that follows a hub is to it, now. */
export type Following = {
  /** Whether the hub answered when it was asked last. */
  readonly hubAnswers: boolean;
  /** `attached`: it takes up what the hub writes; `stale`: it cannot now; `rebuilding`: it is made anew. */
  readonly replica: "attached" | "stale" | "rebuilding";
  /** How long ago the replica was known to show everything that the hub had. */
  readonly staleMs: number;
  /** How many commits of the hub the replica shows. */
  readonly seq: number;
  /** Commands of this node that the hub has not answered. */
  readonly outboxWaiting: number;
  /** Why the hub gives this node no work: its release and the fleet's do not fit. */
  readonly unfit: { readonly message: string; readonly remedy?: string | undefined } | null;
};

/** When this node answers a change. */
export type DurabilityView = {
  /** `local`: when it is on its own disk; `replicated`: when other nodes have it too. */
  readonly mode: "local" | "replicated";
  /** How many other nodes must have a change; null with `local`, here and below. */
  readonly replicas: number | null;
  /** How many follow at this moment; with fewer than `replicas` changes are refused. */
  readonly live: number | null;
  /** Commits that so many nodes have. */
  readonly seq: number | null;
  /** Why what is configured does not hold. */
  readonly note: string | null;
};

/** Other nodes. */
export interface FleetPort {
  /** Judges requests that nodes have signed; lets nobody in where no node is known. */
  readonly gate: RequestGate;
  /** Carried out here on a hub; everywhere else the hub is asked. */
  readonly administration: FleetAdministration;
  /** What only the hub itself does; undefined on every other node. */
  readonly hub: HubAdministration | undefined;
  /** The queue for other nodes; undefined where this node is no hub. */
  readonly service?: () => HubService | undefined;
  /** Logs and large results for other nodes; undefined where this node is no hub. */
  readonly parts?: () =>
    | { readonly depot: PartDepot; readonly reader: PartReader; readonly relay: PartRelay }
    | undefined;
  /** Who the hub is, when that changes. */
  readonly succession?: {
    promote(wish: {
      readonly isHubOff: boolean;
      readonly isForced: boolean;
    }): Promise<Result<{ readonly epoch: number }>>;
    hear(
      signer: NodeId,
      claim: { readonly epoch: number; readonly url: string },
    ): Result<{ readonly accepted: boolean }>;
    /** A node knows a higher epoch than this hub. */
    outrun(epoch: number): void;
  };
  /** What this node had accepted as a hub that was superseded; undefined where nothing durable is behind the API. */
  readonly quarantine?: Pick<Quarantine, "folders" | "entries" | "remove">;
  /** Its part in elections; undefined where this node is in no fleet. */
  readonly failover?: {
    /** Answered once what follows from it is on disk. */
    hear(node: NodeId, request: ElectionRequest): Result<ElectionAnswer>;
    /** Why this hub acknowledges nothing now. */
    obstacle(): Failure | undefined;
    view(): ElectionView & { readonly term: HubTerm | null };
  };
  /** This node's own place. */
  readonly enrolment: Enrolment;
  standing(): FleetStanding;
  /** Undefined where this node follows no hub: then what it shows is what holds. */
  following?(): Following | undefined;
  /** Null on a node that follows a hub: there the hub decides. */
  durability?(): DurabilityView | null;
  /** Those that are known here, this one and removed ones included; none while there is no fleet. */
  nodes(): readonly FleetNode[];
  /** Why a node gets no work for a while; only the hub knows. */
  readonly backOff?: (node: NodeId) => { readonly untilMs: number; readonly reason: string } | undefined;
  /** For which node another one leaves a task for a moment, and why; only the hub knows. */
  readonly deferral?: (
    node: NodeId,
    task: { readonly id: TaskId; readonly requirements: string; readonly body: string },
  ) => { readonly why: string } | undefined;
  /** The libSQL server behind the hub, with the token that it wants for `role`; undefined where there is none. */
  replica(role: FleetRole): { readonly url: string; readonly token: string } | undefined;
  /** Calls back when a node's key opens nothing any more. @returns a function that ends it. */
  onRemoved(listener: (id: NodeId) => void): () => void;
}

/** Settings that hold for every node of the fleet. */
export type FleetSettingsPort = FleetSettings & {
  /** Those that may be set. */
  readonly keys: readonly string[];
  readonly check: CheckSetting;
  /** @returns a value that was typed, as the setting's schema has it. */
  read(key: string, text: string): Result<JsonValue>;
  /** What this node has not taken up yet. */
  pending(): readonly string[];
  /** From when on a node goes by one that was changed. */
  holdsFrom(key: string): "at once" | "what begins from now on";
};

/** The update of a fleet: the hub leads it, every other node shows it. */
export interface RolloutPort {
  current(): Promise<Result<Rollout | undefined>>;
  /** @param wish `from`: a release folder on this host, or the address of a manifest; null for the configured one */
  begin(wish: {
    readonly from: string | null;
    readonly wave: number;
    readonly watchMs: number;
  }): Promise<Result<Rollout>>;
  steer(event: "pause" | "resume" | "abort"): Promise<Result<Rollout>>;
  /** A piece of a file of the release, in base64, and the length of the whole. */
  read(file: string, offset: number): Promise<Result<{ readonly bytes: string; readonly size: number }>>;
}

/** What the mind of this node is and was told last. Its instants are of its own time, which never goes back. */
export type MindStanding = {
  readonly isEnabled: boolean;
  /** Why it does not act although it is enabled. */
  readonly problem: string | null;
  readonly mind: Mind;
  readonly facts: Facts;
  readonly rules: FsmRules;
  readonly nowMs: number;
};

/** What this node decides by itself. */
export interface MindPort {
  standing(): MindStanding;
  /** The newest first. */
  history(beforeSeq: number | null, limit: number): Result<readonly Entry[]>;
  /** Answers when it is durable. Refused as a conflict where it does not fit what the mind is now. */
  tell(event: Exclude<MindEvent, { readonly kind: "tick" | "stoodStill" }>): Result<Mind>;
}

export interface ApiPorts {
  readonly mind: MindPort;
  readonly rollouts: RolloutPort;
  readonly fleetSettings: FleetSettingsPort;
  readonly fleet: FleetPort;
  readonly queue: Queue;
  readonly goals: Goals;
  readonly ids: IdFactory;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly node: NodeInfo;
  readonly metrics: MetricRegistry;
  /** Where what a person sets of limits is kept. */
  readonly rateLimits: RateLimitOverrides;
  /** Hardware, endpoints and models. */
  readonly models: ModelPorts;
  readonly watchdog: WatchdogPort;
  readonly uploads: UploadPort;
  readonly sourceBuilds: SourceBuildPort;
  readonly breakers: BreakerPort;
  readonly webhooks: WebhookPort;
  readonly notices: NoticePort;
  /** What a person has to know of this node. */
  readonly alerts: Pick<AlertBook, "open" | "list" | "find" | "acknowledge" | "close">;
  /** What is looked at by itself. */
  readonly rules: Pick<RuleWatch, "rules" | "states">;
  /** What the states of the mind may spend. */
  readonly stateSpending: {
    view(): readonly {
      readonly state: SpendingState;
      readonly leftPercent: number;
      readonly action: StateAction;
      readonly budgets: readonly StateBudget[];
    }[];
  };
  /** What this node decided. */
  readonly audit: Pick<AuditStore, "bounds" | "list" | "after" | "verify">;
  readonly repositories: RepositoryPort;
  /** What could be better in repositories, and what is proposed. */
  readonly improvements: ImprovementPort;
  readonly proposals: ProposalPort;
  /** Names of the executors that this build can carry out. */
  readonly executors: readonly ExecutorKind[];
  /** What holds for a task that does not say. */
  readonly submissionDefaults?: SubmissionDefaults;
  /** Compares in constant time. @returns whether the bearer token opens this API. */
  checkToken(token: string): boolean;
  /** Every condition, met or not; the node is ready when all are ok. */
  readiness(): readonly ReadinessCheck[];
  /** Whether the start has come to its end, successfully or not. */
  started(): boolean;
  /** What each node of the fleet can carry out; decides whether a task can run anywhere. */
  offers(): readonly NodeOffer[];
  workers(): readonly RunningAttempt[];
  /**
   * At most `maxBytes` of the attempt's log from `offset` (in bytes) on, wherever it lies; none when the offset lies at or
   * behind its end. @returns undefined when there is no such log; `unavailable` when the node that has it does not answer.
   */
  readLog(taskId: TaskId, attempt: number, offset: number, maxBytes: number): Promise<Result<LogChunk | undefined>>;
  /** As {@link readLog}, of the steps of a tool loop, one line of JSON each. @returns undefined when it has none. */
  readSteps(taskId: TaskId, attempt: number, offset: number, maxBytes: number): Promise<Result<LogChunk | undefined>>;
  /**
   * What an attempt came to, whole, where the database has a reference in its place. @returns undefined when it is lost;
   * `unavailable` when the node that has it does not answer.
   */
  readResult(taskId: TaskId, attempt: number): Promise<Result<WholeResult | undefined>>;
  storage(): Promise<Result<StorageFigures>>;
  /** Writes a verified copy of the database, to `file` on this host or to a name of its own in the backup folder. */
  backup(file: string | undefined): Promise<Result<BackupReceipt>>;
  config(): readonly ConfigEntry[];
  /** Begins to stop and returns at once; what was being answered is answered first. */
  requestShutdown(mode: ShutdownMode): void;
}
