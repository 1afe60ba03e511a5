/** What a node has part in beside the queue. */
import { fleetOffers, type WatchdogPort } from "#api";
import type { JsonObject, JsonValue, NodeId, Result } from "#base";
import { type Fleet, FleetQueue, type Order, performOn } from "#fleet";
import { nodeName, ownOffer } from "./api-ports.ts";
import type { Engine } from "./engine.ts";
import type { HubDuty } from "./fleet/hub-duty.ts";
import { openFleetSettings } from "./fleet/open-fleet-settings.ts";
import { openRollouts } from "./fleet/open-rollouts.ts";
import { Resender } from "./fleet/resender.ts";
import { copyTold } from "./fleet/self-description.ts";
import type { NodeFleet } from "./fleet/start-fleet.ts";
import { GoalInbox } from "./goals/goal-inbox.ts";
import { type GoalSubmissions, openGoals } from "./goals/open-goals.ts";
import { joinHooks } from "./hooks/join-hooks.ts";
import { improvementsOf } from "./improvements/node-improvements.ts";
import type { NodeOptions } from "./node.ts";
import { realClock } from "./real-clock.ts";
import { RemoteRepositories } from "./repositories/remote-repositories.ts";
import { openTelemetry } from "./telemetry/open-telemetry.ts";
import { Uploads } from "./uploads.ts";

/** What this node says to its hub besides what its engine knows, and what it does for it; set once everything is there. */
export type HubSays = { announceAlso: () => JsonObject; obey: (order: Order) => void };

type BesideParts = {
  readonly options: NodeOptions;
  readonly engine: Engine;
  readonly fleet: Fleet;
  readonly place: Pick<NodeFleet, "role">;
  /** Has this node replaced by a new process. */
  readonly restart: () => void;
  readonly hubSays: HubSays;
};

/** What a node has part in beside the queue: the settings and releases of its fleet, alerts and the audit log. */
export function openBeside(parts: BesideParts, duty: HubDuty | undefined, watchdog: WatchdogPort) {
  const { options, engine, fleet, restart, hubSays } = parts;
  const common = { ...options, engine, fleet, clock: realClock };
  const heardAtMs = (node: NodeId): number | undefined => duty?.presence.of(node)?.atMs;
  const telemetry = telemetryOf(parts, heardAtMs);
  const { alerts, audit } = telemetry;
  const settings = openFleetSettings(common);
  const uploads = new Uploads(options.stateDir, realClock);
  const repositories = fleet.client === undefined ? engine.repositories.port : new RemoteRepositories(fleet.client);
  const rollouts = openRollouts({ ...common, duty, uploads, watchdog, restart });
  const resender = resenderOf(parts);
  const goals = openGoals({ ...common, config: options.loaded.config, duty, repositories: engine.repositories.goals });
  const inbox = inboxOf(parts, goals.submissions);
  const joined = { heardAtMs, alerts, goals: goals.submissions, watchdog };
  const hooks = joinHooks({ ...options, engine, fleet, ...joined });
  const improvements = improvementsOf({ ...options, engine, fleet, goals, budgets: telemetry.spending });
  hubSays.announceAlso = () => ({
    pendingSettings: [...settings.watch.pending()],
    release: rollouts.taker.report,
    ...(engine.member === undefined ? {} : { copy: copyTold(engine.member.replica.freshness()) }),
  });
  hubSays.obey = rollouts.obey;
  return {
    ports: {
      fleetSettings: settings.port,
      rollouts: rollouts.port,
      uploads,
      ...hooks.ports,
      alerts,
      rules: telemetry.watch,
      metrics: telemetry.metrics,
      stateSpending: telemetry.spending,
      goals: goals.port,
      repositories,
      ...improvements.ports,
    },
    forMind: {
      goals,
      improvements: improvements.own,
      alerts,
      audit,
      budgets: telemetry.spending,
      wakeEvents: hooks.wakeEvents,
    },
    start: (): void => {
      telemetry.start();
      void settings.watch.look();
      rollouts.start();
      resender?.start();
      hooks.start();
      inbox?.start();
      improvements.own?.start();
    },
    stop: async (): Promise<void> => {
      await inbox?.stop();
      await improvements.own?.stop();
      await telemetry.stop();
      settings.watch.stop();
      rollouts.stop();
      await resender?.stop();
      await hooks.stop();
    },
  };
}

/** Undefined where no folder is looked at. */
function inboxOf({ options }: BesideParts, submissions: GoalSubmissions): GoalInbox | undefined {
  const folder = options.loaded.config["goals.inbox"];
  if (folder === "") return undefined;
  return new GoalInbox({ folder, submissions, clock: realClock, logger: options.logger });
}

function telemetryOf({ options, engine, fleet }: BesideParts, heardAtMs: (node: NodeId) => number | undefined) {
  const { config } = options.loaded;
  return openTelemetry({
    ...options,
    ...engine,
    clock: realClock,
    config,
    nodeName: nodeName(config),
    steps: engine.parts.reader,
    featureLevel: () => fleet.standing().featureLevel,
    readings: {
      ...engine,
      stateDir: options.stateDir,
      isWriter: engine.service !== undefined,
      nodes: engine.stores.fleetNodes,
      goals: engine.stores.goals,
      offers: () => fleetOffers({ clock: realClock, fleet, offers: () => [ownOffer(config, engine)] }),
      heardAtMs,
      self: engine.nodeId,
      hubAnswers: () => (engine.queue instanceof FleetQueue ? engine.queue.isReaching : null),
    },
  });
}

/** Undefined for a node that is alone: there is nobody to whom it would have to send anything. */
function resenderOf({ options, engine, place }: BesideParts): Resender | undefined {
  const { queue, service, goals, stores, nodeId } = engine;
  if (place.role.kind === "solo") return undefined;
  return new Resender({
    quarantine: stores.quarantine,
    perform: async (command) => {
      if (queue instanceof FleetQueue) return queue.resend(command);
      if (service === undefined) return undefined;
      const once = { id: command.id, node: nodeId };
      // `as`: what the queue returns is JSON throughout.
      return (await performOn(service, command, once, goals)) as Result<JsonValue | undefined>;
    },
    clock: realClock,
    logger: options.logger,
    crashPoint: options.crashPoint,
  });
}
