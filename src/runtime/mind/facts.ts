/** What the mind is told each second, from what this node knows of itself and, on a hub, of its nodes. */
import {
  diskFault,
  type GoalFigures,
  type KeyActivity,
  memoryFault,
  type RepositoryHealth,
  type StateBudgets,
  Streaks,
} from "#activities";
import { type Clock, describeFailure, type Logger, type NodeId, type Result } from "#base";
import { type Facts, type Fault, type FaultKind, faultsOfEndpoints, faultsOfTasks, type Means } from "#fsm";
import type { EndpointState, RamCapacity } from "#hw";
import type { KeyRow, Queue } from "#queue";
import type { Stores } from "#store";
import type { Config } from "../config/settings.ts";
import { type HeldTask, type TasksHeldParts, tasksHeld } from "./tasks-held.ts";

/** Databases and nodes; three checks in a row are half a minute. */
const CHECK_EVERY_MS = 10_000;
const LOOK_AT_TASKS_MS = 5_000;
const LOOK_AT_GOALS_MS = 2_000;
/** Keys that are told of at once; the worst. */
const MAX_KEY_FAULTS = 64;
const KEYS_READ = 1_000;

/** When repositories were last scanned and something was last proposed; where nobody does either, just now. */
export interface ImprovementFacts {
  readonly sinceScanMs: number | null;
  readonly sinceProposalMs: number | null;
}

/** What came from outside and nobody has looked at. */
export interface WakeEvents {
  count(): number;
  looked(): void;
}

/** Parts that tell facts of their own. */
export type FactSeams = {
  /** Undefined where this node works on none. */
  readonly goals: (() => Promise<Result<GoalFigures>>) | undefined;
  readonly improvements: (nowMs: number) => ImprovementFacts;
  readonly wakeEvents: WakeEvents;
  readonly budgets: StateBudgets;
  readonly repositories: RepositoryHealth;
};

/** Of a node where nobody looks for improvements. */
export const NO_IMPROVEMENTS: Pick<FactSeams, "improvements"> = {
  improvements: () => ({ sinceScanMs: 0, sinceProposalMs: 0 }),
};

export type FactParts = {
  readonly config: Config;
  readonly self: NodeId;
  readonly stateDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: Pick<Queue["store"], "keys">;
  readonly care: Stores["care"];
  readonly keys: KeyActivity;
  /** Attempts that run on this node. */
  readonly running: () => number;
  readonly endpoints: () => readonly EndpointState[];
  readonly ram: () => RamCapacity;
  /** Of the file system of the state folder. */
  readonly disk: () => { readonly totalBytes: number; readonly freeBytes: number };
  /** Undefined where this node writes the queue itself. */
  readonly replica?: () => { readonly staleMs: number; readonly isReaching: boolean };
  /** How far this host's clock is behind the hub's; null where there is no hub or it is not known. */
  readonly clockOffsetMs: () => number | null;
  /** Where this node writes the queue. */
  readonly held?: TasksHeldParts;
  /** On a hub: its nodes that are heard of, and whether each works. */
  readonly members?: () => readonly { readonly id: NodeId; readonly isWell: boolean; readonly running: number }[];
  readonly seams: FactSeams;
};

export class FactGatherer {
  readonly #parts: FactParts;
  readonly #databases = new Streaks("databaseFailing");
  readonly #members = new Streaks("nodeFailing");
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  #tasksAtMs = Number.NEGATIVE_INFINITY;
  #tasks: readonly HeldTask[] = [];
  #pausedKeys: ReadonlySet<string> = new Set();
  #goalsAtMs = Number.NEGATIVE_INFINITY;
  #goals: GoalFigures = { readyGoals: 0, readyTasks: 0 };

  constructor(parts: FactParts) {
    this.#parts = parts;
  }

  /** Never throws: what cannot be seen is not told, and what was seen before holds. */
  async gather(nowMs: number): Promise<Facts> {
    const { clock, seams, logger } = this.#parts;
    const monotonicMs = clock.monotonicMs();
    try {
      if (monotonicMs - this.#checkedAtMs >= CHECK_EVERY_MS) {
        this.#checkedAtMs = monotonicMs;
        this.#check();
      }
      if (monotonicMs - this.#tasksAtMs >= LOOK_AT_TASKS_MS) {
        this.#tasksAtMs = monotonicMs;
        await this.#lookAtTasks();
      }
      if (monotonicMs - this.#goalsAtMs >= LOOK_AT_GOALS_MS) {
        this.#goalsAtMs = monotonicMs;
        await this.#lookAtGoals();
      }
    } catch (cause) {
      logger.error("a look at what is wrong failed by a bug", { cause: String(cause) });
    }
    return {
      ...this.#goals,
      // Goals that are worked on are among those that are ready, so that work on them goes on.
      runningAttempts: 0,
      ...seams.improvements(nowMs),
      isActivityDone: false,
      wellForMs: 0,
      budgetLeftPercent: seams.budgets.leftPercent(),
      wakeEvents: seams.wakeEvents.count(),
      faults: this.#faults(),
      means: this.#means(),
    };
  }

