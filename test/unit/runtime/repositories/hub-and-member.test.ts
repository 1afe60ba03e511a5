import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { err, type JsonValue, ok, type Result, refused, SimulatedClock } from "#base";
import {
  Deliveries,
  ForgeTokens,
  MemoryRepositoryStore,
  RepositoryPlaces,
  registered,
  repositorySchema,
  Turns,
} from "#repos";
import { headOf } from "../../../../src/repos/io/branch-head.ts";
import { GoalRepositories } from "../../../../src/runtime/repositories/goal-repositories.ts";
import { HubRepositories } from "../../../../src/runtime/repositories/hub-repositories.ts";
import { RemoteRepositories } from "../../../../src/runtime/repositories/remote-repositories.ts";
import { commit, git, newRepository } from "../../../support/git-repositories.ts";
import { must } from "../../../support/opened-stores.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { createHarness } from "../../api/api-harness.ts";

/** Matches a text that contains `part`, inside a larger pattern. */
const containing = (part: string): unknown => expect.stringContaining(part);

const folder = temporaryFolders();
const POLICY = { atMost: "pullRequest", mergeBelow: 30, askFrom: 120, outside: "ask" } as const;

/** A hub with its routes, and a member that asks it over them. */
function world() {
  const root = folder();
  const path = newRepository(join(root, "site"), {
    "README.md": "# Site\n",
    "AGENTS.md": "Write tests.\n",
    "package.json": '{"scripts":{"test":"x","lint":"y"}}',
    "src/a.ts": "1;\n",
  });
  git(path, "checkout", "--quiet", "-b", "drover/g1");
  commit(path, { "src/b.ts": "2;\n" }, "Add b");
  git(path, "checkout", "--quiet", "main");
  const clock = new SimulatedClock();
  const store = new MemoryRepositoryStore();
  const settings = { maxBytes: 1e9, offlineMs: 1, fetchTimeoutMs: 60_000 };
  const places = new RepositoryPlaces(root, settings, new ForgeTokens(root, []), clock);
  const fixed = repositorySchema.parse({ name: "fixed", path, priority: 5, checks: { test: ["bun", "test"] } });
  const list = () => ok(registered([fixed], must(store.entries())));
  const turns = new Turns();
  const deliveries = new Deliveries({
    stateDir: root,
    places,
    turns,
    store,
    author: { name: "drover", email: "drover@example.org" },
    policy: POLICY,
    checks: { run: async () => err(refused("unsupported", "no commands run in this test")) },
    watched: [],
    bringIn: (_site, place, _main, { goalId }) => headOf(place, `drover/${goalId}`),
    forgetShared: async () => undefined,
    passRate: () => null,
    list,
    forgeOf: () => ok(undefined),
    pushTimeoutMs: 60_000,
    forgeWaitMs: 60_000,
    isFromOutside: async () => ok(false),
    modelsOf: async () => ok([]),
    clock,
  });
  const hub = new HubRepositories({ store, list, places, deliveries, policy: POLICY, clock });
  const { send } = createHarness({ ports: { repositories: hub } });
  const request = async (method: string, to: string, body?: JsonValue): Promise<Result<JsonValue>> => {
    const answer = await send(method, to, body);
    const said = (await answer.json()) as { readonly detail?: string }; // `as`: JSON of these very routes
    // `as`: as above
    return answer.ok ? ok(said as JsonValue) : err(refused("invalid", said.detail ?? ""));
  };
  const sharing = { onlyFolder: async () => ok(undefined) };
  const member = new RemoteRepositories({ request });
  return { path, member, store, goals: new GoalRepositories({ store, list, places, deliveries, turns, sharing }) };
}

describe("repositories, asked for on a member and kept by the hub", () => {
  it("are registered, listed by priority, paused, and forgotten; those of the configuration are only paused", async () => {
    const { path, member } = world();

    must(await member.add({ name: "site", path, priority: 9 }));
    expect(must(await member.list()).map(({ name, origin }) => [name, origin])).toEqual([
      ["site", "added"],
      ["fixed", "configuration"],
    ]);
    expect(must(await member.setPaused("fixed", true)).paused).toBe(true);
    expect(must(await member.find("fixed")).paused).toBe(true);
    expect(await member.remove("fixed")).toMatchObject({ ok: false });
    expect(await member.add({ name: "fixed", path })).toMatchObject({ ok: false });
    expect(must(await member.remove("site"))).toEqual({ name: "site" });
    expect(await member.find("site")).toMatchObject({ ok: false });
  });

  it("are refused when nothing can be read there, or the registration contradicts itself", async () => {
    const { path, member } = world();

    const nowhere = await member.add({ name: "site", path: join(path, "nowhere") });
    const noBranch = await member.add({ name: "site", path, branch: "trunk" });
    const both = await member.add({ name: "site", path, url: "https://git.example.org/a.git" });
    const withPassword = await member.add({ name: "site", url: `https://ada:${"x".repeat(8)}@git.example.org/a.git` });

    expect([nowhere, noBranch, both, withPassword].every(({ ok: isOk }) => !isOk)).toBe(true);
    expect(noBranch.ok ? "" : noBranch.error.message).toContain("cannot be resolved");
  });

  it("tell the risk of a branch with its terms, and are delivered to", async () => {
    const { member } = world();

    const rated = must(await member.risk("fixed", "drover/g1"));
    const delivered = must(await member.deliver("fixed", { goal: "g1", title: "Add b" }));
    const wrong = await member.deliver("fixed", { goal: "g2" });
    const kept = must(await member.deliveries("fixed", 10));

    expect(rated).toMatchObject({ tier: "pullRequest", branch: "drover/g1" });
    expect(rated.report["risk"]).toMatchObject({ terms: [{ name: "files" }] });
    expect(delivered.outcome).toBe("patch");
    expect(wrong).toMatchObject({ ok: false, error: { message: containing("no branch drover/g2") } });
    expect(kept).toMatchObject([{ goal: "g1", outcome: "patch", link: delivered.link }]);
  });

  it("are described to goals: files, conventions, languages, commands", async () => {
    const { goals } = world();

    expect(must(await goals.describe("fixed"))).toEqual({
      files: ["AGENTS.md", "README.md", "package.json", "src/a.ts"],
      isWhole: true,
      conventions: [
        { path: "AGENTS.md", text: "Write tests.\n" },
        { path: "README.md", text: "# Site\n" },
      ],
      languages: ["TypeScript"],
      commands: { test: "bun test", lint: "npm run lint" },
    });
  });

  it("are faults for the mind while their checks fail, with what mends them; not while they are paused", async () => {
    const { goals, store } = world();
    const at = { repository: "fixed", detail: "bun test: exit code 1", commit: "c", atMs: 1 };
    must(await store.putCondition({ ...at, kind: "checks", subject: "main", failing: ["test"] }));
    must(await store.putCondition({ ...at, kind: "conflict", subject: "drover/g1", failing: ["a.ts", "b.ts"] }));

    expect(goals.faults()).toEqual([
      { kind: "repositoryBroken", target: "fixed", level: 1, healthyAttempts: 0 },
      { kind: "mergeConflict", target: "fixed drover/g1", level: 2, healthyAttempts: 0 },
    ]);
    expect(must(await goals.broken("fixed"))).toEqual({ path: "fixed", command: ["bun", "test"], output: at.detail });
    expect(must(await goals.conflict("fixed drover/g1"))).toEqual({ repository: "fixed", files: ["a.ts", "b.ts"] });
    must(await store.setPaused("fixed", true));
    expect(goals.faults()).toEqual([]);
  });
});
