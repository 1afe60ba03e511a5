/** Improving over a real repository and a real store; goals and the queue's tasks are told by the test how they end. */
import { createHash } from "node:crypto";
import {
  type ChoiceRules,
  DEFAULT_CHOICE_RULES,
  type GoalEnd,
  type GoalOutcomes,
  type GoalSubmissions,
  type ImprovedRepositories,
  Improving,
  Look,
  type MindTaskEnd,
  type MindTasks,
  ModelLook,
  type NewGoal,
  ToolLook,
} from "#activities";
import { err, type JsonObject, ok, type Result, refused, retryable, SimulatedClock, silentLogger } from "#base";
import { FactsFile, type RegisteredChecks, trackedState } from "#repos";
import type { Stores } from "#store";
import { GitFolder } from "./git-folder.ts";
import { openedStores } from "./opened-stores.ts";

export const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Keeps goals by their key, as the real ones do. */
export class ToldGoals implements GoalSubmissions, GoalOutcomes {
  readonly submitted: NewGoal[] = [];
  readonly ends = new Map<string, GoalEnd>();
  /** Called before each submission, to fail or to crash. */
  before: () => Result<void> = () => ok(undefined);

  async submit(goal: NewGoal): Promise<Result<{ readonly id: string; readonly existed: boolean }>> {
    const may = this.before();
    if (!may.ok) return may;
    const at = this.submitted.findIndex(({ idempotencyKey }) => idempotencyKey === goal.idempotencyKey);
    if (at === -1) this.submitted.push(goal);
    return ok({ id: `g_${at === -1 ? this.submitted.length : at + 1}`, existed: at !== -1 });
  }

  async outcome(goal: string): Promise<Result<GoalEnd | null>> {
    return ok(this.ends.get(goal) ?? null);
  }
}

export class ToldTasks implements MindTasks {
  readonly submitted: (JsonObject & { readonly idempotencyKey: string })[] = [];
  readonly ends = new Map<string, MindTaskEnd>();

  async submit(task: JsonObject & { readonly idempotencyKey: string }): Promise<Result<{ readonly id: string }>> {
    const at = this.submitted.findIndex(({ idempotencyKey }) => idempotencyKey === task.idempotencyKey);
    if (at === -1) this.submitted.push(task);
    return ok({ id: `t_${at === -1 ? this.submitted.length : at + 1}` });
  }

  async end(id: string): Promise<Result<MindTaskEnd | null>> {
    return ok(this.ends.get(id) ?? null);
  }

  says(id: string, text: string): void {
    this.ends.set(id, { passed: true, text, error: null, report: null });
  }
}

export type ImprovingOptions = {
  readonly rules?: Partial<ChoiceRules>;
  readonly modelPerDay?: number;
  readonly runsTools?: boolean;
  readonly checks?: RegisteredChecks;
};

export class ImprovingWorld {
  readonly clock = new SimulatedClock();
  readonly goals = new ToldGoals();
  readonly tasks = new ToldTasks();
  readonly folder: GitFolder;
  readonly reverted = new Set<string>();
  stores: Stores;
  budgetLeft = 100;
  readonly #dir: string;
  readonly #options: ImprovingOptions;

  private constructor(dir: string, stores: Stores, folder: GitFolder, options: ImprovingOptions) {
    this.#dir = dir;
    this.stores = stores;
    this.folder = folder;
    this.#options = options;
  }

  static async open(
    dir: string,
    files: Readonly<Record<string, string>>,
    options: ImprovingOptions = {},
  ): Promise<ImprovingWorld> {
    return new ImprovingWorld(dir, await openedStores(dir), new GitFolder(files), options);
  }

  /** A process that begins anew on the same folder. */
  async restart(): Promise<void> {
    await this.stores.close();
    this.stores = await openedStores(this.#dir);
  }

  improving(): Improving {
    const { clock, tasks } = this;
    const { rules = {}, modelPerDay = 0, runsTools = false } = this.#options;
    const store = this.stores.improvements;
    const repositories = this.repositories();
    const common = { repositories, store, digest, clock };
    return new Improving({
      repositories,
      store,
      goals: this.goals,
      look: new Look({ ...common, everyMs: 7 * 86_400_000 }),
      tools: new ToolLook({ ...common, tasks, isAllowed: runsTools }),
      model: new ModelLook({ ...common, tasks, perDay: modelPerDay, budgetLeftPercent: () => this.budgetLeft }),
      rules: { ...DEFAULT_CHOICE_RULES, ...rules },
      clock,
      logger: silentLogger,
    });
  }

  repositories(): ImprovedRepositories {
    return {
      list: async () => ok([{ name: "shop" }]),
      open: (name) =>
        name === "shop" ? trackedState(this.folder.root, "main") : Promise.resolve(err(refused("not_found", name))),
      checks: () => ok(this.#options.checks ?? {}),
      delivered: async (_name, goal) =>
        this.goals.ends.has(goal) || this.reverted.has(goal)
          ? ok({ files: ["src/touched.ts"], isReverted: this.reverted.has(goal) })
          : ok(null),
      cache: () => new FactsFile(`${this.#dir}/scans/shop.json.gz`),
    };
  }

  async close(): Promise<void> {
    await this.stores.close();
    this.folder.remove();
  }
}

export const unavailable = () => err(retryable("unavailable", "the hub is away"));
