/**
 * Keeps what steers git in a workspace as it was before a command. Where root or bubblewrap can make it read-only this
 * finds nothing but files that were not there before, which no mount can protect; without either it is the protection
 * itself, after the command instead of during it. G1: nothing is written or removed through a symbolic link. G2: a
 * command starts only after the baseline of its repositories is durable, so that whoever comes after a worker that was
 * killed puts back what its command changed. G3: while an attempt holds a baseline of a repository, no other takes a
 * later state of it for good.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { err, type Failure, ok, type Result, terminal } from "#base";
import {
  type Entry,
  liesInPlace,
  ownerOf,
  type RepositoryBaseline,
  restoreBaseline,
  signatureOf,
  statOf,
} from "./repository-baseline.ts";
import { BaselineFile } from "./repository-baseline-file.ts";
import type { GuardedRepository } from "./repository-layout.ts";

/** All that is remembered of one repository: hooks are scripts, submodules' own folders are left out. */
const MAX_BYTES = 16 * 1024 * 1024;
const MAX_ENTRIES = 2_000;
/** Within `modules` and `worktrees` only what steers git, not the objects of the submodules. */
const DEEP_PARTS: ReadonlySet<string> = new Set(["modules", "worktrees"]);
const DEEP_NAMES: ReadonlySet<string> = new Set(["config", "config.worktree", "commondir", "gitdir", "hooks"]);
/** A submodule's folder may lie in folders of its own: modules/vendor/name. */
const MAX_DEPTH = 4;

export class RepositoryGuard {
  readonly #repositories: readonly SealedRepository[];

  /** @param privateFolder of the attempt, out of its commands' reach: where baselines are kept */
  constructor(repositories: readonly GuardedRepository[], privateFolder: string) {
    this.#repositories = repositories.map((repository) => new SealedRepository(repository, privateFolder));
  }

  /** Remembers how everything is, here and on disk. Unchanged files are not read again, nor written. */
  seal(): Result<void, Failure> {
    for (const repository of this.#repositories) {
      const sealed = repository.seal();
      if (!sealed.ok) return sealed;
    }
    return ok(undefined);
  }

  /** @returns the paths that had been changed and are as before again; those that could not be put back, marked so. */
  restore(): readonly string[] {
    return this.#repositories.flatMap((repository) => restoreBaseline(repository.baseline));
  }
}

class SealedRepository {
  readonly #repository: GuardedRepository;
  readonly #file: BaselineFile;
  #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(repository: GuardedRepository, privateFolder: string) {
    this.#repository = repository;
    this.#file = new BaselineFile(repository, privateFolder);
  }

  get baseline(): RepositoryBaseline {
    return { ...this.#repository, entries: this.#entries };
  }

  seal(): Result<void, Failure> {
    const { nestedIn } = this.#repository;
    // Moved away by a command, it may come back by the next: what was remembered first still holds.
    if (nestedIn !== null && !isReadable({ ...this.#repository, nestedIn })) return ok(undefined);
    const before = this.#entries;
    this.#bytes = 0;
    const read = this.#read(before);
    if (read.ok) return this.#keep();
    this.#entries = before;
    // A checkout deep in the workspace that cannot be remembered must not keep commands from running.
    return nestedIn === null ? read : ok(undefined);
  }

  #read(before: ReadonlyMap<string, Entry>): Result<void, Failure> {
    this.#entries = new Map();
    try {
      const held = this.#file.heldByAnother();
      if (held === undefined) {
        for (const path of this.#repository.watched) this.#remember(path, before, 0, DEEP_PARTS.has(nameOf(path)));
      } else {
        this.#entries = new Map(held.entries);
      }
    } catch (error) {
      return err(terminal("unsupported", `guard the repository: ${describe(error)}`, REMEDY));
    }
    return this.#bytes > MAX_BYTES || this.#entries.size > MAX_ENTRIES
      ? err(terminal("too_large", "guard the repository: too many hooks and settings", REMEDY))
      : ok(undefined);
  }

  #keep(): Result<void, Failure> {
    try {
      this.#file.write(this.baseline);
      return ok(undefined);
    } catch (error) {
      return err(terminal("unsupported", `guard the repository: ${describe(error)}`, REMEDY));
    }
  }

  #remember(path: string, before: ReadonlyMap<string, Entry>, depth: number, deep: boolean): void {
    if (this.#entries.size > MAX_ENTRIES || this.#bytes > MAX_BYTES) return;
    const stat = statOf(path);
    if (stat === undefined) {
      this.#entries.set(path, { kind: "absent" });
      return;
    }
    const signature = signatureOf(stat);
    if (stat.isSymbolicLink()) {
      this.#entries.set(path, { kind: "link", signature, target: readlinkSync(path) });
    } else if (stat.isDirectory()) {
      const names = readdirSync(path);
      const closed = !deep || depth === 0;
      this.#entries.set(path, { kind: "folder", signature, owner: ownerOf(stat), names: new Set(names), closed });
      for (const name of names) {
        if (deep && DEEP_NAMES.has(name)) this.#remember(join(path, name), before, depth + 1, false);
        else if (deep && depth < MAX_DEPTH && isFolder(join(path, name)) && !isGitInternal(name))
          this.#remember(join(path, name), before, depth + 1, true);
        else if (!deep) this.#remember(join(path, name), before, depth + 1, false);
      }
    } else {
      const known = before.get(path);
      const isKnown = known?.kind === "file" && known.signature === signature;
      const bytes = isKnown ? known.bytes : stat.isFile() ? readFileSync(path) : new Uint8Array();
      this.#bytes += bytes.length;
      this.#entries.set(path, { kind: "file", signature, bytes, owner: ownerOf(stat) });
    }
  }
}

function isReadable(repository: GuardedRepository & { readonly nestedIn: string }): boolean {
  try {
    return liesInPlace(repository);
  } catch {
    return false; // A command took our rights to a folder on the way; nothing new is believed of what lies in it.
  }
}

const REMEDY = "Use a clone of the repository without them as workspace";

function isFolder(path: string): boolean {
  return statOf(path)?.isDirectory() ?? false;
}

/** Large, and without influence on what git runs. */
function isGitInternal(name: string): boolean {
  return name === "objects" || name === "refs" || name === "logs" || name === "info";
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
