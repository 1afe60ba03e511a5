import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { commit, filesAt, git, newRepository } from "../../support/git-repositories.ts";
import { must } from "../../support/opened-stores.ts";
import { CHANGE, folder, GREEN, OPEN, RED, ScriptedChecks, world } from "./delivery-world.ts";

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

  it("A7: of what somebody outside asked for is only a patch, until a person lets it go on", async () => {
    const { bare, change, deliver } = await world({ isFromOutside: true });
    await change();

    const asked = must(await deliver());
    const isPushed = git(bare, "branch", "--list", "drover/*") !== "";
    const approved = must(await deliver({ approved: "merge" }));

    expect(asked.outcome).toBe("asks");
    expect(asked.detail).toContain("somebody outside asked for it");
    expect(isPushed).toBe(false);
    expect(approved.outcome).toBe("merged");
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
