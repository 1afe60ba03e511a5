/** Improving and contemplating, joined to the queue, the databases and the configuration. */
import { createHash } from "node:crypto";
import {
  type ChoiceRules,
  Contemplating,
  DEFAULT_CHOICE_RULES,
  type GoalOutcomes,
  type GoalSubmissions,
  type ImprovedRepositories,
  Improving,
  Look,
  ModelLook,
  ToolLook,
} from "#activities";
import type { ImprovementPort, ProposalPort } from "#api";
import { type Clock, describeFailure, type Logger, type Random } from "#base";
import type { HubClient } from "#fleet";
import type { Config } from "../config/settings.ts";
import type { Engine } from "../engine.ts";
import { OwnImprovements, ownProposals } from "./improvement-ports.ts";
import { Measure } from "./measure.ts";
import { QueueMindTasks } from "./mind-tasks.ts";
import { remoteImprovements, remoteProposals } from "./remote-improvements.ts";

/** What others bring. */
export type ImprovementSeams = {
  readonly repositories: ImprovedRepositories;
  /** Whether one is active. */
  readonly hasRepositories: () => boolean;
  readonly goals: GoalSubmissions & GoalOutcomes;
  /** What each registered repository is about, for a model that thinks of features. */
  readonly abouts: () => Promise<readonly { readonly name: string; readonly about: string }[]>;
  readonly budgetLeftPercent: (state: "improving" | "contemplating") => number;
};

export type ImprovementParts = {
  readonly config: Config;
  readonly stateDir: string;
  readonly engine: Pick<Engine, "stores" | "queue" | "submissionFacts" | "parts" | "models" | "nodeId">;
  readonly nodes: () => readonly { readonly id: string; readonly name: string }[];
  readonly seams: ImprovementSeams;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
};

export type OpenImprovements = {
  readonly improving: Improving;
  readonly contemplating: Contemplating;
  readonly ports: { readonly improvements: ImprovementPort; readonly proposals: ProposalPort };
  /** For the mind. */
  readonly facts: () => { readonly sinceScanMs: number | null; readonly sinceProposalMs: number | null };
  readonly start: () => void;
  readonly stop: () => Promise<void>;
};

/** A state that nobody changes is looked at again now and then: rules change with releases. */
const LOOK_ANYWAY_MS = 7 * 86_400_000;
const ID_BYTES = 13;

export function openImprovements(parts: ImprovementParts): OpenImprovements {
  const { config, engine, seams, clock, logger } = parts;
  const store = engine.stores.improvements;
  const improving = improvingOf(parts);
  const measure = new Measure(parts);
  const contemplating = contemplatingOf(parts, measure);
  const repositories = () => seams.repositories.list();
  // By the clock that noted it.
  const since = (kind: "scan" | "propose"): number | null => {
    const atMs = store.lookedAtMs(kind);
    if (!atMs.ok) logger.warn("it cannot be read when something was looked for", { failure: atMs.error.message });
    return atMs.ok && atMs.value !== null ? Math.max(0, clock.nowMs() - atMs.value) : null;
  };
  return {
    improving,
    contemplating,
    ports: {
      improvements: new OwnImprovements({ store, improving, repositories, rules: rulesOf(config), clock }),
      proposals: ownProposals(engine.stores.proposals, contemplating, clock),
    },
    // Without a repository there is nothing to look through.
    facts: () => ({ sinceScanMs: seams.hasRepositories() ? since("scan") : 0, sinceProposalMs: since("propose") }),
    start: () => {
      measure.start();
      void beginToPropose(store, clock, logger);
    },
    stop: async () => {
      measure.stop();
      await Promise.all([improving.stop(), contemplating.stop()]);
    },
  };
}

/** Figures say something when there was work for a while: the first proposals come one interval after the start. */
async function beginToPropose(
  store: ImprovementParts["engine"]["stores"]["improvements"],
  clock: Clock,
  logger: Logger,
): Promise<void> {
  const atMs = store.lookedAtMs("propose");
  if (!atMs.ok || atMs.value !== null) return;
  const noted = await store.putLook("propose", clock.nowMs(), "it began");
  if (!noted.ok) logger.warn("it cannot be noted when measuring began", { failure: describeFailure(noted.error) });
}

/** Of a node that follows a hub: its hub looks and thinks, and is asked. */
export function followedImprovements(client: Pick<HubClient, "request">): OpenImprovements["ports"] {
  return { improvements: remoteImprovements(client), proposals: remoteProposals(client) };
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function rulesOf(config: Config): ChoiceRules {
  return {
    ...DEFAULT_CHOICE_RULES,
    atOnce: config["improving.at_once"],
    perRepository: config["improving.per_repository"],
    perDay: config["improving.per_day"],
    coolDownMs: config["improving.cool_down_ms"],
    backOffMs: config["improving.back_off_ms"],
  };
}

function improvingOf({ config, engine, seams, clock, logger }: ImprovementParts): Improving {
  const { repositories, goals } = seams;
  const store = engine.stores.improvements;
  const tasks = new QueueMindTasks(engine);
  const common = { repositories, store, digest, clock };
  return new Improving({
    repositories,
    store,
    goals,
    look: new Look({ ...common, everyMs: LOOK_ANYWAY_MS }),
    tools: new ToolLook({ ...common, tasks, isAllowed: config["improving.run_commands"] }),
    model: new ModelLook({
      ...common,
      tasks,
      perDay: config["improving.model_looks_per_day"],
      budgetLeftPercent: () => seams.budgetLeftPercent("improving"),
    }),
    rules: rulesOf(config),
    clock,
    logger,
  });
}

function contemplatingOf(parts: ImprovementParts, measure: Measure): Contemplating {
  const { config, engine, seams, clock, random, logger } = parts;
  return new Contemplating({
    measure: () => measure.now(),
    repositories: seams.abouts,
    store: engine.stores.proposals,
    questions: engine.stores.improvements,
    tasks: new QueueMindTasks(engine),
    goals: seams.goals,
    policy: config["contemplating.policy"],
    rules: { maxOpen: config["contemplating.max_open"], rejectedRestMs: config["contemplating.rejected_rest_ms"] },
    perDay: config["contemplating.model_looks_per_day"],
    budgetLeftPercent: () => seams.budgetLeftPercent("contemplating"),
    newId: () => `p_${Buffer.from(random.bytes(ID_BYTES)).toString("hex")}`,
    digest,
    clock,
    logger,
  });
}
