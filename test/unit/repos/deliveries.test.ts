import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type Clock, ok, type Result, SimulatedClock } from "#base";
import {
  type CheckReport,
  type CheckRunner,
  Deliveries,
  MemoryRepositoryStore,
  openForge,
  type Policy,
  type RepositoryInput,
  RepositoryPlaces,
  registered,
  repositorySchema,
  Turns,
} from "#repos";
import { type ForgeServer, forgeServer } from "../../support/forge-server.ts";
import { bareCopy, commit, type Files, filesAt, git, newRepository } from "../../support/git-repositories.ts";
import { must } from "../../support/opened-stores.ts";
import { IN_MEMORY, temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders(IN_MEMORY);
const servers: ForgeServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

const OPEN: Policy = { atMost: "merge", mergeBelow: 60, askFrom: 150 };
const CHANGE: Files = { "lib/one.ts": "export const one = 1;\n", "test/one.test.ts": "check(one === 1);\n" };
const GREEN: CheckReport = { ran: ["test"], failing: [] };
const RED: CheckReport = { ran: ["test"], failing: [{ name: "test", detail: "lib/one.ts:1 expected 2" }] };

/** Says what it was told to, in order, and then that all is well; keeps which commits it was asked about. */
class ScriptedChecks implements CheckRunner {
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
function impatientClock(waits: number[]): Clock {
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
};

/** A repository with a bare remote, in which a goal has changed something. */
async function world({ repository = {}, checks = new ScriptedChecks(), policy = OPEN, forge }: Given = {}) {
  const root = folder();
  const origin = newRepository(join(root, "origin"));
  const bare = bareCopy(origin, join(root, "bare.git"));
  const [stateDir, tokenFile] = [join(root, "state"), join(root, "token")];
  mkdirSync(stateDir);
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
  const places = new RepositoryPlaces(stateDir, { maxBytes: 1e9, offlineMs: 1, fetchTimeoutMs: 60_000 }, clock);
  const deliveries = new Deliveries({
    stateDir,
    places,
    turns: new Turns(),
    store,
    author: { name: "drover", email: "drover@example.org" },
    policy,
    checks,
    watched: [],
    passRate: (model) => (model.startsWith("worked-on-") ? null : 1),
    list: () => ok(registered([site], must(store.entries()))),
    forgeOf: (one) => openForge(one, impatient),
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
    waits,
    site,
    clock,
  };
}

describe("a delivery", () => {
  it("is merged when its risk is low and the tests of the merged tree pass, once however often it is asked for", async () => {
    const { origin, bare, change, deliver, checks } = await world();
    await change();
    commit(origin, { "other.txt": "meanwhile\n" });
    git(origin, "push", "--quiet", bare, "main");

    const first = must(await deliver());
    const head = git(bare, "rev-parse", "main");
    const again = must(await deliver());

    expect(first).toMatchObject({ outcome: "merged", link: null });
    expect(again).toEqual(first);
    expect(filesAt(bare, "main")).toMatchObject({ ...CHANGE, "other.txt": "meanwhile\n" });
    expect(git(bare, "rev-parse", "main")).toBe(head);
    expect(checks.seen[0]).toBe(head); // what was tested is what was merged
  });

  it("A1: with a secret is blocked: nothing is pushed, proposed or written, and the report says where", async () => {
    const { bare, stateDir, change, deliver, store } = await world();
    const secret = `ghp_${[...crypto.getRandomValues(new Uint8Array(36))].map((byte) => (byte % 36).toString(36)).join("")}`;
    await change({ "config.ts": `export const key = "${secret}";\n` });

    const delivered = must(await deliver({ approved: "merge" }));

    expect(delivered).toMatchObject({ outcome: "blocked", link: null });
    expect(git(bare, "for-each-ref", "--format=%(refname)")).toBe("refs/heads/main");
    expect(existsSync(join(stateDir, "repositories", "patches"))).toBe(false);
    const [kept] = must(store.deliveries("site", 1));
    expect(JSON.stringify(kept)).not.toContain(secret);
    expect(kept?.report["findings"]).toMatchObject([{ path: "config.ts", line: 1, kind: "secret" }]);
  });

  it("A1: is not let through by an allow-list that it brings itself", async () => {
    const { change, deliver } = await world();
    const list = '[[allow]]\npath = "notes.md"\nreason = "the address of a homelab"\n';
    await change({ "notes.md": "ask 10.1.2.3\n", ".drover-publish.toml": list });

    expect(must(await deliver()).outcome).toBe("blocked");
  });

  it("A3: whose tests fail, or that has none, is a branch and a patch that git takes, whoever approves", async () => {
    for (const repository of [{}, { checks: {} }]) {
      const { origin, bare, change, deliver } = await world({ checks: new ScriptedChecks(RED, RED), repository });
      await change();

      const delivered = must(await deliver({ approved: "merge" }));

      expect(delivered.outcome).toBe("patch");
      expect(filesAt(bare, "drover/g1")).toMatchObject(CHANGE);
      git(origin, "am", "--quiet", delivered.link ?? "");
      expect(filesAt(origin, "main")).toMatchObject(CHANGE);
    }
  });

  it("of high risk asks a person first, who gets a patch to read, and goes on with a yes", async () => {
    const { bare, change, deliver } = await world({ policy: { ...OPEN, askFrom: 1 } });
    await change();

    const asked = must(await deliver());
    const isPushed = git(bare, "branch", "--list", "drover/*") !== "";
    const approved = must(await deliver({ approved: "pullRequest" }));

    expect(asked.outcome).toBe("asks");
    expect(readFileSync(asked.link ?? "", "utf8")).toContain("Subject: [PATCH] Add one");
    expect(isPushed).toBe(false);
    expect(approved.outcome).toBe("patch");
    expect(git(bare, "branch", "--list", "drover/*")).toContain("drover/g1");
  });

  it("that conflicts with main is blocked, and is a fault with its files until it fits again", async () => {
    const { origin, bare, change, deliver, store } = await world();
    await change({ "README.md": "# Ours\n" });
    commit(origin, { "README.md": "# Theirs\n" });
    git(origin, "push", "--quiet", bare, "main");

    const delivered = must(await deliver());
    expect(delivered).toMatchObject({ outcome: "blocked" });
    expect(must(store.conditions())).toMatchObject([
      { kind: "conflict", subject: "drover/g1", failing: ["README.md"] },
    ]);

    commit(origin, { "README.md": "# One\n" });
    git(origin, "push", "--quiet", bare, "main");
    expect(must(await deliver()).outcome).not.toBe("blocked");
    expect(must(store.conditions())).toEqual([]);
  });

  it("A7: that is red after the merge is taken back by a commit, counts against the next one, and is not done", async () => {
    const { bare, change, deliver, deliveries, store } = await world({ checks: new ScriptedChecks(GREEN, RED) });
    await change();
    const before = git(bare, "rev-parse", "main^{tree}");

    const delivered = must(await deliver());

    expect(delivered.outcome).toBe("blocked");
    expect(delivered.detail).toContain("test failed after it was merged; taken back by");
    expect(git(bare, "rev-parse", "main^{tree}")).toBe(before);
    expect(git(bare, "log", "-n", "1", "--format=%s", "main")).toBe("Revert: Merge: Add one");
    expect(must(store.deliveries("site", 1))[0]).toMatchObject({
      reverted: { reason: "test failed after it was merged" },
    });
    expect(must(await deliver()).outcome).toBe("blocked");
    await change({ "lib/two.ts": "2;\n" });
    const { risk } = must(await deliveries.risk("site", "drover/g1", []));
    expect(risk.terms).toContainEqual({
      name: "history",
      points: 20,
      because: "1 of the last 1 deliveries were taken back",
    });
  });

  it("leaves a main branch alone that is checked out here, and writes the patch", async () => {
    const path = newRepository(join(folder(), "local"));
    const { deliver } = await world({ repository: { path, url: undefined } });
    git(path, "checkout", "--quiet", "-b", "drover/g1");
    commit(path, CHANGE, "Add one");
    git(path, "checkout", "--quiet", "main");

    const delivered = must(await deliver());

    expect(delivered).toMatchObject({ outcome: "patch", detail: "main is checked out here: merge drover/g1 there" });
    expect(git(path, "log", "--format=%s", "main")).toBe("first");
    expect(git(path, "status", "--porcelain")).toBe("");
  });

  it("is not needed to know that main is red: the checks say so, and that it is well again", async () => {
    const { bare, deliveries, store, checks } = await world({ checks: new ScriptedChecks(RED) });

    const red = must(await deliveries.check("site"));
    const fault = must(store.conditions());
    must(await deliveries.check("site"));

    expect(red?.failing).toHaveLength(1);
    expect(fault).toMatchObject([{ kind: "checks", subject: "main", failing: ["test"] }]);
    expect(checks.seen[0]).toBe(git(bare, "rev-parse", "main"));
    expect(must(store.conditions())).toEqual([]);
  });

  it("is followed by the checks of main when that moves, by itself and once for each commit", async () => {
    const { origin, bare, deliveries, store, checks } = await world({ checks: new ScriptedChecks(GREEN, RED) });

    must(await deliveries.checkMoved("site"));
    must(await deliveries.checkMoved("site"));
    const moved = commit(origin, { "lib/two.ts": "2;\n" });
    git(origin, "push", "--quiet", bare, "main");
    must(await deliveries.checkMoved("site"));
    must(await deliveries.checkMoved("site"));

    expect(checks.seen).toEqual([git(bare, "rev-parse", "main^"), moved]);
    expect(must(store.conditions())).toMatchObject([{ kind: "checks", failing: ["test"], commit: moved }]);
  });

  it("A7: that was merged by a node that was killed then is checked at the next start, and taken back when red", async () => {
    const { bare, change, deliver, deliveries, store, stateDir } = await world({
      checks: new ScriptedChecks(GREEN, GREEN, RED),
    });
    await change();
    must(await deliver());
    const merged = git(bare, "rev-parse", "main");
    // As if it had ended before it noted what came of the checks.
    rmSync(join(stateDir, "repositories", "checked"), { recursive: true });

    must(await deliveries.checkMoved("site"));

    expect(git(bare, "log", "-n", "1", "--format=%s", "main")).toBe("Revert: Merge: Add one");
    expect(must(store.deliveries("site", 1))).toMatchObject([
      { report: { merge: merged }, reverted: { reason: "test failed after it was merged" } },
    ]);
    expect(must(store.conditions())).toEqual([]);
  });

  it("counts the models that worked on its commits, whoever asks for it", async () => {
    const { change, deliver, store } = await world();
    await change(CHANGE, "Add one\n\nDrover-Task: t7");

    must(await deliver({ models: [] }));

    expect(JSON.stringify(must(store.deliveries("site", 1))[0]?.report)).toContain("worked-on-t7");
  });

  it("of a goal that changed nothing is done", async () => {
    const { deliver } = await world();

    expect(must(await deliver())).toMatchObject({ outcome: "merged", detail: "no task changed anything" });
  });
});

describe.each(["github", "gitea"] as const)("a delivery to %s", (forge) => {
  it("opens one pull request that explains its risk, also when the answer to its making is lost", async () => {
    const { change, deliver, server } = await world({ forge, policy: { ...OPEN, atMost: "pullRequest" } });
    await change();
    if (server !== undefined) server.lost.next = true;

    const first = must(await deliver());
    const head = await change({ "lib/one.ts": "export const one = 2;\n" }, "Mend one");
    const second = must(await deliver());

    expect(first).toMatchObject({ outcome: "pullRequest", link: "http://forge.example/ada/site/pulls/1" });
    expect(second.link).toBe(first.link);
    expect(server?.pulls).toMatchObject([{ title: "Add one", head: "drover/g1", base: "main" }]);
    expect(server?.pulls[0]?.body).toContain("| size |");
    expect(head).toHaveLength(40);
  });

  it("merges by the forge, unless its own checks are open or red", async () => {
    const { bare, change, deliver, server } = await world({ forge });
    await change();
    if (server !== undefined) server.status = "pending";
    const waiting = must(await deliver());
    if (server !== undefined) server.status = "success";

    const merged = must(await deliver({ approved: "merge" }));

    expect(waiting).toMatchObject({ outcome: "pullRequest", detail: "the checks of the forge are pending" });
    expect(merged.outcome).toBe("merged");
    expect(server?.pulls).toMatchObject([{ isOpen: false, mergedBy: git(bare, "rev-parse", "main") }]);
  });

  it("goes on by itself with what waits for the forge: merges it, or says why it never will", async () => {
    const { change, deliver, deliveries, server, store, clock, bare } = await world({ forge: "gitea" });
    if (server === undefined) throw new Error("this test has a forge");
    const follow = async () => must(await deliveries.followWaiting("site"));
    const head = await change();
    server.status = "pending";
    must(await deliver());
    expect(await follow()).toEqual([]);
    server.status = "success";

    expect(await follow()).toMatchObject([{ goal: "g1", outcome: "merged" }]);
    expect(git(bare, "rev-parse", "main^2")).toBe(head);
    expect(await follow()).toEqual([]);

    for (const [status, detail] of [
      ["failure", "the checks of the forge are failing"],
      ["pending", "the checks of the forge did not end in time"],
    ] as const) {
      clock.advance(1);
      await change({ "lib/more.ts": `${detail}\n`, "test/more.test.ts": "check();\n" }, detail);
      server.status = "pending";
      must(await deliver());
      server.status = status;
      clock.advance(60_000);
      expect(await follow()).toMatchObject([{ outcome: "pullRequest", detail }]);
      expect(await follow()).toEqual([]);
      expect(must(store.deliveryOf("site", "g1"))).toMatchObject({ outcome: "pullRequest", detail });
    }
  });

  it("waits as long as the server asks, and tries faults of the server again", async () => {
    const { site, server, waits } = await world({ forge });
    server?.faults.push(new Response("slow down", { status: 429, headers: { "retry-after": "7" } }));
    server?.faults.push(new Response("down", { status: 503 }));

    const issues = must((await must(openForge(site, impatientClock(waits)))?.issues(10)) ?? ok([]));

    expect(issues).toMatchObject([{ number: 9, title: "Broken", labels: ["bug"], author: "ada" }]);
    expect(waits).toEqual([7_000, 1_000]);
  });

  it("shows its token in no message, and takes none from a file that others may read", async () => {
    const { site, server, token, tokenFile, change, deliver } = await world({ forge });
    await change();
    writeFileSync(tokenFile, `${token}x\n`);

    const refused = await deliver();
    Bun.spawnSync(["chmod", "644", tokenFile]);
    const open = openForge(site, new SimulatedClock());

    expect(refused).toMatchObject({ ok: false, error: { kind: "refused" } });
    expect(JSON.stringify(refused)).toContain("401");
    expect(JSON.stringify(refused)).not.toContain(token);
    expect(open).toMatchObject({ ok: false, error: { remedy: `Run: chmod 600 ${tokenFile}` } });
    expect(server?.pulls).toEqual([]);
  });

  it("says a thing once", async () => {
    const { site, server, change, deliver, waits } = await world({ forge, policy: { ...OPEN, atMost: "pullRequest" } });
    await change();
    must(await deliver());
    const port = must(openForge(site, impatientClock(waits)));
    if (server !== undefined) server.lost.next = true;

    await port?.comment(1, "g1/done", "It is done.");
    await port?.comment(1, "g1/done", "It is done.");

    expect(server?.comments).toHaveLength(1);
  });
});
