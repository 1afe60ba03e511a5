/** The figures that alert rules look at, from what the node counts anyway. */
import { statfsSync } from "node:fs";
import { heldOf, type NodeOffer } from "#api";
import { type Clock, type NodeId, ok, type Result } from "#base";
import type { NodeDirectory } from "#fleet";
import { type GoalStore, hasGoalEnded, MAX_OPEN_GOALS } from "#goals";
import type { Queue, TaskRow } from "#queue";
import { CallWindow, distributionOf, MIN_SAMPLES, type Reading, type Readings, RULE_WINDOW_MS } from "#telemetry";
import type { Config } from "../config/settings.ts";
import type { Consumers } from "../consumers.ts";
import type { NodeModels } from "../models/open-models.ts";
import type { StateView } from "./state-spending.ts";

/** Attempts that one look counts: enough for a share, and some milliseconds of work. */
const MAX_SAMPLES = 5_000;
/** Of running tasks, the oldest; with more the rest is looked at when these have ended. */
const MAX_RUNNING = 500;
const SILENT_MS = 120_000;
/** A node may come late to ending what is over its time, by a disk or a network that hangs. */
const LATE_MS = 120_000;

export type ReadingParts = {
  readonly config: Config;
  readonly stateDir: string;
  readonly queue: Queue;
  /** Whether this node writes the queue: only there its figures are looked at. */
  readonly isWriter: boolean;
  readonly models: {
    readonly inference: Pick<NodeModels["inference"], "onCall">;
    readonly spending: Pick<NodeModels["spending"], "states">;
  };
  readonly consumers: Pick<Consumers, "places">;
  readonly nodes: Pick<NodeDirectory, "all">;
  readonly goals: Pick<GoalStore, "open" | "tasks">;
  /** What every node that may get work can carry out. */
  readonly offers: () => readonly NodeOffer[];
  /** When a node was heard of, to the second; undefined for one that was not since the start. */
  readonly heardAtMs: (node: NodeId) => number | undefined;
  readonly self: string;
  /** Null on a node that has no hub. */
  readonly hubAnswers: () => boolean | null;
  readonly auditWaiting: () => number;
  readonly stateBudgets: () => readonly StateView[];
  readonly clock: Clock;
};

const UNKNOWN: Reading = { value: null, says: "" };

export class RuleReadings {
  readonly #parts: ReadingParts;
  readonly #calls = new CallWindow(RULE_WINDOW_MS);
  #open: readonly { readonly atMs: number; readonly tasks: number }[] = [];
  readonly stop: () => void;

