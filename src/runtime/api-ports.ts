/** What the HTTP API may see and do of this process. */
import { timingSafeEqual } from "node:crypto";
import { statfsSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type {
  ApiPorts,
  FleetPort,
  FleetSettingsPort,
  ImprovementPort,
  MindPort,
  NodeOffer,
  NoticePort,
  ProposalPort,
  ReadinessCheck,
  RepositoryPort,
  RolloutPort,
  ShutdownMode,
  SourceBuildPort,
  StorageFigures,
  UploadPort,
  WatchdogPort,
  WebhookPort,
} from "#api";
import { describeFailure, type Logger, ok } from "#base";
import type { Goals } from "#goals";
import type { Queue } from "#queue";
import type { Stores } from "#store";
import type { LoadedConfig } from "./config/load.ts";
import type { Config } from "./config/settings.ts";
import { shownSettings } from "./config/shown-settings.ts";
import { type Engine, nodeOffer } from "./engine.ts";
import { breakers } from "./failsafes/breakers.ts";
import { chunkOf, wholeResult } from "./part-chunks.ts";
import { realClock, realRandom } from "./real-clock.ts";
import { commit, version } from "./version.ts";

export type ApiParts = {
  readonly loaded: LoadedConfig;
  readonly stateDir: string;
  readonly logger: Logger;
  readonly engine: Engine;
  readonly token: string;
  readonly startedAtMs: number;
  readonly stop: (mode: ShutdownMode) => void;
  readonly watchdog: WatchdogPort;
  readonly sourceBuilds: SourceBuildPort;
  readonly fleet: FleetPort;
  /** For people and programs: as that of the engine, but answered when replicas have a change where that is wanted. */
  readonly queue: Queue;
  readonly goals: Goals;
  readonly mind: MindPort;
  readonly fleetSettings: FleetSettingsPort;
  readonly rollouts: RolloutPort;
  readonly uploads: UploadPort;
  readonly webhooks: WebhookPort;
  readonly notices: NoticePort;
  readonly alerts: ApiPorts["alerts"];
  readonly rules: ApiPorts["rules"];
  readonly metrics: ApiPorts["metrics"];
  readonly repositories: RepositoryPort;
  readonly improvements: ImprovementPort;
  readonly proposals: ProposalPort;
  readonly stateSpending: ApiPorts["stateSpending"];
};

export function apiPorts(parts: ApiParts): ApiPorts {
  const { engine, stateDir } = parts;
  const { config } = parts.loaded;
  const name = nodeName(config);
  return {
    queue: parts.queue,
    rateLimits: engine.stores.rateLimits,
    ids: engine.ids,
    clock: realClock,
    random: realRandom(),
    logger: parts.logger,
    node: { id: engine.nodeId, name, version, commit, pid: process.pid, startedAtMs: parts.startedAtMs, stateDir },
    goals: parts.goals,
    fleet: parts.fleet,
    fleetSettings: parts.fleetSettings,
    rollouts: parts.rollouts,
    mind: parts.mind,
    metrics: parts.metrics,
    models: engine.models.ports,
    watchdog: parts.watchdog,
    uploads: parts.uploads,
    webhooks: parts.webhooks,
    notices: parts.notices,
    repositories: parts.repositories,
    improvements: parts.improvements,
    proposals: parts.proposals,
    sourceBuilds: parts.sourceBuilds,
    breakers: breakers({ failsafes: engine.failsafes, models: engine.models.ports, watchdog: parts.watchdog }),
    alerts: parts.alerts,
    rules: parts.rules,
    stateSpending: parts.stateSpending,
    audit: engine.stores.audit,
    executors: engine.submissionFacts.executors,
    get submissionDefaults() {
      return engine.submissionFacts.defaults;
    },
    checkToken: tokenCheck(parts.token),
    readiness: readinessChecks(engine.stores, stateDir),
    started: () => true,
    offers: () => [ownOffer(config, engine)],
    workers: () => engine.attempts.running().map((running) => ({ ...running, pid: null })),
    readLog: (taskId, attempt, offset, maxBytes) =>
      chunkOf(engine.parts.reader.read({ taskId, attempt, part: "output" }, offset, maxBytes)),
    readSteps: (taskId, attempt, offset, maxBytes) =>
      chunkOf(engine.parts.reader.read({ taskId, attempt, part: "steps" }, offset, maxBytes)),
    readResult: (taskId, attempt) => wholeResult(engine.parts.reader, { taskId, attempt, part: "result" }),
    storage: () => Promise.resolve(ok(storageFigures(stateDir))),
    backup: async (file) => {
      const taken = await engine.stores.backups.take(file);
      if (!taken.ok) return taken;
      return ok({ file: taken.value.path, sizeBytes: taken.value.bytes, takenAtMs: realClock.nowMs() });
    },
    config: () => shownSettings(parts.loaded),
    requestShutdown: parts.stop,
  };
}

/** What this node can carry out. */
export function ownOffer(config: Config, { nodeId, models }: Pick<Engine, "nodeId" | "models">): NodeOffer {
  return { ...nodeOffer(config, nodeId, models), name: nodeName(config) };
}

export function nodeName(config: Config): string {
  return config["node.name"] === "" ? hostname() : config["node.name"];
}

/** Below this a write may fail at any moment; it is refused then, and nothing is lost, but the node is of little use. */
const MIN_FREE_BYTES = 32 * 1024 * 1024;

function readinessChecks(stores: Stores, stateDir: string): () => readonly ReadinessCheck[] {
  let integrity: ReadinessCheck = { name: "integrity", ok: true, detail: "the database is being checked" };
  void stores.checked.then((checked) => {
    integrity = {
      name: "integrity",
      ok: checked.ok,
      detail: checked.ok ? "the database was checked at the start" : describeFailure(checked.error),
    };
  });
  return () => {
    const { freeDiskBytes } = storageFigures(stateDir);
    const enough = freeDiskBytes >= MIN_FREE_BYTES;
    return [
      { name: "store", ok: true, detail: `${stores.commits()} transactions committed since the start` },
      {
        name: "disk",
        ok: enough,
        detail: `${Math.floor(freeDiskBytes / 1024 / 1024)} MiB free${enough ? "" : ": free some space in the state folder's file system"}`,
      },
      integrity,
    ];
  };
}

/** Compares in time that does not depend on how much of a guess is right. */
function tokenCheck(token: string): (given: string) => boolean {
  const expected = Buffer.from(token);
  return (given) => {
    const bytes = Buffer.from(given);
    return bytes.length === expected.length && timingSafeEqual(bytes, expected);
  };
}

function storageFigures(stateDir: string): StorageFigures {
  const disk = statfsSync(stateDir);
  return {
    fleetDbBytes: bytesOf(join(stateDir, "fleet.db")) + bytesOf(join(stateDir, "fleet.db-wal")),
    nodeDbBytes: bytesOf(join(stateDir, "node.db")) + bytesOf(join(stateDir, "node.db-wal")),
    freeDiskBytes: disk.bavail * disk.bsize,
  };
}

function bytesOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
