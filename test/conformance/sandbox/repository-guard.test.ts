import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openUp, restoreBaseline } from "../../../src/execution/sandbox/io/repository-baseline.ts";
import { readBaselines } from "../../../src/execution/sandbox/io/repository-baseline-file.ts";
import { RepositoryGuard } from "../../../src/execution/sandbox/io/repository-guard.ts";
import { findRepository, protectionOf } from "../../../src/execution/sandbox/io/repository-layout.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

/** Chains of hundreds of folders: seconds on a busy machine. */
const DEEP_LIMIT_MS = 30_000;

const folder = temporaryFolders();

function repository(): string {
  const path = join(folder(), "repo");
  mkdirSync(path);
  git(path, "init", "-q");
  writeFileSync(join(path, ".git/hooks/kept"), "#!/bin/sh\n", { mode: 0o755 });
  git(path, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "--allow-empty", "-m", "first");
  return path;
}

function git(cwd: string, ...args: readonly string[]): void {
  const { PATH = "" } = process.env;
  const done = spawnSync("git", args, { cwd, env: { PATH, HOME: cwd } });
  if (done.status !== 0) throw new Error(done.stderr.toString());
}

/** @param privateFolder of the attempt, beside those of others */
function guardOf(path: string, privateFolder: string): RepositoryGuard {
  const { pinned, watched } = protectionOf(findRepository(path));
  return new RepositoryGuard([{ gitDir: pinned[0] ?? null, watched, nestedIn: null }], privateFolder);
}

function sealed(path: string, privateFolder = attemptIn(folder())): RepositoryGuard {
  const guard = guardOf(path, privateFolder);
  if (!guard.seal().ok) throw new Error("the guard refused the repository");
  return guard;
}

function attemptIn(root: string, name = "t_1-1"): string {
  const path = join(root, name);
  mkdirSync(path);
  return path;
}

describe("the guard of a repository", () => {
  it("changes nothing and reports nothing when git was used as usual", () => {
    const path = repository();
    const guard = sealed(path);

    git(path, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "--allow-empty", "-m", "second");

    expect(guard.restore()).toEqual([]);
  });

  it("puts back hooks and settings that were added, changed, removed or made executable, and says which", () => {
    const path = repository();
    const guard = sealed(path);
    const config = readFileSync(join(path, ".git/config"), "utf8");

    writeFileSync(join(path, ".git/hooks/pre-commit"), "evil", { mode: 0o755 });
    writeFileSync(join(path, ".git/hooks/kept"), "evil");
    writeFileSync(join(path, ".git/config"), "[core]\n\tpager = evil\n");
    writeFileSync(join(path, ".git/commondir"), "../evil\n");
    writeFileSync(join(path, ".git/config.worktree"), "evil");
    chmodSync(join(path, ".git/hooks/update.sample"), 0o777);
    const changed = guard.restore();

    expect(changed.map((one) => one.slice(path.length + 6)).sort()).toEqual([
      "commondir",
      "config",
      "config.worktree",
      "hooks",
      "hooks/kept",
      "hooks/update.sample",
    ]);
    expect(existsSync(join(path, ".git/hooks/pre-commit"))).toBe(false);
    expect(readFileSync(join(path, ".git/hooks/kept"), "utf8")).toBe("#!/bin/sh\n");
    expect(readFileSync(join(path, ".git/config"), "utf8")).toBe(config);
    expect(existsSync(join(path, ".git/commondir"))).toBe(false);
    expect(statSync(join(path, ".git/hooks/update.sample")).mode & 0o777).toBe(0o755);
    expect(guard.restore()).toEqual([]);
  });

  it("writes and removes nothing through a symbolic link that a command left", () => {
    const path = repository();
    const outside = folder();
    writeFileSync(join(outside, "mine"), "mine");
    const guard = sealed(path);

    rmSync(join(path, ".git/hooks"), { recursive: true });
    symlinkSync(outside, join(path, ".git/hooks"));
    rmSync(join(path, ".git/config"));
    symlinkSync(join(outside, "mine"), join(path, ".git/config"));
    guard.restore();

    expect(readFileSync(join(outside, "mine"), "utf8")).toBe("mine");
    expect(lstatSync(join(path, ".git/hooks")).isDirectory()).toBe(true);
    expect(lstatSync(join(path, ".git/config")).isFile()).toBe(true);
    expect(existsSync(join(path, ".git/hooks/kept"))).toBe(true);
    git(path, "status");
  });

  it("restores hooks and settings of a .git that was replaced by a link, a file or another folder", () => {
    for (const replace of ["link", "file", "folder"] as const) {
      const path = repository();
      const guard = sealed(path);
      renameSync(join(path, ".git"), join(path, "old"));
      mkdirSync(join(path, "evil/hooks"), { recursive: true });
      writeFileSync(join(path, "evil/hooks/pre-commit"), "evil", { mode: 0o755 });
      if (replace === "link") symlinkSync("evil", join(path, ".git"));
      if (replace === "file") writeFileSync(join(path, ".git"), "gitdir: evil\n");
      if (replace === "folder") renameSync(join(path, "evil"), join(path, ".git"));

      const changed = guard.restore();

      expect(changed.length).toBeGreaterThan(0);
      expect(lstatSync(join(path, ".git")).isDirectory()).toBe(true);
      expect(existsSync(join(path, ".git/hooks/pre-commit"))).toBe(false);
      expect(existsSync(join(path, ".git/hooks/kept"))).toBe(true);
    }
  });
});

