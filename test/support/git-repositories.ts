/** Real git repositories for tests: made, changed and read by the git of this host, with nothing of its settings. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const ENVIRONMENT = {
  PATH: process.env["PATH"] ?? "",
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "Ada",
  GIT_AUTHOR_EMAIL: "ada@example.org",
  GIT_COMMITTER_NAME: "Ada",
  GIT_COMMITTER_EMAIL: "ada@example.org",
  LC_ALL: "C",
};

/** @returns what git wrote. Throws when it failed. */
export function git(directory: string, ...args: readonly string[]): string {
  const run = Bun.spawnSync(["git", "-c", "safe.directory=*", "-c", "protocol.file.allow=always", ...args], {
    cwd: directory,
    env: ENVIRONMENT,
  });
  if (run.exitCode !== 0) throw new Error(`git ${args.join(" ")}: ${run.stderr.toString()}`);
  return run.stdout.toString().trim();
}

export type Files = Readonly<Record<string, string>>;

export function put(directory: string, files: Files): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
}

/** Commits the files on top of what is there. @returns the commit */
export function commit(directory: string, files: Files, message = "change"): string {
  put(directory, files);
  git(directory, "add", "--all");
  git(directory, "commit", "--quiet", "--allow-empty", "-m", message);
  return git(directory, "rev-parse", "HEAD");
}

/** @returns a repository with one commit on main. */
export function newRepository(directory: string, files: Files = { "README.md": "# One\n" }): string {
  mkdirSync(directory, { recursive: true });
  git(directory, "init", "--quiet", "--initial-branch=main", "--template=");
  commit(directory, files, "first");
  return directory;
}

/** @returns a bare repository with what `from` has. */
export function bareCopy(from: string, to: string): string {
  git(from, "clone", "--quiet", "--bare", "--template=", from, to);
  return to;
}

/** @returns the files that a revision has. */
export function filesAt(directory: string, revision: string): Files {
  const paths = git(directory, "ls-tree", "-r", "--name-only", revision)
    .split("\n")
    .filter((path) => path !== "");
  return Object.fromEntries(paths.map((path) => [path, `${git(directory, "show", `${revision}:${path}`)}\n`]));
}
