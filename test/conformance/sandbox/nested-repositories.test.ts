/** Repositories deeper in a workspace: which are found, and what is put back of them when a command has ended. */
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  findNestedRepositories,
  MAX_NESTED_DEPTH,
  MAX_NESTED_REPOSITORIES,
} from "../../../src/execution/sandbox/io/nested-repositories.ts";
import { restoreBaseline } from "../../../src/execution/sandbox/io/repository-baseline.ts";
import { readBaselines } from "../../../src/execution/sandbox/io/repository-baseline-file.ts";
import { RepositoryGuard } from "../../../src/execution/sandbox/io/repository-guard.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const EVIL_CONFIG = "[core]\n\tpager = evil\n";

function initialise(path: string): void {
  mkdirSync(path, { recursive: true });
  const { PATH = "" } = process.env;
  execFileSync("git", ["init", "-q"], { cwd: path, env: { PATH, HOME: path } });
}

type Held = {
  readonly workspace: string;
  readonly outside: string;
  readonly privateFolder: string;
  readonly guard: RepositoryGuard;
  readonly config: string;
};

/** A workspace with a repository in `vendor/x`, as it is before the first command of an attempt. */
function held(): Held {
  const base = folder();
  const [workspace, outside, privateFolder] = [join(base, "ws"), join(base, "outside"), join(base, "t_1-1")];
  initialise(join(workspace, "vendor/x"));
  writeFileSync(join(workspace, "vendor/x/.git/hooks/kept"), "kept", { mode: 0o755 });
  for (const path of [outside, privateFolder]) mkdirSync(path);
  const guard = new RepositoryGuard(findNestedRepositories(workspace), privateFolder);
  if (!guard.seal().ok) throw new Error("the guard refused the workspace");
  return {
    workspace,
    outside,
    privateFolder,
    guard,
    config: readFileSync(join(workspace, "vendor/x/.git/config"), "utf8"),
  };
}

function placesIn(workspace: string): readonly string[] {
  return findNestedRepositories(workspace)
    .map(({ gitDir, watched }) => (gitDir ?? watched[0] ?? "").slice(workspace.length + 1))
    .sort();
}

describe("the search for repositories deeper in a workspace", () => {
  it("finds folders and files named .git, not the workspace's own, and nothing within or behind links", () => {
    const workspace = folder();
    for (const path of [".", "a", "a/b/c"]) initialise(join(workspace, path));
    mkdirSync(join(workspace, "sub"));
    writeFileSync(join(workspace, "sub/.git"), "gitdir: ../.git/modules/sub\n");
    const elsewhere = folder();
    initialise(elsewhere);
    symlinkSync(elsewhere, join(workspace, "linked"));
    mkdirSync(join(workspace, "odd"));
    symlinkSync(join(elsewhere, ".git"), join(workspace, "odd/.git"));
    initialise(join(workspace, ".git/modules/deep"));

    expect(placesIn(workspace)).toEqual(["a/.git", "a/b/c/.git", "sub/.git"]);
  });

  it("ends at a depth and at a number, the nearest first", () => {
    const workspace = folder();
    const deep = (steps: number): string => join(workspace, ...Array.from({ length: steps }, () => "d"), ".git");
    mkdirSync(deep(MAX_NESTED_DEPTH), { recursive: true });
    mkdirSync(deep(MAX_NESTED_DEPTH + 1), { recursive: true });
    const found = placesIn(workspace);
    for (let index = 0; index < MAX_NESTED_REPOSITORIES + 8; index += 1)
      mkdirSync(join(workspace, `r${index}/.git`), { recursive: true });

    expect(found).toEqual([deep(MAX_NESTED_DEPTH).slice(workspace.length + 1)]);
    const many = placesIn(workspace);
    expect(many).toHaveLength(MAX_NESTED_REPOSITORIES);
    expect(many.every((path) => /^r\d+\/\.git$/.test(path))).toBe(true);
  });
});