describe("a folder that a command closed", () => {
  it(
    "is opened at any depth, deeper than a path can name",
    () => {
      const path = join(folder(), "deep");
      const steps = Array.from({ length: 200 }, () => "d".repeat(10));
      const lower = join(folder(), "lower");
      for (const one of [path, lower]) mkdirSync(join(one, ...steps), { recursive: true });
      chmodSync(join(lower, ...steps), 0o000);
      renameSync(lower, join(path, ...steps, "lower"));

      openUp(path);
      rmSync(path, { recursive: true });

      expect(existsSync(path)).toBe(false);
    },
    DEEP_LIMIT_MS,
  );
});

describe("the baseline of a repository on disk", () => {
  it("G2: puts back what a command changed whose worker was killed, and says what", () => {
    const path = repository();
    const privateFolder = attemptIn(folder());
    const config = readFileSync(join(path, ".git/config"), "utf8");
    sealed(path, privateFolder); // Whoever sealed it is gone with its memory.

    writeFileSync(join(path, ".git/hooks/post-checkout"), "evil", { mode: 0o755 });
    writeFileSync(join(path, ".git/config"), "[core]\n\tpager = evil\n");
    symlinkSync("/etc", join(path, ".git/modules"));
    const changed = readBaselines(privateFolder).flatMap(restoreBaseline);

    expect(changed.map((one) => one.slice(path.length + 6)).sort()).toEqual(["config", "hooks", "modules"]);
    expect(existsSync(join(path, ".git/hooks/post-checkout"))).toBe(false);
    expect(readFileSync(join(path, ".git/config"), "utf8")).toBe(config);
    expect(readBaselines(privateFolder).flatMap(restoreBaseline)).toEqual([]);
  });

  it("keeps files of any bytes, modes, links and folders as they are", () => {
    const path = repository();
    const privateFolder = attemptIn(folder());
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    writeFileSync(join(path, ".git/hooks/binary"), bytes, { mode: 0o711 });
    symlinkSync("kept", join(path, ".git/hooks/link"));
    sealed(path, privateFolder);

    rmSync(join(path, ".git/hooks"), { recursive: true });
    readBaselines(privateFolder).flatMap(restoreBaseline);

    expect(new Uint8Array(readFileSync(join(path, ".git/hooks/binary")))).toEqual(bytes);
    expect(statSync(join(path, ".git/hooks/binary")).mode & 0o777).toBe(0o711);
    expect(readlinkSync(join(path, ".git/hooks/link"))).toBe("kept");
  });

  it("is read anew before each command, so that what a person changed in between stays", () => {
    const path = repository();
    const privateFolder = attemptIn(folder());
    const guard = sealed(path, privateFolder);

    writeFileSync(join(path, ".git/hooks/mine"), "mine", { mode: 0o755 });
    guard.seal();
    rmSync(join(path, ".git/hooks/mine"));
    readBaselines(privateFolder).flatMap(restoreBaseline);

    expect(readFileSync(join(path, ".git/hooks/mine"), "utf8")).toBe("mine");
  });

  it("G3: is taken over by an attempt that begins while another's command is under way, or was not cleaned up yet", () => {
    const path = repository();
    const root = folder();
    sealed(path, attemptIn(root, "t_1-1"));
    writeFileSync(join(path, ".git/hooks/post-checkout"), "evil", { mode: 0o755 });

    const second = sealed(path, attemptIn(root, "t_2-1"));
    const changed = second.restore();

    expect(changed).toEqual([join(path, ".git/hooks")]);
    expect(existsSync(join(path, ".git/hooks/post-checkout"))).toBe(false);
    expect(readBaselines(join(root, "t_2-1"))).toEqual(readBaselines(join(root, "t_1-1")));
  });

  it("leaves the repository alone when another one's is held", () => {
    const root = folder();
    sealed(repository(), attemptIn(root, "t_1-1"));
    const path = repository();
    writeFileSync(join(path, ".git/hooks/mine"), "mine", { mode: 0o755 });

    expect(sealed(path, attemptIn(root, "t_2-1")).restore()).toEqual([]);
    expect(existsSync(join(path, ".git/hooks/mine"))).toBe(true);
  });

  it("refuses a command whose baseline cannot be kept", () => {
    const sealing = guardOf(repository(), join(folder(), "missing", "t_1-1")).seal();

    expect(sealing).toMatchObject({ ok: false, error: { kind: "terminal" } });
  });
});

describe("the layout of a workspace's repository", () => {
  it("follows a .git file only to a worktree that names the workspace in return", () => {
    const path = repository();
    const linked = join(folder(), "linked");
    git(path, "worktree", "add", "-q", "--detach", linked);
    const victim = join(folder(), "victim");
    mkdirSync(victim);
    writeFileSync(join(victim, "commondir"), "/etc\n");
    const forged = folder();
    writeFileSync(join(forged, ".git"), `gitdir: ${victim}\n`);
    const borrowed = folder();
    writeFileSync(join(borrowed, ".git"), readFileSync(join(linked, ".git")));

    expect(findRepository(linked)).toEqual({
      kind: "worktree",
      gitFile: join(linked, ".git"),
      gitDir: join(path, ".git/worktrees/linked"),
      commonDir: join(path, ".git"),
    });
    expect([forged, borrowed, folder()].map((one) => findRepository(one).kind)).toEqual(["none", "none", "none"]);
  });

  it("does not follow a .git that is a symbolic link", () => {
    const path = repository();
    const other = folder();
    symlinkSync(join(path, ".git"), join(other, ".git"));

    expect(findRepository(other)).toEqual({ kind: "none" });
  });
});
