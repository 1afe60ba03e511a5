/** Where a node's other parts are joined to what comes in and goes out: the mind, goals, alerts, the fleet. */
import type { WatchdogPort } from "#api";
import { type Logger, type NodeId, ok } from "#base";
import type { Fleet } from "#fleet";
import type { GoalSubmissions } from "#hooks";
import { findForgeRepository } from "#repos";
import type { AlertBook } from "#telemetry";
import { nodeName } from "../api-ports.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Engine } from "../engine.ts";
import { realClock, realRandom } from "../real-clock.ts";
import { type Hooks, openHooks } from "./open-hooks.ts";

export type JoinedParts = {
  readonly loaded: LoadedConfig;
  readonly stateDir: string;
  readonly logger: Logger;
  readonly engine: Pick<Engine, "stores" | "service" | "repositories">;
  readonly fleet: Pick<Fleet, "nodes">;
  /** When a node was heard of, where this node knows more than the shared tables say. */
  readonly heardAtMs: (node: NodeId) => number | undefined;
  readonly alerts: Pick<AlertBook, "onChange">;
  readonly goals: GoalSubmissions;
  readonly watchdog: WatchdogPort;
};

export function joinHooks(parts: JoinedParts): Hooks {
  const { loaded, stateDir, logger, engine, fleet, heardAtMs, alerts, goals, watchdog } = parts;
  return openHooks({
    config: loaded.config,
    stateDir,
    stores: engine.stores,
    nodeName: nodeName(loaded.config),
    clock: realClock,
    random: realRandom(),
    logger,
    wake: (reason) => {
      logger.debug("the mind is woken", { reason });
      engine.repositories.watch.wake();
    },
    goals,
    nameRepository: (kind, fullName) => {
      const all = engine.repositories.list();
      const found = all.ok ? findForgeRepository(all.value, kind, fullName) : all;
      return found.ok ? ok(found.value.name) : found;
    },
    alerts,
    isLeader: engine.service !== undefined,
    nodes: () => fleet.nodes().map((node) => ({ ...node, seenAtMs: Math.max(node.seenAtMs, heardAtMs(node.id) ?? 0) })),
    releases: () => watchdog.ask("releases", null),
  });
}
