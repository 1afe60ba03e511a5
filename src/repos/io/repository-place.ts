/**
 * Where a repository is on this host. One with a path is used where it is, never its checked-out files; one with an
 * address has a bare copy in the state folder. Everything of drover's own lies under `refs/drover/` and in branches
 * `drover/…`.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Clock, during, err, ok, type Result, refused, retryable } from "#base";
import type { Repository } from "../registry/repository.ts";
import { Turns } from "../turns.ts";
import type { ForgeTokens } from "./forge-tokens.ts";
import { type GitNetwork, type GitOptions, git, gitEnd, gitLine } from "./git.ts";

export type PlaceSettings = {
  /** Of one repository's copy, and of one file that git fetches for it. */
  readonly maxBytes: number;
  /** How long what was fetched last may stand for what cannot be fetched now. */
  readonly offlineMs: number;
  readonly fetchTimeoutMs: number;
};

export type RepositoryPlace = {
  /** The repository itself: a `.git` folder, or a bare one. */
  readonly gitDir: string;
  /** From where it is fetched and to where it is pushed; undefined for a repository of this host alone. */
  readonly remoteUrl: string | undefined;
  readonly network: GitNetwork | undefined;
  /** Whether it is drover's own copy, in which nobody else works. */
  readonly isCopy: boolean;
};

/** The main branch as it is now. */
export type FreshMain = {
  readonly commit: string;
  /** Null: fetched just now, or there is nowhere to fetch from; else since when it could not be. */
  readonly staleSinceMs: number | null;
};

export class RepositoryPlaces {
  readonly #folder: string;
  readonly #settings: PlaceSettings;
  readonly #clock: Clock;
  readonly #tokens: ForgeTokens;
  /** Two who make or fetch the same copy at once would take it from each other. */
  readonly #turns = new Turns();
  /** When each was fetched last, by this process; the file's time says so for those before. */
  readonly #fetchedAtMs = new Map<string, number>();

  constructor(stateDir: string, settings: PlaceSettings, tokens: ForgeTokens, clock: Clock) {
    this.#folder = join(stateDir, "repositories");
    this.#settings = settings;
    this.#tokens = tokens;
    this.#clock = clock;
  }

  /** Finds the repository, or makes its copy; nothing is fetched yet. */
  async open(repository: Repository): Promise<Result<RepositoryPlace>> {
    // Whether it may be used is said now, and not with the first delivery.
    const forForge = this.#tokens.ofForge(repository);
    if (!forForge.ok) return forForge;
    if (repository.url !== undefined) {
      const network = this.#network(repository, repository.url);
      const copy = network.ok ? await this.#turns.run(repository.name, () => this.#copy(repository)) : network;
      if (!network.ok || !copy.ok) return copy as Result<never>; // `as`: one of the two failed
      return ok({ gitDir: copy.value, remoteUrl: repository.url, network: network.value, isCopy: true });
    }
    const path = repository.path ?? "";
    if (!existsSync(path)) {
      const remedy = "Clone it on this host, correct the path, or register its address instead";
      // Another node may have it.
      return err(
        retryable("unavailable", `repository ${repository.name}: ${path} does not exist on this host`, remedy),
      );
    }
    const found = await gitLine(path, ["rev-parse", "--path-format=absolute", "--git-common-dir"]);
    if (!found.ok) return err(during(found.error, `use repository ${repository.name}`));
    const remoteUrl = await remoteOf(found.value, repository);
    if (!remoteUrl.ok) return remoteUrl;
    const network = remoteUrl.value === undefined ? ok(undefined) : this.#network(repository, remoteUrl.value);
    if (!network.ok) return network;
    return ok({ gitDir: found.value, remoteUrl: remoteUrl.value, network: network.value, isCopy: false });
  }

