/** The mind of this node, joined to everything that it is told by and acts on. */
import { statfsSync } from "node:fs";
import {
  type Activities,
  goalFigures,
  Healing,
  KeyActivity,
  NO_REPOSITORIES,
  NOTHING_TO_DO,
  type Remedies,
  type StateBudgets,
} from "#activities";
import type { MindPort } from "#api";
import { type Clock, describeFailure, err, type Logger, type NodeId, ok, type Result, refused } from "#base";
import { type Fleet, FleetQueue, speaks } from "#fleet";
import { ACTIVE_STATES } from "#fsm";
import type { Alerts, Audit } from "#telemetry";
import { type LoadedConfig } from "../config/load.ts";
import type { Engine } from "../engine.ts";
import type { HubDuty } from "../fleet/hub-duty.ts";
import type { NodeGoals } from "../goals/open-goals.ts";
import type { OpenImprovements } from "../improvements/open-improvements.ts";
import { Cares } from "./cares.ts";
import { FactGatherer, type FactSeams, NO_IMPROVEMENTS, type WakeEvents } from "./facts.ts";
import { mindRules } from "./mind-rules.ts";
import { MindService } from "./mind-service.ts";
import { MindNews } from "./news.ts";
import { endpointRemedies } from "./remedies/endpoints.ts";
import { hostRemedies } from "./remedies/host.ts";
import { taskRemedies } from "./remedies/tasks.ts";
import { OFFLINE_MS, type TasksHeldParts } from "./tasks-held.ts";

export type OpenMindParts = {
  readonly loaded: LoadedConfig;
  readonly stateDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly crashPoint: (label: string) => void;
  readonly engine: Engine;
  readonly fleet: Pick<Fleet, "administration" | "nodes" | "standing">;
  /** Where this node is a hub. */
  readonly duty: HubDuty | undefined;
  /** Has this node replaced by a new process. */
  readonly restart: () => void;
  /** Who does that; undefined for a node that stands alone. */
  readonly link: object | undefined;
  readonly prune: () => Promise<Result<number>>;
  readonly goals: Pick<NodeGoals, "executing">;
  /** Where repositories are looked at; undefined on a node that follows a hub. */
  readonly improvements: OpenImprovements | undefined;
  readonly alerts: Alerts;
  readonly audit: Audit;
  readonly wakeEvents: WakeEvents;
  readonly budgets: StateBudgets;
  /** For tests: the mind stands still from its first tick on. */
  readonly isStalled: boolean;
};

export type NodeMind = {
  readonly port: MindPort;
  readonly service: MindService;
  readonly start: () => void;
  readonly stop: () => Promise<void>;
};

export function openMind(parts: OpenMindParts): Result<NodeMind> {
  const { loaded, engine, clock, logger, crashPoint } = parts;
  const { config } = loaded;
  const rules = mindRules(config);
  if (!rules.ok) return rules;
  const { stores, queue, nodeId, models } = engine;
  const nowMs = (): number => service.nowMs();
  const { alerts, audit, wakeEvents, fleet } = parts;
  const isUnderstood = (): boolean => speaks(fleet.standing().featureLevel, "mind");
  const news = new MindNews({ queue, node: nodeId, logger, isUnderstood });
  const keys = new KeyActivity();
  // Only where the queue is written are goals worked on.
  const executing = engine.service === undefined ? undefined : parts.goals.executing;
  const seams: FactSeams = {
    improvements: parts.improvements?.facts ?? NO_IMPROVEMENTS.improvements,
    goals: executing === undefined ? undefined : () => goalFigures({ goals: stores.goals }),
    wakeEvents,
    budgets: parts.budgets,
    repositories: engine.service === undefined ? NO_REPOSITORIES : engine.repositories.goals,
  };
  const facts = gathererOf(parts, keys, seams);
  const cares = new Cares({ journal: stores.mind, rules: rules.value, detours: models.detours, queue, logger, nowMs });
  const remedies = remediesOf(parts, { cares, seams });
  const healthyAttempts = facts.healthyAttempts.bind(facts);
  const healing = new Healing({ remedies, healthyAttempts, audit, told: news.carriedOut, clock, logger });
  const activities: Activities = {
    executing: executing ?? NOTHING_TO_DO,
    improving: parts.improvements?.improving ?? NOTHING_TO_DO,
    contemplating: parts.improvements?.contemplating ?? NOTHING_TO_DO,
    healing,
  };
  const service: MindService = new MindService({
    clock,
    logger,
    journal: stores.mind,
    rules: rules.value,
    facts: async (atMs) => {
      void cares.endDue();
      return facts.gather(atMs);
    },
    activities,
    healing,
    alerts,
    audit,
    told: (entry) => {
      if (entry.kind === "changed" && entry.to === "improving") wakeEvents.looked();
      news.decided(entry);
    },
    crashPoint,
    isStalled: parts.isStalled,
  });
  return ok(joined({ parts, service, cares, keys, activities }));
}

