/** The repositories of this node, from its configuration and what the fleet keeps of them. */
import { type Clock, type Logger, ok, type Random, type Result } from "#base";
import type { SandboxPlan } from "#execution";
import {
  AttemptWork,
  Deliveries,
  ForgeTokens,
  findRepository,
  openForge,
  type PlaceSettings,
  type Policy,
  type Registered,
  RepositoryPlaces,
  registered,
  Turns,
} from "#repos";
import type { PassLedger } from "#scheduler";
import type { Stores } from "#store";
import type { Config } from "../config/settings.ts";
import { sandboxLauncher } from "../program.ts";
import { RepositoryWorkspaces } from "./attempt-workspaces.ts";
import { confinedChecks, removeLeftChecks } from "./check-runner.ts";
import { configuredRepositories } from "./configured.ts";
import { isFromOutside } from "./from-outside.ts";
import { GoalRepositories } from "./goal-repositories.ts";
import { HubRepositories } from "./hub-repositories.ts";
import { modelsOfTasks } from "./models-of-tasks.ts";
import { passRateOf } from "./pass-rate.ts";
import { RepositoryWatch } from "./repository-watch.ts";
import { Sharing } from "./sharing.ts";

export type OpenRepositories = {
  /** Where attempts work that name one. */
  readonly workspaces: RepositoryWorkspaces;
  /** For people, where this node writes the fleet's database. */
  readonly port: HubRepositories;
  /** For goals and the mind, there too. */
  readonly goals: GoalRepositories;
  /** By priority. */
  readonly list: () => Result<readonly Registered[]>;
  readonly places: RepositoryPlaces;
  /** Begins where the fleet's database is written. */
  readonly watch: RepositoryWatch;
};

type Parts = {
  readonly config: Config;
  readonly stateDir: string;
  readonly stores: Pick<Stores, "repositories" | "queue" | "goals" | "fleetNodes" | "nodeId">;
  readonly sandbox: SandboxPlan;
  /** What is known of models; asked for once the node has started. */
  readonly passes: () => Pick<PassLedger, "rate">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly crashPoint: (label: string) => void;
};

export function openRepositories(parts: Parts): Result<OpenRepositories> {
  const { config, stateDir, stores, clock, logger, crashPoint: atStep } = parts;
  const configured = configuredRepositories(config.repos);
  if (!configured.ok) return configured;
  const store = stores.repositories;
  const list = (): Result<readonly Registered[]> => {
    const entries = store.entries();
    return entries.ok ? ok(registered(configured.value, entries.value)) : entries;
  };
  const pushTimeoutMs = config["repositories.fetch_timeout_ms"];
  const tokens = new ForgeTokens(
    stateDir,
    configured.value.map(({ name }) => name),
  );
  const places = new RepositoryPlaces(stateDir, placeSettings(config), tokens, clock);
  const turns = new Turns();
  const author = { name: config["repositories.author_name"], email: config["repositories.author_email"] };
  const policy = policyIn(config);
  const watched = config["publication.watched_words"];
  const find = (name: string): Result<Registered> => {
    const all = list();
    return all.ok ? findRepository(all.value, name) : all;
  };
  const work = new AttemptWork({ stateDir, places, author, clock, turns, find, watched, pushTimeoutMs, atStep });
  const sharing = new Sharing({ ...stores, places, work, turns, policy, watched, pushTimeoutMs, logger });
  const deliveries = new Deliveries({
    stateDir,
    places,
    turns,
    store,
    author,
    policy,
    checks: confinedChecks({ ...parts, launcher: sandboxLauncher() }),
    watched,
    bringIn: (...given) => sharing.bringIn(...given),
    forgetShared: (place, id) => sharing.forget(place, id),
    passRate: (model) => passRateOf(parts.passes(), model),
    list,
    forgeOf: (repository) => openForge(repository, tokens, clock),
    pushTimeoutMs,
    forgeWaitMs: config["repositories.forge_wait_ms"],
    isFromOutside: (workId) => isFromOutside(stores.goals, workId),
    modelsOf: (tasks) => modelsOfTasks(stores.queue, tasks),
    clock,
    atStep,
  });
  removeLeftChecks(stateDir, clock.nowMs());
  const { queue } = stores;
  const goals = new GoalRepositories({ store, list, places, deliveries, turns, sharing });
  const everyMs = config["repositories.look_every_ms"];
  return ok({
    workspaces: new RepositoryWorkspaces({
      work,
      repositories: list,
      queue,
      mayShare: (repository, workId) => sharing.mayShare(repository, workId),
      stateDir,
      clock,
      logger,
    }),
    port: new HubRepositories({ store, list, places, deliveries, policy, clock }),
    goals,
    watch: new RepositoryWatch({ deliveries, sharing, active: () => goals.active(), everyMs, clock, logger }),
    list,
    places,
  });
}

function placeSettings(config: Config): PlaceSettings {
  return {
    maxBytes: config["repositories.max_bytes"],
    offlineMs: config["repositories.offline_ms"],
    fetchTimeoutMs: config["repositories.fetch_timeout_ms"],
  };
}

function policyIn(config: Config): Policy {
  return {
    atMost: config["autonomy.at_most"],
    mergeBelow: config["autonomy.merge_below"],
    askFrom: config["autonomy.ask_from"],
    outside: config["autonomy.outside"],
  };
}