  #network(repository: Repository, url: string): Result<GitNetwork> {
    const token = this.#tokens.of(repository, url);
    if (!token.ok) return token;
    return ok(token.value === undefined ? {} : { token: token.value });
  }

  /** Both at once: the repository, and its main branch as it is now. */
  async openMain(repository: Repository): Promise<Result<{ readonly place: RepositoryPlace; readonly main: string }>> {
    const place = await this.open(repository);
    if (!place.ok) return place;
    const main = await this.fresh(repository, place.value);
    return main.ok ? ok({ place: place.value, main: main.value.commit }) : main;
  }

  /**
   * Fetches the main branch and drover's own branches. Where that fails because nobody answers, what was fetched last
   * stands for it, for as long as the settings say.
   */
  async fresh(repository: Repository, place: RepositoryPlace): Promise<Result<FreshMain>> {
    const { branch, name } = repository;
    if (place.remoteUrl === undefined) {
      const local = await commitAt(place.gitDir, `refs/heads/${branch}`);
      if (local !== undefined) return ok({ commit: local, staleSinceMs: null });
      return err(noMain(name, branch, "has no such branch"));
    }
    const fetched = await this.#turns.run(name, () => this.#fetch(repository, place));
    const commit = await commitAt(place.gitDir, upstreamRef(branch));
    if (fetched.ok) {
      if (commit !== undefined) return ok({ commit, staleSinceMs: null });
      return err(noMain(name, branch, "has no such branch"));
    }
    if (fetched.error.kind !== "retryable") {
      const isMissing = /find remote ref/.test(fetched.error.message);
      return err(isMissing ? noMain(name, branch, "has no such branch at its remote") : fetched.error);
    }
    const atMs = this.#fetchedAtMs.get(name) ?? this.#markedAtMs(name);
    const isUsable = atMs !== undefined && this.#clock.nowMs() - atMs <= this.#settings.offlineMs;
    if (commit !== undefined && isUsable) return ok({ commit, staleSinceMs: atMs });
    return err(during(fetched.error, `fetch ${branch} of ${name}, which must be fresh`));
  }

  /** Bytes that the copy of a repository takes; 0 for one that is used where it is. */
  bytesOf(name: string): number {
    const folder = this.#copyFolder(name);
    return existsSync(folder) ? bytesBelow(folder) : 0;
  }

  /** Removes drover's copy of a repository. One that is used where it is stays. */
  forget(name: string): void {
    rmSync(this.#copyFolder(name), { recursive: true, force: true });
    rmSync(this.#mark(name), { force: true });
    this.#fetchedAtMs.delete(name);
  }

  #copyFolder(name: string): string {
    return join(this.#folder, "copies", `${name}.git`);
  }

  async #copy({ name, url }: Repository): Promise<Result<string>> {
    const folder = this.#copyFolder(name);
    if (existsSync(join(folder, "HEAD"))) {
      const known = await gitLine(folder, ["config", "--get", "drover.url"]);
      if (known.ok && known.value === url) return ok(folder);
      this.forget(name); // It was registered again, for another address.
    }
    mkdirSync(join(this.#folder, "copies"), { recursive: true, mode: 0o700 });
    const draft = `${folder}.new`;
    rmSync(draft, { recursive: true, force: true });
    const made = await git(this.#folder, ["init", "--quiet", "--bare", "--template=", draft]);
    if (!made.ok) return made;
    const marked = await git(draft, ["config", "drover.url", url ?? ""]);
    if (!marked.ok) return marked;
    renameSync(draft, folder);
    return ok(folder);
  }

  async #fetch({ name, branch }: Repository, { gitDir, remoteUrl, network, isCopy }: RepositoryPlace) {
    const { maxBytes, fetchTimeoutMs } = this.#settings;
    const options: GitOptions = {
      timeoutMs: fetchTimeoutMs,
      maxFileBytes: maxBytes,
      ...(network === undefined ? {} : { network }),
    };
    const fetched = await git(
      gitDir,
      [
        "fetch",
        "--quiet",
        "--no-tags",
        "--prune",
        "--no-write-fetch-head",
        "--no-recurse-submodules",
        "--no-auto-maintenance",
        "--upload-pack=git-upload-pack",
        "--end-of-options",
        remoteUrl ?? "",
        `+refs/heads/${branch}:${upstreamRef(branch)}`,
        `+refs/heads/drover/*:${deliveredRef("*")}`,
        `+refs/drover/branches/*:${sharedRef("*")}`,
      ],
      options,
    );
    if (!fetched.ok) return fetched;
    if (isCopy && bytesBelow(gitDir) > maxBytes) {
      const remedy = "Raise repositories.max_bytes, or register a smaller repository";
      return err(refused("too_large", `the copy of ${name} is larger than ${maxBytes} bytes`, remedy));
    }
    this.#fetchedAtMs.set(name, this.#clock.nowMs());
    mkdirSync(join(this.#folder, "fetched"), { recursive: true, mode: 0o700 });
    await Bun.write(this.#mark(name), String(this.#clock.nowMs()));
    return ok(undefined);
  }

  #mark(name: string): string {
    return join(this.#folder, "fetched", name);
  }

  #markedAtMs(name: string): number | undefined {
    try {
      const atMs = Number(readFileSync(this.#mark(name), "utf8"));
      return Number.isSafeInteger(atMs) ? atMs : undefined;
    } catch {
      return undefined; // never fetched
    }
  }
}

export function upstreamRef(branch: string): string {
  return `refs/drover/upstream/${branch}`;
}

/** Where a branch lies here that was pushed to be delivered, as it was fetched last. */
export function deliveredRef(workId: string): string {
  return `refs/drover/remote/${workId}`;
}

/** Where the work of all nodes lies here, as it was fetched last. */
export function sharedRef(workId: string): string {
  return `refs/drover/shared/${workId}`;
}

/** @returns the commit that a reference leads to. */
export async function commitAt(gitDir: string, ref: string): Promise<string | undefined> {
  const found = await gitEnd(gitDir, ["rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`]);
  return found.ok && found.value.code === 0 ? found.value.output.trim() : undefined;
}

function noMain(name: string, branch: string, why: string) {
  const remedy = "Commit and push it, or name another one as the branch of the repository";
  return refused("not_found", `the main branch ${branch} of ${name} cannot be resolved: it ${why}`, remedy);
}

async function remoteOf(gitDir: string, { name, remote }: Repository): Promise<Result<string | undefined>> {
  if (remote === "") return ok(undefined);
  const wanted = remote ?? "origin";
  const found = await gitEnd(gitDir, ["config", "--get", `remote.${wanted}.url`]);
  if (!found.ok) return found;
  if (found.value.code === 0) {
    const url = found.value.output.trim();
    // As git does it where the files are checked out.
    return ok(/^\.{1,2}(?:\/|$)/.test(url) ? resolve(gitDir.replace(/\/\.git$/, ""), url) : url);
  }
  if (remote === undefined) return ok(undefined);
  return err(refused("not_found", `repository ${name} has no remote ${wanted}`, "Name one of its remotes, or none"));
}

function bytesBelow(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