function joined(given: {
  readonly parts: OpenMindParts;
  readonly service: MindService;
  readonly cares: Cares;
  readonly keys: KeyActivity;
  readonly activities: Activities;
}): NodeMind {
  const { parts, service, cares, keys, activities } = given;
  const { loaded, engine, clock, logger } = parts;
  const isEnabled = loaded.config["fsm.enabled"];
  let problem: string | null = null;
  let unsubscribe = (): void => undefined;
  const off = refused("unsupported", "the mind of this node is off", "Set fsm.enabled to true and restart the node");
  return {
    service,
    port: {
      standing: () => ({
        isEnabled,
        problem,
        mind: service.mind,
        facts: service.facts,
        rules: service.rules,
        nowMs: service.nowMs(),
      }),
      history: (beforeSeq, limit) => engine.stores.mind.page(beforeSeq, limit),
      tell: (event) => {
        if (!isEnabled) return err(off);
        if (problem !== null) return err(refused("unsupported", `the mind of this node does not act: ${problem}`));
        return service.tell(event);
      },
    },
    start: () => {
      // Without a mind nothing else asks for the time.
      const mayCheck = (): boolean => !isEnabled || ["resting", "improving"].includes(service.mind.state);
      if (engine.service !== undefined) engine.repositories.watch.start({ mayCheck, alerts: parts.alerts });
      if (!isEnabled) return;
      const started = service.start();
      const opened = started.ok ? cares.start() : started;
      if (!opened.ok) {
        problem = describeFailure(opened.error);
        logger.error("the mind of this node does not act", { failure: problem });
        return;
      }
      if (engine.service !== undefined) {
        unsubscribe = engine.queue.store.subscribe((events) => keys.observe(events, clock.monotonicMs()));
      }
    },
    stop: async () => {
      unsubscribe();
      engine.repositories.watch.stop();
      await service.stop();
      for (const state of ACTIVE_STATES) activities[state].end();
    },
  };
}

/** What this node knows of tasks that others hold; undefined where it does not write the queue. */
function heldPartsOf({ engine, fleet, duty, clock }: OpenMindParts): TasksHeldParts | undefined {
  const { service, nodeId } = engine;
  if (service === undefined) return undefined;
  const startedAtMs = clock.monotonicMs();
  return {
    self: nodeId,
    queue: service,
    clock,
    silentMs: (node: NodeId) => {
      const known = fleet.nodes().find(({ id }) => id === node);
      if (known === undefined || known.state === "removed") return undefined;
      // A process that has just begun has heard nobody yet.
      return Math.min(duty?.presence.silentMs(node) ?? Number.POSITIVE_INFINITY, clock.monotonicMs() - startedAtMs);
    },
  };
}

function gathererOf(parts: OpenMindParts, keys: KeyActivity, seams: FactSeams): FactGatherer {
  const { engine, loaded, stateDir, clock, logger, duty } = parts;
  const { stores, queue, nodeId, models, member } = engine;
  const held = heldPartsOf(parts);
  return new FactGatherer({
    config: loaded.config,
    self: nodeId,
    stateDir,
    clock,
    logger,
    store: queue.store,
    care: stores.care,
    keys,
    running: () => engine.attempts.running().length,
    endpoints: () => models.registry.states(),
    ram: () => models.ports.capacity().ram,
    disk: () => {
      const { blocks, bavail, bsize } = statfsSync(stateDir);
      return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
    },
    ...(member === undefined
      ? {}
      : {
          replica: () => ({
            staleMs: member.replica.freshness().staleMs,
            isReaching: queue instanceof FleetQueue && queue.isReaching,
          }),
        }),
    clockOffsetMs: () => member?.client.clockOffsetMs ?? null,
    ...(held === undefined ? {} : { held }),
    ...(duty === undefined ? {} : { members: () => membersOf(parts, duty) }),
    seams,
  });
}

/** Nodes that are there: of one that is away only its tasks are seen to. */
function membersOf({ fleet, engine }: OpenMindParts, { presence, placements }: HubDuty) {
  return fleet
    .nodes()
    .filter(({ id, state }) => id !== engine.nodeId && state !== "removed" && presence.silentMs(id) < OFFLINE_MS)
    .map(({ id }) => ({
      id,
      isWell: placements.backOff(id) === undefined,
      running: engine.service?.leases.heldBy(id).length ?? 0,
    }));
}

function remediesOf(
  parts: OpenMindParts,
  { cares, seams }: { readonly cares: Cares; readonly seams: FactSeams },
): Remedies {
  const { engine, loaded, clock, duty, fleet, restart, prune } = parts;
  const { stores, queue, service, nodeId, models, member, submissionFacts } = engine;
  const { handOver } = cares;
  return {
    ...hostRemedies({
      self: nodeId,
      care: stores.care,
      prune,
      restartSelf: parts.link === undefined ? undefined : restart,
      restartOther: duty === undefined ? undefined : (node) => fleet.administration.orderRestart(node),
      replica: member?.replica,
    }),
    ...endpointRemedies({
      config: loaded.config,
      clock,
      states: () => models.registry.states(),
      probe: (id) => models.registry.probe(id),
      unload: (endpoint, model) => models.unload(endpoint, model),
      load: (endpoint, model) => models.inference.load(endpoint, model, null),
      handOver,
    }),
    ...taskRemedies({
      queue,
      service,
      held: heldPartsOf(parts),
      submissionFacts,
      repositories: seams.repositories,
      alerts: parts.alerts,
      clock,
      handOver,
    }),
  };
}
