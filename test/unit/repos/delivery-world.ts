/** Repositories, remotes and forges for tests of deliveries. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach } from "vitest";
import { type Clock, ok, type Result, SimulatedClock } from "#base";
import {
  type CheckReport,
  type CheckRunner,
  Deliveries,
  ForgeTokens,
  MemoryRepositoryStore,
  openForge,
  type Policy,
  type RepositoryInput,
  RepositoryPlaces,
  registered,
  repositorySchema,
  Turns,
} from "#repos";
import { headOf } from "../../../src/repos/io/branch-head.ts";
import { type ForgeServer, forgeServer } from "../../support/forge-server.ts";
import { bareCopy, commit, type Files, git, newRepository } from "../../support/git-repositories.ts";
import { must } from "../../support/opened-stores.ts";
import { IN_MEMORY, temporaryFolders } from "../../support/temporary-folder.ts";

export const folder = temporaryFolders(IN_MEMORY);
const servers: ForgeServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

export const OPEN: Policy = { atMost: "merge", mergeBelow: 60, askFrom: 150, outside: "ask" };
export const CHANGE: Files = { "lib/one.ts": "export const one = 1;\n", "test/one.test.ts": "check(one === 1);\n" };
export const GREEN: CheckReport = { ran: ["test"], failing: [] };
export const RED: CheckReport = { ran: ["test"], failing: [{ name: "test", detail: "lib/one.ts:1 expected 2" }] };

/** Says what it was told to, in order, and then that all is well; keeps which commits it was asked about. */
export class ScriptedChecks implements CheckRunner {
  readonly seen: string[] = [];
  readonly #answers: CheckReport[];

  constructor(...answers: CheckReport[]) {
    this.#answers = answers;
  }

  async run(_repository: unknown, _gitDir: string, commit: string): Promise<Result<CheckReport>> {
    this.seen.push(commit);
    return ok(this.#answers.shift() ?? GREEN);
  }
}

/** Nobody waits in a test; `waits` gets what would have been waited. */
export function impatientClock(waits: number[]): Clock {
  const clock = new SimulatedClock();
  const after = (delayMs: number, action: () => void) => {
    waits.push(delayMs);
    queueMicrotask(action);
    return { cancel: () => undefined };
  };
  return { nowMs: () => clock.nowMs(), monotonicMs: () => clock.monotonicMs(), after };
}

type Given = {
  readonly repository?: Partial<RepositoryInput>;
  readonly checks?: ScriptedChecks;
  readonly policy?: Policy;
  readonly forge?: "github" | "gitea";
  /** Who asked for goal `g1`. */
  readonly isFromOutside?: boolean;
};

/** A repository with a bare remote, in which a goal has changed something. */
export async function world({
  repository = {},
  checks = new ScriptedChecks(),
  policy = OPEN,
  forge,
  ...given
}: Given = {}) {
  const root = folder();
  const origin = newRepository(join(root, "origin"));
  const bare = bareCopy(origin, join(root, "bare.git"));
  const [stateDir, secrets] = [join(root, "state"), join(root, "state", "secrets", "127.0.0.1")];
  mkdirSync(secrets, { recursive: true });
  const tokenFile = join(secrets, "token");
  const token = `t0ken-${crypto.randomUUID()}`;
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  const server = forge === undefined ? undefined : forgeServer(forge, bare, token);
  if (server !== undefined) servers.push(server);
  const onForge =
    server === undefined ? {} : { forge: { kind: forge, apiUrl: server.url, repository: "ada/site", tokenFile } };
  const site = repositorySchema.parse({
    name: "site",
    url: `file://${bare}`,
    checks: { test: ["bun", "test"] },
    ...onForge,
    ...repository,
  });
  const waits: number[] = [];
  const clock = new SimulatedClock();
  const impatient = impatientClock(waits);
  const store = new MemoryRepositoryStore();
  const tokens = new ForgeTokens(stateDir, []);
  const places = new RepositoryPlaces(stateDir, { maxBytes: 1e9, offlineMs: 1, fetchTimeoutMs: 60_000 }, tokens, clock);
  const deliveries = new Deliveries({
    stateDir,
    places,
    turns: new Turns(),
    store,
    author: { name: "drover", email: "drover@example.org" },
    policy,
    checks,
    watched: [],
    bringIn: (_site, place, _main, { goalId }) => headOf(place, `drover/${goalId}`),
    forgetShared: async () => undefined,
    passRate: (model) => (model.startsWith("worked-on-") ? null : 1),
    list: () => ok(registered([site], must(store.entries()))),
    isFromOutside: async (workId) => ok(workId === "g1" && given.isFromOutside === true),
    forgeOf: (one) => openForge(one, tokens, impatient),
    pushTimeoutMs: 60_000,
    forgeWaitMs: 60_000,
    modelsOf: async (tasks) => ok(tasks.map((task) => `worked-on-${task}`)),
    clock,
  });
  /** As the tasks of goal `g1` have left it. */
  const change = async (files: Files = CHANGE, message = "Add one"): Promise<string> => {
    const { gitDir } = must(await places.open(site));
    must(await places.fresh(site, must(await places.open(site))));
    const work = join(root, `work-${crypto.randomUUID()}`);
    const isNew = git(gitDir, "branch", "--list", "drover/g1") === "";
    git(gitDir, "worktree", "add", "--quiet", "--detach", work, isNew ? "refs/drover/upstream/main" : "drover/g1");
    const made = commit(work, files, message);
    git(gitDir, "update-ref", "refs/heads/drover/g1", made);
    git(gitDir, "worktree", "remove", "--force", work);
    return made;
  };
  const order = {
    goalId: "g1",
    title: "Add one",
    description: "For **all**.",
    repository: "site",
    branch: "drover/g1",
    models: ["a:7b"],
  };
  const deliver = (more: object = {}) => deliveries.deliver({ ...order, ...more });
  return {
    origin,
    bare,
    stateDir,
    store,
    deliveries,
    checks,
    change,
    deliver,
    server,
    token,
    tokenFile,
    tokens,
    waits,
    site,
    clock,
  };
}
