/**
 * Goals on a whole engine: real stores, real workers, real inference over a server that answers from a script. Only the
 * API and the mind are left out.
 */
import { join } from "node:path";
import { createIdFactory, type GoalId, seededRandom, silentLogger } from "#base";
import type { Goal, GoalSubmission, GoalTask } from "#goals";
import { hasGoalEnded, orderOf } from "#goals";
import { type Engine, startEngine } from "../../src/runtime/engine.ts";
import { type NodeGoals, openGoals } from "../../src/runtime/goals/open-goals.ts";
import { configWith } from "../unit/runtime/models/model-config.ts";
import { lastOf } from "./model-attempt-world.ts";
import type { RecordedRequest } from "./models/recorded-request.ts";
import { reply, type ScriptedReply } from "./models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "./models/scripted-server.ts";
import { must } from "./opened-stores.ts";
import { realClock } from "./real-clock.ts";
import { waitUntil } from "./wait-until.ts";
import { workerCommand } from "./worker-command.ts";

const ENDS_MS = 25_000;
const LOOK_MS = 20;

/** What the model says: to a question for a plan, for a judgement, and while it works on a task of this title. */
export type Script = {
  readonly plan: (prompt: string, asked: number) => string;
  readonly judge?: (prompt: string, asked: number) => string;
  /** The file that it writes, in the workspace; null only talks. */
  readonly work: (title: string, attempt: number) => { readonly path: string; readonly content: string } | null;
};

export class GoalWorld {
  readonly server: ScriptedServer;
  readonly prompts: string[] = [];
  readonly stateDir: string;
  script: Script;
  /** Name → path of repositories that goals may be about. */
  repositories: Readonly<Record<string, string>> = {};
  /** Replies to work, not to questions, wait for this. */
  hold: Promise<void> | undefined;
  #engine: Engine | undefined;
  #goals: NodeGoals | undefined;
  #plans = 0;
  #judges = 0;
  readonly #works = new Map<string, number>();

