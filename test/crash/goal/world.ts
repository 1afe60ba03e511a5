/** A node of the executable, a repository with a bare remote, and a script in place of a model. */
import { Database } from "bun:sqlite";
import { chmodSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { decodeAll } from "#activities";
import { decodeMind, type Mind, replay } from "#fsm";
import {
  type BinaryNode,
  BinaryWorld,
  type Environment,
  type Started,
  tryStartNode,
} from "../../support/binary-node.ts";
import { killPid } from "../../support/binary-processes.ts";
import { type ForgeServer, forgeServer } from "../../support/forge-server.ts";
import { bareCopy, git, newRepository } from "../../support/git-repositories.ts";
import { reply, type ScriptedReply } from "../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../support/models/scripted-server.ts";

/** A goal's first task takes so long, so that there is something to be killed. */
const WORK_SECONDS = 0.3;
const READY_LIMIT_MS = 90_000;

const goalSchema = z.object({
  id: z.string(),
  title: z.string(),
  state: z.string(),
  round: z.number(),
  reason: z.object({ code: z.string(), text: z.string() }).nullable(),
  tasks: z.array(
    z.object({
      kind: z.string(),
      round: z.number(),
      key: z.string(),
      state: z.string(),
      task: z.string().nullable(),
      error: z.string().nullable(),
    }),
  ),
});
export type SeenGoal = z.infer<typeof goalSchema>;
const mindSchema = z.object({ state: z.string(), seq: z.int() });
const taskListSchema = z.object({ items: z.array(z.object({ id: z.string() })) });
const taskSchema = z.object({
  state: z.string(),
  attempts: z.array(z.object({ outcome: z.string(), error: z.string().nullable() })),
});

/** Where what goals changed goes: to a branch at the remote and a patch, to the forge, or onto the main branch. */
export const DELIVERIES = ["patch", "pullRequest", "merge", "mergeOnForge"] as const;
export type GoalDelivery = (typeof DELIVERIES)[number];

export class GoalCrashWorld {
  readonly repository: string;
  readonly remote: string;
  readonly #delivery: GoalDelivery;
  readonly #forge: ForgeServer | undefined;
  readonly #tokenFile: string;
  readonly #binary = new BinaryWorld();
  readonly #server: ScriptedServer;
  #node: BinaryNode | undefined;

  private constructor(server: ScriptedServer, delivery: GoalDelivery) {
    this.#server = server;
    this.#delivery = delivery;
    this.repository = join(this.#binary.path, "toy");
    newRepository(this.repository, { "README.md": "# Toy\n", "log.txt": "" });
    this.remote = bareCopy(this.repository, join(this.#binary.path, "toy.git"));
    git(this.remote, "config", "core.logAllRefUpdates", "always"); // so that pushes can be counted
    git(this.repository, "remote", "add", "origin", `file://${this.remote}`);
    this.#tokenFile = join(this.#binary.path, "forge-token");
    const token = `t0ken-${crypto.randomUUID()}`;
    writeFileSync(this.#tokenFile, token, { mode: 0o600 });
    const isOnForge = delivery === "pullRequest" || delivery === "mergeOnForge";
    this.#forge = isOnForge ? forgeServer("gitea", this.remote, token) : undefined;
    chmodSync(this.#binary.path, 0o755);
  }

  static async open(delivery: GoalDelivery = "patch"): Promise<GoalCrashWorld> {
    const server = await startScriptedServer({ models: [{ name: "scripted", capabilities: ["completion", "tools"] }] });
    server.otherwise(({ body }) => answerTo(body));
    return new GoalCrashWorld(server, delivery);
  }

  get node(): BinaryNode {
    if (this.#node === undefined) throw new Error("no node runs");
    return this.#node;
  }

  async start(): Promise<void> {
    const started = await this.tryStart({});
    if (started.kind === "ended") throw new Error(`the node ended: ${started.stderr}`);
  }

  /** @param armed where it is to kill itself, which may be before it is ready */
  async tryStart(armed: Environment): Promise<Started> {
    const started = await tryStartNode(this.#binary, {
      readyLimitMs: READY_LIMIT_MS,
      env: {
        ...armed,
        DROVER_ENDPOINTS: JSON.stringify([{ name: "script", url: this.#server.url }]),
        DROVER_HW_DISCOVER: "false",
        DROVER_REPOS: JSON.stringify([{ name: "toy", path: this.repository, branch: "main", ...this.#settings() }]),
        DROVER_FSM_DWELL_MS: JSON.stringify({ resting: 1_000, executing: 1_000, healing: 1_000 }),
        // A worker that is killed costs an attempt; here that happens more often than anywhere.
        DROVER_LIMITS_ATTEMPTS: "20",
        DROVER_LIMITS_RETRY_BASE_MS: "50",
      },
    });
    this.#node = started.kind === "ready" ? started.node : undefined;
    return started;
  }

  #settings(): object {
    const merges = this.#delivery === "merge" || this.#delivery === "mergeOnForge";
    const forge = { kind: "gitea", api_url: this.#forge?.url, repository: "ada/site", token_file: this.#tokenFile };
    return {
      ...(this.#forge === undefined ? {} : { forge }),
      ...(merges
        ? { autonomy: { at_most: "merge", merge_below: 1_000, ask_from: 1_000 }, checks: { test: ["true"] } }
        : {}),
    };
  }

  /** SIGKILL for the node, and for its workers and their commands too when all are to go. */
  async kill(all: boolean): Promise<void> {
    if (all) for (const { pid } of this.#binary.processes()) killPid(pid);
    await this.#node?.kill();
    this.#node = undefined;
  }

  /** Judged by a model, or checked by a command that leaves something behind. @returns its id */
  async handIn(name: string, isJudged: boolean): Promise<string> {
    const check = {
      kind: "command_succeeds",
      command: ["sh", "-c", `echo left > left-${name}.txt; test -e done-${name}.txt`],
    };
    const answer = await this.node.request("POST", "/api/goals", {
      title: name,
      description: `Write done-${name}.txt.`,
      repository: "toy",
      idempotencyKey: name,
      ...(isJudged ? { successCriteria: ["it is done"] } : { verify: [check] }),
    });
    if (answer.status !== 201 && answer.status !== 200)
      throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
    return z.object({ id: z.string() }).parse(answer.body).id;
  }

  async goal(id: string): Promise<SeenGoal> {
    return goalSchema.parse((await this.node.request("GET", `/api/goals/${id}`)).body);
  }

  /** Ids of the queue's tasks that belong to a goal. */
  async queued(id: string): Promise<readonly string[]> {
    const answer = await this.node.request("GET", `/api/tasks?label=drover.goal=${id}&limit=100`);
    return taskListSchema.parse(answer.body).items.map((task) => task.id);
  }

  /** How its attempts ended, in words. */
  async attempts(task: string): Promise<readonly string[]> {
    const { attempts } = taskSchema.parse((await this.node.request("GET", `/api/tasks/${task}`)).body);
    return attempts.map(({ outcome, error }) => (error === null ? outcome : `${outcome} (${error})`));
  }

  /**
   * What git and the state folder still have of tasks that are over. Of those that are not, such as the mind's own looks
   * at the repository, something has to be there.
   */
  async leftovers(goals: readonly string[]): Promise<readonly string[]> {
    const refs = git(this.repository, "for-each-ref", "--format=%(refname)").split("\n");
    const expected = new Set(["refs/heads/main", ...goals.map((id) => `refs/heads/drover/${id}`)]);
    const unknown = refs.filter(
      (ref) => !expected.has(ref) && !/^refs\/(?:remotes|drover\/(?:upstream|remote))\//.test(ref),
    );
    const worktrees = git(this.repository, "worktree", "list", "--porcelain").match(/^worktree .*/gm) ?? [];
    const state = (name: string) => join(this.#binary.state, name);
    const records = existsSync(state("repositories/attempts")) ? readdirSync(state("repositories/attempts")) : [];
    const left = [
      ...unknown,
      ...worktrees.slice(1),
      ...records.filter((name) => name.endsWith(".json")).map((name) => `record ${name}`),
    ];
    const over = await Promise.all(left.map(async (one) => ((await this.#isOver(one)) ? [one] : [])));
    return over.flat();
  }

  /** What names no task belongs to none that could be under way. */
  async #isOver(left: string): Promise<boolean> {
    const id = /t_[0-9a-z]{26}/.exec(left)?.[0];
    if (id === undefined) return true;
    const { state } = taskSchema.parse((await this.node.request("GET", `/api/tasks/${id}`)).body);
    return state === "done" || state === "dead" || state === "cancelled";
  }

  /** What was delivered of a goal, and how often: nothing may be there twice. @returns what is wrong, in words */
  delivered(goal: string): readonly string[] {
    const branch = `drover/${goal}`;
    const faults: string[] = [];
    const is = (what: string, times: number, expected: number): void => {
      if (times !== expected) faults.push(`${what} ${times} times, not ${expected}`);
    };
    const updates = (ref: string) => git(this.remote, "reflog", "show", "--format=%H", ref, "--").split("\n");
    const isPushed = this.#delivery !== "merge";
    const there = git(this.remote, "for-each-ref", "--format=%(refname)", `refs/heads/${branch}`) !== "";
    is("its branch was pushed", there ? updates(branch).length : 0, isPushed ? 1 : 0);
    const pulls = this.#forge?.pulls.filter(({ head }) => head === branch) ?? [];
    is("a pull request was made", pulls.length, this.#forge === undefined ? 0 : 1);
    const head = git(this.repository, "rev-parse", branch);
    const merges = git(this.remote, "log", "--merges", "--format=%P", "main").split("\n");
    const times = merges.filter((parents) => parents.split(" ")[1] === head).length;
    is("it was merged", times, this.#delivery.startsWith("merge") ? 1 : 0);
    return faults;
  }

  /** The mind as its journal on disk has it; undefined before there is one. */
  mind(): { readonly mind: Mind; readonly lines: ReadonlyMap<number, string> } | undefined {
    const database = new Database(join(this.#binary.state, "node.db"), { readonly: true });
    try {
      const kept = database.query<{ seq: number; line: string }, []>("SELECT seq, line FROM mind_snapshot").get();
      if (kept === null) return undefined;
      const rows = database.query<{ seq: number; line: string }, []>("SELECT seq, line FROM mind_entry ORDER BY seq");
      const lines = new Map(rows.all().map(({ seq, line }) => [seq, line]));
      const snapshot = decodeMind(kept.line);
      const entries = decodeAll([...lines].flatMap(([seq, line]) => (seq > kept.seq ? [line] : [])));
      if (!snapshot.ok || !entries.ok) throw new Error("the journal of the mind cannot be read");
      return { mind: replay(snapshot.value, entries.value), lines };
    } finally {
      database.close();
    }
  }

  async mindState(): Promise<{ readonly state: string; readonly seq: number }> {
    return mindSchema.parse((await this.node.request("GET", "/api/hub/state")).body);
  }

  get crashLog(): string {
    return join(this.#binary.path, "crashes.log");
  }

  async close(): Promise<void> {
    await this.#node?.kill();
    await this.#forge?.stop();
    this.#binary.remove();
    await this.#server.stop();
  }
}

/** Two tasks: one appends a line by a command, one is the model's own. Done twice, the line would be there twice. */
function planFor(name: string): string {
  const line = `sleep ${WORK_SECONDS}; echo ${name} >> log.txt`;
  return JSON.stringify({
    tasks: [
      {
        key: "line",
        title: `line ${name}`,
        executor: "shell",
        command: ["sh", "-c", line],
        verify: [{ kind: "file_contains", path: "log.txt", pattern: name }],
      },
      {
        key: "file",
        title: `file ${name}`,
        prompt: `Write done-${name}.txt.`,
        dependsOn: ["line"],
        verify: [{ kind: "file_exists", path: `done-${name}.txt` }],
      },
    ],
  });
}

function answerTo(body: unknown): ScriptedReply {
  // `as`: what /api/chat takes.
  const { messages = [] } = body as { readonly messages?: readonly { role: string; content?: string }[] };
  const said = messages.map(({ content = "" }) => content).join("\n");
  const name = /(?:done-|Goal: )(g[0-9]+x)/.exec(said)?.[1] ?? "";
  if (said.includes("# Task: plan:")) return reply().text(planFor(name));
  if (said.includes("# Task: judge:")) {
    return reply().text(JSON.stringify({ criteria: [{ n: 1, met: true, why: "it is there" }] }));
  }
  if (messages.at(-1)?.role === "tool") return reply().text("The file is written.");
  return reply().toolCall("write_file", { path: `done-${name}.txt`, content: `${name}\n` });
}