describe("the guard of a repository deeper in a workspace", () => {
  it("puts back its hooks and settings, and says which", () => {
    const { workspace, guard, config } = held();

    writeFileSync(join(workspace, "vendor/x/.git/hooks/pre-commit"), "evil", { mode: 0o755 });
    writeFileSync(join(workspace, "vendor/x/.git/config"), EVIL_CONFIG);
    const changed = guard.restore();

    expect(changed.map((path) => path.slice(workspace.length + 1)).sort()).toEqual([
      "vendor/x/.git/config",
      "vendor/x/.git/hooks",
    ]);
    expect(readdirSync(join(workspace, "vendor/x/.git/hooks"))).not.toContain("pre-commit");
    expect(readFileSync(join(workspace, "vendor/x/.git/config"), "utf8")).toBe(config);
    expect(guard.restore()).toEqual([]);
  });

  it("leaves it deleted, and its folder a file or empty, when a command did that", () => {
    const does: readonly ((x: string) => void)[] = [
      (x) => rmSync(x, { recursive: true }),
      (x) => rmSync(join(x, ".git"), { recursive: true }),
      (x) => rmSync(join(x, ".."), { recursive: true }),
      (x) => {
        rmSync(x, { recursive: true });
        writeFileSync(x, "a file");
      },
    ];
    for (const act of does) {
      const { workspace, guard } = held();
      act(join(workspace, "vendor/x"));

      expect(guard.restore()).toEqual([]);
      expect(existsSync(join(workspace, "vendor/x/.git"))).toBe(false);
    }
  });

  it("puts back what replaced it: another folder, a link or a file in place of .git", () => {
    for (const replace of ["folder", "link", "file"] as const) {
      const { workspace, guard, config } = held();
      const git = join(workspace, "vendor/x/.git");
      renameSync(git, join(workspace, "evil"));
      writeFileSync(join(workspace, "evil/config"), EVIL_CONFIG);
      if (replace === "folder") renameSync(join(workspace, "evil"), git);
      if (replace === "link") symlinkSync("../../evil", git);
      if (replace === "file") writeFileSync(git, "gitdir: ../../evil\n");

      guard.restore();

      expect([replace, lstatSync(git).isDirectory()]).toEqual([replace, true]);
      expect(readFileSync(join(git, "config"), "utf8")).toBe(config);
    }
  });

  it("puts back the file that leads a submodule to its repository, and not one that was deleted", () => {
    const base = folder();
    const file = join(base, "ws/sub/.git");
    mkdirSync(join(base, "ws/sub"), { recursive: true });
    mkdirSync(join(base, "t_1-1"));
    writeFileSync(file, "gitdir: ../.git/modules/sub\n");
    const guard = new RepositoryGuard(findNestedRepositories(join(base, "ws")), join(base, "t_1-1"));
    expect(guard.seal().ok).toBe(true);

    writeFileSync(file, "gitdir: ../evil\n");
    const changed = guard.restore();
    const restored = readFileSync(file, "utf8");
    rmSync(file);

    expect(changed).toEqual([file]);
    expect(restored).toBe("gitdir: ../.git/modules/sub\n");
    expect(guard.restore()).toEqual([]);
    expect(existsSync(file)).toBe(false);
  });

  it("remembers what it was when a command moves it away and the next one brings it back", () => {
    const { workspace, guard, config } = held();

    renameSync(join(workspace, "vendor"), join(workspace, "away"));
    guard.restore();
    expect(guard.seal().ok).toBe(true);
    writeFileSync(join(workspace, "away/x/.git/config"), EVIL_CONFIG);
    renameSync(join(workspace, "away"), join(workspace, "vendor"));
    guard.restore();

    expect(readFileSync(join(workspace, "vendor/x/.git/config"), "utf8")).toBe(config);
  });

  it("takes a new clone in its place for what it is from the next command on", () => {
    const { workspace, guard } = held();

    rmSync(join(workspace, "vendor/x"), { recursive: true });
    guard.restore();
    initialise(join(workspace, "vendor/x"));
    guard.seal();
    appendFileSync(join(workspace, "vendor/x/.git/config"), EVIL_CONFIG);
    guard.restore();

    expect(readFileSync(join(workspace, "vendor/x/.git/config"), "utf8")).not.toContain("evil");
  });

  it("G1: writes, removes and reads nothing through a link in place of a folder on the way", () => {
    const { workspace, outside, privateFolder, guard } = held();
    initialise(join(outside, "x"));
    writeFileSync(join(outside, "x/.git/config"), "theirs");
    rmSync(join(workspace, "vendor"), { recursive: true });
    symlinkSync(outside, join(workspace, "vendor"));

    guard.seal();
    const remembered = readBaselines(privateFolder)
      .flatMap(({ entries }) => [...entries.values()])
      .map((entry) => (entry.kind === "file" ? Buffer.from(entry.bytes).toString("utf8") : ""));
    const changed = guard.restore();

    expect(readFileSync(join(outside, "x/.git/config"), "utf8")).toBe("theirs");
    expect(remembered).toContain("kept");
    expect(remembered).not.toContain("theirs");
    // It leads a person to another repository than the one that was there.
    expect(changed).toEqual([join(workspace, "vendor")]);
    expect(existsSync(join(workspace, "vendor"))).toBe(false);
    expect(guard.restore()).toEqual([]);
  });

  it("leaves a link in place of its folder that leads to no repository", () => {
    const { workspace, outside, guard } = held();
    rmSync(join(workspace, "vendor"), { recursive: true });
    symlinkSync(outside, join(workspace, "vendor"));

    expect(guard.restore()).toEqual([]);
    expect(lstatSync(join(workspace, "vendor")).isSymbolicLink()).toBe(true);
  });

  it("is not hidden from by a folder on the way that may not be passed", () => {
    const { workspace, guard, config } = held();
    writeFileSync(join(workspace, "vendor/x/.git/config"), EVIL_CONFIG);
    chmodSync(join(workspace, "vendor/x"), 0o500);
    chmodSync(join(workspace, "vendor"), 0o000);

    guard.restore();

    expect(readFileSync(join(workspace, "vendor/x/.git/config"), "utf8")).toBe(config);
    chmodSync(join(workspace, "vendor"), 0o700);
  });

  it("G2: is put back when the worker was killed", () => {
    const { workspace, privateFolder, config } = held();
    writeFileSync(join(workspace, "vendor/x/.git/config"), EVIL_CONFIG);

    const changed = readBaselines(privateFolder).flatMap(restoreBaseline);

    expect(changed).toEqual([join(workspace, "vendor/x/.git/config")]);
    expect(readFileSync(join(workspace, "vendor/x/.git/config"), "utf8")).toBe(config);
  });

  it("keeps no command from running when it cannot be remembered", () => {
    const base = folder();
    initialise(join(base, "ws/x"));
    mkdirSync(join(base, "t_1-1"));
    const hooks = join(base, "ws/x/.git/hooks");
    for (let index = 0; index <= 2_000; index += 1) writeFileSync(join(hooks, `h${index}`), "");
    const guard = new RepositoryGuard(findNestedRepositories(join(base, "ws")), join(base, "t_1-1"));

    expect(guard.seal().ok).toBe(true);
    cpSync(join(hooks, "h1"), join(hooks, "more"));
    expect(guard.restore()).toEqual([]);
  });
});