  constructor(parts: ReadingParts) {
    this.#parts = parts;
    this.stop = parts.models.inference.onCall((call) => this.#calls.add(call));
  }

  async read(): Promise<Readings> {
    const { isWriter, auditWaiting, hubAnswers } = this.#parts;
    const queue = isWriter ? await this.#queueReadings() : NO_QUEUE;
    const answers = hubAnswers();
    const waiting = auditWaiting();
    return {
      ...queue,
      goals_waiting: isWriter ? { "": await this.#goalsWaiting() } : {},
      no_node: isWriter ? this.#nodes() : {},
      hub_silent: answers === null ? {} : one(answers ? 0 : 1, "The hub did not answer this node's last request"),
      error_rate: this.#errors(),
      budget: this.#budgets(),
      disk: this.#disk(),
      audit_waiting: one(waiting, `${waiting} decisions wait for the disk`),
    };
  }

  async #queueReadings(): Promise<typeof NO_QUEUE> {
    const { queue, clock } = this.#parts;
    const nowMs = clock.nowMs();
    const [lanes, samples, running] = await Promise.all([
      queue.store.lanes(),
      queue.store.recentAttempts(nowMs - RULE_WINDOW_MS, MAX_SAMPLES),
      queue.store.transact("look for stuck tasks", (tx) =>
        ok(withDeadlines(tx.running(MAX_RUNNING), tx.bodies.bind(tx))),
      ),
    ]);
    const ready = lanes.ok ? lanes.value.reduce((sum, { counts }) => sum + counts.ready, 0) : null;
    const open = lanes.ok ? lanes.value.reduce((sum, { counts }) => sum + counts.ready + counts.waiting, 0) : null;
    return {
      queue_growing: { "": this.#growth(open) },
      failure_rate: { "": failures(samples) },
      slow_p95: { "": slowness(samples) },
      stuck_tasks: { "": this.#stuck(running) },
      utilisation: { "": this.#utilisation(ready) },
    };
  }

  #growth(open: number | null): Reading {
    if (open === null) return UNKNOWN;
    const nowMs = this.#parts.clock.monotonicMs();
    this.#open = [...this.#open.filter(({ atMs }) => atMs > nowMs - RULE_WINDOW_MS), { atMs: nowMs, tasks: open }];
    const before = this.#open[0];
    const more = open - (before?.tasks ?? open);
    return { value: more, says: `${Math.max(0, more)} more tasks are open than some minutes ago, ${open} in all` };
  }

  #stuck(running: Result<readonly Late[]>): Reading {
    if (!running.ok) return UNKNOWN;
    const { config, clock } = this.#parts;
    const tiers = ["trivial", "standard", "complex"] as const;
    const usualMs = Math.max(
      config["limits.wall_time_ms"],
      ...tiers.map((tier) => config[`limits.${tier}.wall_time_ms`]),
    );
    const nowMs = clock.nowMs();
    const stuck = running.value.filter(
      ({ startedAtMs, deadlineMs }) => nowMs - startedAtMs > (deadlineMs ?? usualMs) + LATE_MS,
    );
    const first = stuck[0];
    const which = first === undefined ? "" : `, such as ${first.id}`;
    return { value: stuck.length, says: `${stuck.length} tasks run longer than they may${which}` };
  }

  async #goalsWaiting(): Promise<Reading> {
    const { goals, queue, offers } = this.#parts;
    const open = await goals.open(MAX_OPEN_GOALS);
    if (!open.ok) return UNKNOWN;
    const offered = offers();
    const waiting: { readonly id: string; readonly why: string }[] = [];
    for (const goal of open.value) {
      if (goal.state === "submitted" || goal.paused !== null || hasGoalEnded(goal)) continue;
      const tasks = await goals.tasks(goal.id);
      const held = tasks.ok ? await heldOf(queue.store, tasks.value, offered) : tasks;
      if (!held.ok) return UNKNOWN;
      if (held.value !== null) waiting.push({ id: goal.id, why: held.value.text });
    }
    const [first] = waiting;
    const which = first === undefined ? "" : `, such as ${first.id}: ${first.why}`;
    return { value: waiting.length, says: `${waiting.length} goals wait${which}` };
  }

  #utilisation(ready: number | null): Reading {
    if (ready === null) return UNKNOWN;
    const { shell, model } = this.#parts.consumers.places();
    const total = shell.total + model.total;
    const percent = total === 0 ? 0 : Math.round((100 * (total - shell.free - model.free)) / total);
    // A node that is full with nothing waiting is well used.
    return {
      value: ready > 0 ? percent : 0,
      says: `${percent} % of ${total} places are in use, and ${ready} tasks are ready`,
    };
  }