  private constructor(server: ScriptedServer, stateDir: string, script: Script) {
    this.server = server;
    this.stateDir = stateDir;
    this.script = script;
    server.otherwise((request) => this.#answer(request));
  }

  static async open(folder: string, script: Script): Promise<GoalWorld> {
    return new GoalWorld(await startScriptedServer(), join(folder, "state"), script);
  }

  get engine(): Engine {
    if (this.#engine === undefined) throw new Error("no engine runs");
    return this.#engine;
  }

  get goals(): NodeGoals {
    if (this.#goals === undefined) throw new Error("no engine runs");
    return this.#goals;
  }

  /** @param more `begin`: false leaves the activity at rest */
  async start(more: { readonly begin?: boolean; readonly atOnce?: number } = {}): Promise<void> {
    const config = configWith({
      endpoints: [{ url: this.server.url, kind: "ollama" }],
      "hw.discover": false,
      "store.backup.every_ms": 0,
      "goals.at_once": more.atOnce ?? 3,
      repos: Object.entries(this.repositories).map(([name, path]) => ({ name, path, branch: "main" })),
      "limits.attempts": 1,
      "limits.retry_base_ms": 1,
    } as never); // `as`: checked by the schema of the settings
    const common = { config, stateDir: this.stateDir, clock: realClock, logger: silentLogger };
    this.#engine = must(
      await startEngine({
        ...common,
        random: seededRandom(performance.now()), // ids of two engines on one folder must differ
        crashPoint: () => undefined,
        workerCommand,
        ollamaHost: null,
      }),
    );
    const repositories = this.#engine.repositories.goals;
    this.#goals = openGoals({ ...common, engine: this.#engine, repositories });
    if (more.begin !== false) this.begin();
  }

  begin(): void {
    this.goals.executing?.begin(Number.POSITIVE_INFINITY);
  }

  /** @returns the title of the first task of the work that the model was asked about */
  async running(): Promise<string | undefined> {
    const isWork = (prompt: string): boolean => !/# Task: (?:plan|judge):/.test(prompt);
    const prompt = await waitUntil("a task of the work runs", () => this.prompts.find(isWork));
    return /# Task: (.*)/.exec(prompt)?.[1];
  }

  /** @returns the tasks of a goal, once none of them is to be carried out any more */
  async swept(id: GoalId): Promise<readonly GoalTask[]> {
    for (;;) {
      const tasks = await this.tasks(id);
      if (tasks.every(({ state }) => state !== "open" && state !== "planned")) return tasks;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Resolves when nothing waits, is ready or runs. */
  async queueIsIdle(): Promise<void> {
    for (;;) {
      const lanes = must(await this.engine.queue.store.lanes());
      if (lanes.every(({ counts }) => counts.waiting + counts.ready + counts.running === 0)) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** As a node that goes and leaves its workers to the next one; or that dies, as far as goals are concerned. */
  async stop(mode: "leave" | "now" = "now"): Promise<void> {
    this.#goals?.executing?.end();
    await this.#goals?.executing?.idle();
    await this.#engine?.stop(mode);
    this.#engine = undefined;
    this.#goals = undefined;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.server.stop();
  }

  async submit(goal: GoalSubmission): Promise<GoalId> {
    return must(await this.goals.port.submit(orderOf(goal))).id;
  }

  /** As one that was handed in before its repository was taken away. */
  async keep(goal: GoalSubmission): Promise<GoalId> {
    const nowMs = realClock.nowMs();
    const ids = createIdFactory(realClock, seededRandom(nowMs));
    const order = orderOf(goal);
    return must(await this.goals.port.store.submit({ id: ids.goal(), order, node: ids.node(), nowMs })).id;
  }

  async goal(id: GoalId): Promise<Goal> {
    const goal = must(await this.goals.port.store.find(id));
    if (goal === undefined) throw new Error(`there is no goal ${id}`);
    return goal;
  }

  async tasks(id: GoalId): Promise<readonly GoalTask[]> {
    return must(await this.goals.port.store.tasks(id));
  }

  async history(id: GoalId): Promise<readonly string[]> {
    return must(await this.goals.port.store.events(id, 0, 500)).map(({ kind }) => kind);
  }

  async becomes(id: GoalId, what: string, holds: (goal: Goal) => boolean): Promise<Goal> {
    const endMs = performance.now() + ENDS_MS;
    for (;;) {
      const goal = await this.goal(id);
      if (holds(goal)) return goal;
      if (performance.now() > endMs) {
        const tasks = (await this.tasks(id)).map(({ key, state, error }) => ({ key, state, error }));
        throw new Error(`in vain: ${what}; it is ${JSON.stringify({ goal, tasks }, undefined, 1)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  ended(id: GoalId): Promise<Goal> {
    return this.becomes(id, `${id} ends`, hasGoalEnded);
  }

  async #answer(request: RecordedRequest): Promise<ScriptedReply> {
    const { role, content } = lastOf(request);
    if (role === "tool") return reply().text("Done: the file is written.");
    this.prompts.push(content);
    if (content.includes("# Task: plan:")) {
      this.#plans += 1;
      return reply().text(this.script.plan(content, this.#plans));
    }
    if (content.includes("# Task: judge:")) {
      this.#judges += 1;
      return reply().text(this.script.judge?.(content, this.#judges) ?? "I cannot say.");
    }
    const title = /# Task: (.*)/.exec(content)?.[1] ?? "";
    const attempt = (this.#works.get(title) ?? 0) + 1;
    this.#works.set(title, attempt);
    const file = this.script.work(title, attempt);
    return file === null
      ? reply().text("Done: nothing was to be written.")
      : reply().toolCall("write_file", { ...file });
  }
}

/** @returns a plan as a model says it. */
export function planOf(...tasks: readonly object[]): string {
  return `Here it is:\n\`\`\`json\n${JSON.stringify({ tasks })}\n\`\`\``;
}
