/** A node of the executable, a repository with a bare remote, and a script in place of a model. */
import { chmodSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type BinaryNode, BinaryWorld, startBinaryNode } from "../../support/binary-node.ts";
import { killPid } from "../../support/binary-processes.ts";
import { bareCopy, git, newRepository } from "../../support/git-repositories.ts";
import { reply, type ScriptedReply } from "../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../support/models/scripted-server.ts";

/** A goal's first task takes so long, so that there is something to be killed. */
const WORK_SECONDS = 0.3;

const goalSchema = z.object({
  id: z.string(),
  title: z.string(),
  state: z.string(),
  reason: z.object({ code: z.string(), text: z.string() }).nullable(),
  tasks: z.array(z.object({ kind: z.string(), key: z.string(), state: z.string(), task: z.string().nullable() })),
});
export type SeenGoal = z.infer<typeof goalSchema>;
const taskListSchema = z.object({ items: z.array(z.object({ id: z.string() })) });

export class GoalCrashWorld {
  readonly repository: string;
  readonly #binary = new BinaryWorld();
  readonly #server: ScriptedServer;
  #node: BinaryNode | undefined;

  private constructor(server: ScriptedServer) {
    this.#server = server;
    this.repository = join(this.#binary.path, "toy");
    newRepository(this.repository, { "README.md": "# Toy\n", "log.txt": "" });
    const remote = bareCopy(this.repository, join(this.#binary.path, "toy.git"));
    git(this.repository, "remote", "add", "origin", `file://${remote}`);
    chmodSync(this.#binary.path, 0o755);
  }

  static async open(): Promise<GoalCrashWorld> {
    const server = await startScriptedServer({ models: [{ name: "scripted", capabilities: ["completion", "tools"] }] });
    server.otherwise(({ body }) => answerTo(body));
    return new GoalCrashWorld(server);
  }

  get node(): BinaryNode {
    if (this.#node === undefined) throw new Error("no node runs");
    return this.#node;
  }

  async start(): Promise<void> {
    this.#node = await startBinaryNode(this.#binary, {
      env: {
        DROVER_ENDPOINTS: JSON.stringify([{ name: "script", url: this.#server.url }]),
        DROVER_HW_DISCOVER: "false",
        DROVER_REPOS: JSON.stringify([{ name: "toy", path: this.repository, branch: "main" }]),
        DROVER_FSM_DWELL_MS: JSON.stringify({ resting: 1_000, executing: 1_000, healing: 1_000 }),
        // A worker that is killed costs an attempt; here that happens more often than anywhere.
        DROVER_LIMITS_ATTEMPTS: "20",
        DROVER_LIMITS_RETRY_BASE_MS: "50",
      },
    });
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

  /** What git and the state folder still have of attempts that are over. */
  leftovers(goals: readonly string[]): readonly string[] {
    const refs = git(this.repository, "for-each-ref", "--format=%(refname)").split("\n");
    const expected = new Set(["refs/heads/main", ...goals.map((id) => `refs/heads/drover/${id}`)]);
    const unknown = refs.filter(
      (ref) => !expected.has(ref) && !/^refs\/(?:remotes|drover\/(?:upstream|remote))\//.test(ref),
    );
    const worktrees = git(this.repository, "worktree", "list", "--porcelain").match(/^worktree .*/gm) ?? [];
    const state = (name: string) => join(this.#binary.state, name);
    const records = existsSync(state("repositories/attempts")) ? readdirSync(state("repositories/attempts")) : [];
    return [
      ...unknown,
      ...worktrees.slice(1),
      ...records.filter((name) => name.endsWith(".json")).map((name) => `record ${name}`),
    ];
  }

  log(): string {
    return this.#node?.log() ?? "";
  }

  async close(): Promise<void> {
    await this.#node?.kill();
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