  #nodes(): Readings["no_node"] {
    const { nodes, heardAtMs, self, clock } = this.#parts;
    const nowMs = clock.nowMs();
    const others = nodes.all().filter(({ id, state }) => id !== self && state === "active");
    if (others.length === 0) return {};
    const isSilent = others.every(({ id, seenAtMs }) => nowMs - Math.max(seenAtMs, heardAtMs(id) ?? 0) > SILENT_MS);
    return one(isSilent ? 1 : 0, `None of the ${others.length} other nodes was heard of for two minutes`);
  }

  #errors(): Readings["error_rate"] {
    const { calls, failed } = this.#calls.counts(this.#parts.clock.nowMs());
    const percent = calls < MIN_SAMPLES ? 0 : Math.round((100 * failed) / calls);
    return one(percent, `${failed} of ${calls} requests to models failed`);
  }

  #budgets(): Readings["budget"] {
    const states = this.#parts.models.spending.states();
    const all = states.map(({ span, unit, used, limit, action }) => ({ name: "", span, unit, used, limit, action }));
    const ofMind = this.#parts
      .stateBudgets()
      .flatMap(({ action, budgets }) => budgets.map((budget) => ({ name: budget.state, action, ...budget })));
    return Object.fromEntries(
      [...all, ...ofMind].map(({ name, span, unit, used, limit, action }) => {
        const percent = limit > 0 ? Math.floor((100 * used) / limit) : 100;
        const of = name === "" ? "" : ` for ${name}`;
        const says = `${percent} % of the ${unit} of this ${span}${of} are used (${action} when all are)`;
        return [`${name === "" ? "" : `${name}:`}${span}:${unit}`, { value: percent, says }];
      }),
    );
  }

  #disk(): Readings["disk"] {
    try {
      const { blocks, bavail, bfree } = statfsSync(this.#parts.stateDir);
      // As df counts: what is kept back for root is nobody's.
      const used = blocks - bfree;
      const percent = used + bavail === 0 ? 0 : Math.round((100 * used) / (used + bavail));
      return one(percent, `${percent} % of the file system of ${this.#parts.stateDir} are in use`);
    } catch {
      return { "": UNKNOWN };
    }
  }
}

const NO_QUEUE: Pick<Readings, "queue_growing" | "failure_rate" | "slow_p95" | "stuck_tasks" | "utilisation"> = {
  queue_growing: {},
  failure_rate: {},
  slow_p95: {},
  stuck_tasks: {},
  utilisation: {},
};

type Samples = Awaited<ReturnType<Queue["store"]["recentAttempts"]>>;

/** What a person ended did not fail. */
const NOT_COUNTED: ReadonlySet<string> = new Set(["cancelled"]);

function failures(samples: Samples): Reading {
  if (!samples.ok) return UNKNOWN;
  const counted = samples.value.filter(({ outcome }) => !NOT_COUNTED.has(outcome));
  const failed = counted.filter(({ outcome }) => outcome !== "passed").length;
  const percent = counted.length < MIN_SAMPLES ? 0 : Math.round((100 * failed) / counted.length);
  return { value: percent, says: `${failed} of ${counted.length} attempts failed within 15 minutes` };
}

function slowness(samples: Samples): Reading {
  if (!samples.ok) return UNKNOWN;
  const measured = samples.value.filter(({ outcome }) => outcome !== "lost").map(({ durationMs }) => durationMs);
  const seconds = measured.length < MIN_SAMPLES ? 0 : distributionOf(measured).p95 / 1_000;
  return { value: seconds, says: `95 of 100 attempts took up to ${Math.round(seconds)} s` };
}

type Late = { readonly id: string; readonly startedAtMs: number; readonly deadlineMs: number | null };

function withDeadlines(
  rows: readonly TaskRow[],
  bodies: (ids: TaskRow["id"][]) => ReadonlyMap<TaskRow["id"], string>,
): readonly Late[] {
  const texts = bodies(rows.map(({ id }) => id));
  return rows.flatMap(({ id, startedAtMs }) =>
    startedAtMs === null ? [] : [{ id, startedAtMs, deadlineMs: deadlineOf(texts.get(id) ?? "{}") }],
  );
}

function deadlineOf(body: string): number | null {
  // `as`: a submission is an object; the one field is checked.
  const { deadlineMs } = JSON.parse(body) as { readonly deadlineMs?: unknown };
  return typeof deadlineMs === "number" ? deadlineMs : null;
}

function one(value: number, says: string): Readonly<Record<string, Reading>> {
  return { "": { value, says } };
}
