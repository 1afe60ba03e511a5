/** Where the fleet's database is written, repositories are looked at; elsewhere the hub is asked. */
import type { StateBudgets } from "#activities";
import type { Logger } from "#base";
import type { Fleet } from "#fleet";
import { nodeName } from "../api-ports.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Engine } from "../engine.ts";
import type { NodeGoals } from "../goals/open-goals.ts";
import { realClock, realRandom } from "../real-clock.ts";
import { goalSeam } from "./goal-seam.ts";
import { followedImprovements, type OpenImprovements, openImprovements } from "./open-improvements.ts";
import { aboutsOf, repositorySeam } from "./repository-seam.ts";

export type NodeImprovements = {
  readonly ports: OpenImprovements["ports"];
  /** Undefined on a node that follows a hub. */
  readonly own: OpenImprovements | undefined;
};

export function improvementsOf(parts: {
  readonly loaded: LoadedConfig;
  readonly stateDir: string;
  readonly logger: Logger;
  readonly engine: Engine;
  readonly fleet: Pick<Fleet, "client">;
  readonly goals: NodeGoals;
  readonly budgets: StateBudgets;
}): NodeImprovements {
  const { loaded, stateDir, engine, fleet, goals, budgets } = parts;
  const { config } = loaded;
  if (fleet.client !== undefined) return { ports: followedImprovements(fleet.client), own: undefined };
  const repositories = repositorySeam({
    stateDir,
    ...engine.repositories,
    store: engine.stores.repositories,
    clock: realClock,
  });
  const hasRepositories = (): boolean => {
    const all = engine.repositories.list();
    return all.ok && all.value.some(({ paused }) => !paused);
  };
  const budgetLeftPercent = (state: "improving" | "contemplating"): number => budgets.leftPercent()[state];
  const own = openImprovements({
    ...parts,
    config,
    nodes: () => [{ id: engine.nodeId, name: nodeName(config) }],
    seams: {
      repositories,
      hasRepositories,
      goals: goalSeam(goals),
      abouts: () => aboutsOf(repositories),
      budgetLeftPercent,
    },
    clock: realClock,
    random: realRandom(),
  });
  return { ports: own.ports, own };
}