  /** Attempts that run on a target and are well, at this moment (FSM7). */
  async healthyAttempts(kind: FaultKind, target: string): Promise<number> {
    if (kind === "endpointsDown") {
      return this.#parts
        .endpoints()
        .filter(({ endpoint }) => endpoint.id === target)
        .reduce((sum, { inFlight }) => sum + total(inFlight), 0);
    }
    const member = this.#parts.members?.().find(({ id }) => id === target);
    return member?.running ?? this.#parts.running();
  }

  #check(): void {
    const { care, members } = this.#parts;
    for (const name of care.names) this.#databases.checked(name, care.check(name).ok);
    const known = members?.() ?? [];
    this.#members.only(new Set(known.map(({ id }) => id)));
    for (const { id, isWell } of known) this.#members.checked(id, isWell);
  }

  async #lookAtTasks(): Promise<void> {
    const { held, store, logger } = this.#parts;
    if (held === undefined) return;
    const tasks = await tasksHeld(held);
    if (tasks.ok) this.#tasks = tasks.value;
    else logger.warn("what nodes hold could not be looked at", { failure: describeFailure(tasks.error) });
    const keys = await store.keys(KEYS_READ);
    if (keys.ok) this.#pausedKeys = new Set(keys.value.filter(isPaused).map(({ key }) => key));
  }

  async #lookAtGoals(): Promise<void> {
    const { seams, logger } = this.#parts;
    const figures = await seams.goals?.();
    if (figures?.ok === true) this.#goals = figures.value;
    else if (figures !== undefined)
      logger.warn("goals could not be looked at", { failure: describeFailure(figures.error) });
  }

  #faults(): readonly Fault[] {
    const { self, stateDir, running, endpoints, ram, disk, config, keys, clock, seams, members } = this.#parts;
    const own = running();
    const disks = diskFault(stateDir, disk(), config["limits.disk_low_bytes"]);
    const memory = memoryFault(self, ram(), own);
    return [
      ...this.#databases.faults(() => own),
      ...(disks === null ? [] : [disks]),
      ...(memory === null ? [] : [memory]),
      ...this.#members.faults((node) => members?.().find(({ id }) => id === node)?.running ?? 0),
      ...this.#replicaFaults(),
      ...faultsOfEndpoints(localEndpoints(endpoints(), config["fsm.fallback_models"])),
      ...faultsOfTasks(this.#tasks),
      ...seams.repositories.faults(),
      ...this.#clockFaults(),
      ...keys.faults(clock.monotonicMs(), (key) => this.#pausedKeys.has(key)).slice(0, MAX_KEY_FAULTS),
    ];
  }

  #replicaFaults(): readonly Fault[] {
    const seen = this.#parts.replica?.();
    // While the hub is away there is nothing that this node could do about it.
    if (seen?.isReaching !== true) return [];
    return [{ kind: "replicaBehind", target: this.#parts.self, level: seen.staleMs, healthyAttempts: 0 }];
  }

  #clockFaults(): readonly Fault[] {
    const offsetMs = this.#parts.clockOffsetMs();
    if (offsetMs === null) return [];
    const level = Math.abs(Math.round(offsetMs));
    return [{ kind: "clockSkew", target: this.#parts.self, level, healthyAttempts: 0 }];
  }

  #means(): readonly Means[] {
    const { config, endpoints } = this.#parts;
    const healthy = endpoints().filter(({ health }) => health.kind === "healthy");
    const fallbacks = new Set(config["fsm.fallback_models"]);
    const hasFallback = healthy.some(({ models }) => models.some(({ name }) => fallbacks.has(name)));
    const mayAskClaude =
      config["executor.claude.fallback"] && healthy.some(({ endpoint }) => endpoint.kind === "anthropic");
    return [
      ...(config.endpoints.some((each) => each.restart_command !== undefined) ? (["endpointService"] as const) : []),
      ...(hasFallback ? (["fallbackModel"] as const) : []),
      ...(mayAskClaude ? (["claude"] as const) : []),
    ];
  }
}

function isPaused({ policy }: KeyRow): boolean {
  return policy.paused;
}

function total(inFlight: Readonly<Record<string, number>>): number {
  return Object.values(inFlight).reduce((sum, count) => sum + count, 0);
}

/** What is kept for the case that the others are down does not count among them. Nor does one that was not asked yet. */
function localEndpoints(
  states: readonly EndpointState[],
  fallbacks: readonly string[],
): readonly { readonly id: string; readonly isHealthy: boolean; readonly healthyAttempts: number }[] {
  const isFallback = ({ endpoint }: EndpointState): boolean =>
    endpoint.models.length > 0 && endpoint.models.every((model) => fallbacks.includes(model));
  return states
    .filter((state) => state.endpoint.kind !== "anthropic" && state.health.kind !== "unknown" && !isFallback(state))
    .map(({ endpoint, health, inFlight }) => ({
      id: endpoint.id,
      isHealthy: health.kind === "healthy",
      // Of one that does not answer no request is well.
      healthyAttempts: health.kind === "healthy" ? total(inFlight) : 0,
    }));
}
