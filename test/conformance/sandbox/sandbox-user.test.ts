import { chmodSync, chownSync, linkSync, lstatSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  chooseUser,
  handOver,
  impassableAncestors,
  resolveUser,
  userName,
} from "../../../src/execution/sandbox/io/sandbox-user.ts";
import { sandboxSupport } from "../../../src/execution/sandbox/io/support.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const isRoot = process.getuid?.() === 0;
const NOBODY = { uid: 65_534, gid: 65_534 };

describe("the configured user", () => {
  it("is found by name and by number, and is never root", () => {
    expect(resolveUser("nobody")).toMatchObject({ ok: true, value: { uid: 65_534 } });
    expect(resolveUser(61_234)).toEqual({ ok: true, value: { uid: 61_234, gid: 61_234 } });
    for (const wrong of ["root", 0, "0", "no such user", -1]) expect(resolveUser(wrong)).toMatchObject({ ok: false });
    expect([userName(0), userName(61_234)]).toEqual(["root", "61234"]);
  });
});

describe.skipIf(isRoot)("a node that is not root", () => {
  it("runs commands as its own user", () => {
    expect(chooseUser({ kind: "private", path: folder() }, "nobody")).toEqual({ ok: true, value: null });
  });
});

describe.skipIf(!isRoot)("a node that is root", () => {
  it("runs commands as the owner of a given folder, or of the repository of a worktree", () => {
    const path = folder();
    chownSync(path, 1_234, 1_234);

    expect(chooseUser({ kind: "given", path }, "nobody")).toEqual({ ok: true, value: { uid: 1_234, gid: 1_234 } });
    expect(chooseUser({ kind: "worktree", path: "/nowhere", repo: path }, "nobody")).toMatchObject({
      value: { uid: 1_234 },
    });
  });

  it("runs them as the configured user in a workspace of its own, and in root's when that user may write it", () => {
    const path = folder();

    expect(chooseUser({ kind: "private", path }, "nobody")).toMatchObject({ ok: true, value: { uid: 65_534 } });
    const refused = chooseUser({ kind: "given", path }, "nobody");
    chmodSync(path, 0o777);

    expect(refused).toMatchObject({ ok: false, error: { kind: "terminal" } });
    expect(refused.ok ? "" : refused.error.remedy).toContain(`chown -R 65534:65534 ${path}`);
    expect(chooseUser({ kind: "given", path }, "nobody")).toMatchObject({ ok: true, value: { uid: 65_534 } });
  });

  it("hands over a workspace of its own with everything in it, but nothing that links lead to", () => {
    const stateDir = folder();
    const path = join(stateDir, "workspaces", "t_1");
    const elsewhere = join(stateDir, "mine");
    mkdirSync(join(path, "a/b"), { recursive: true });
    writeFileSync(elsewhere, "");
    writeFileSync(join(path, "a/b/file"), "");
    symlinkSync(elsewhere, join(path, "link"));
    linkSync(elsewhere, join(path, "hard"));

    const done = handOver({ kind: "private", path }, NOBODY, { stateDir, mustReach: false });

    expect(done.ok).toBe(true);
    expect(["", "a", "a/b", "a/b/file", "link"].map((name) => lstatSync(join(path, name)).uid)).toEqual(
      new Array(5).fill(65_534),
    );
    expect(statSync(elsewhere).uid).toBe(0);
    expect(statSync(stateDir).mode & 0o777).toBe(0o700);
  });

  it("lets others pass its folders only where commands have to walk there, and leaves a given folder alone", () => {
    const stateDir = folder();
    const path = join(stateDir, "workspaces", "t_1");
    mkdirSync(path, { recursive: true });
    const given = folder();

    handOver({ kind: "private", path }, NOBODY, { stateDir, mustReach: true });
    handOver({ kind: "given", path: given }, NOBODY, { stateDir, mustReach: true });

    expect([statSync(stateDir).mode & 0o777, statSync(dirname(path)).mode & 0o001]).toEqual([0o701, 1]);
    expect([statSync(given).uid, statSync(given).mode & 0o777]).toEqual([0, 0o700]);
  });

  it("knows the folders on the way that a user may not pass", () => {
    const closed = folder();
    mkdirSync(join(closed, "a/b"), { recursive: true });

    expect(impassableAncestors([join(closed, "a/b/c"), "/usr/bin"], NOBODY)).toEqual([closed]);
    expect(impassableAncestors([join(closed, "a/b/c")], { uid: 0, gid: 0 })).toEqual([]);
  });
});

describe("what this host can enforce", () => {
  it("is said for each part, with a reason in words where it is missing", () => {
    const support = sandboxSupport();

    for (const capability of [support.landlock, support.seccomp, support.bubblewrapRuns, support.mounts])
      expect(capability.available || capability.reason.length > 10).toBe(true);
    expect(support.modes.strict.available).toBe(support.bubblewrapRuns.available && support.modes.kernel.available);
    expect(support.mounts.available && !isRoot).toBe(false);
    expect(sandboxSupport()).toBe(support);
  });
});
