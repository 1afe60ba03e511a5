/**
 * Tokens of repositories, each for one server. Invariants:
 * - TK1: of a repository that was added at run time, no file is read but one that somebody of this host put below the
 *   folder `secrets` of the state folder, in a folder named as the server that it is for.
 * - TK2: a token is sent to that server alone; one that the configuration names, to those that it is named with.
 * - TK3: no token is sent over a line that others can read.
 */
import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import { err, isInTheOpen, ok, type Result, refused } from "#base";
import type { Repository } from "../registry/repository.ts";

export const GITHUB_API = "https://api.github.com";

/** A file with a token is one line. */
const MAX_TOKEN_BYTES = 4_096;
const OTHERS = 0o077;

export class ForgeTokens {
  readonly #folder: string;
  readonly #configured: ReadonlySet<string>;

  /** @param configured names of the repositories that the configuration of this node holds */
  constructor(stateDir: string, configured: readonly string[]) {
    this.#folder = join(stateDir, "secrets");
    this.#configured = new Set(configured);
  }

  /** @returns the token for a server; undefined where none is named, or nothing is asked by HTTP */
  of({ name, forge }: Repository, url: string): Result<string | undefined> {
    const file = forge.tokenFile;
    if (file === undefined || !/^https?:/i.test(url)) return ok(undefined);
    const host = serverOf(url);
    if (isInTheOpen(url)) {
      return err(refused("invalid", `no token is sent to ${host} by http, where others can read it`, "Use https"));
    }
    if (this.#configured.has(name)) return readToken(file);
    const inside = this.#inside(file, host);
    return inside.ok ? readToken(inside.value) : inside;
  }

  /** Of the API of its forge; undefined for a repository that is on none. */
  ofForge(repository: Repository): Result<string | undefined> {
    const { kind, apiUrl = GITHUB_API } = repository.forge;
    return kind === "none" ? ok(undefined) : this.of(repository, apiUrl);
  }

  /** TK1. A name alone is that of a file in the folder of the server. */
  #inside(file: string, host: string): Result<string> {
    const folder = join(this.#folder, host);
    const path = file.startsWith("/") ? file : join(folder, file);
    // `..` is a host to URLs.
    if (!host.startsWith(".") && isBelow(path, folder)) return ok(path);
    const message = `the token file ${file} is none for ${host}`;
    const remedy = `Put it on each node, with mode 0600, into ${folder}, or register the repository in the configuration`;
    return err(refused("invalid", message, remedy));
  }
}

/** By where the links lead. */
function isBelow(path: string, folder: string): boolean {
  try {
    return realpathSync(path).startsWith(`${realpathSync(folder)}${sep}`) && lstatSync(path).isFile();
  } catch {
    return false;
  }
}

/** GitHub's API has a name of its own. */
function serverOf(url: string): string {
  const host = URL.parse(url)?.hostname ?? "";
  return host === "api.github.com" ? "github.com" : host;
}

/** @returns the token in a file that its owner alone may read. */
function readToken(file: string): Result<string> {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return err(refused("not_found", `there is no token file ${file}`, "Correct forge.tokenFile"));
  if ((stat.mode & OTHERS) !== 0) {
    return err(refused("invalid", `others may read the token file ${file}`, `Run: chmod 600 ${file}`));
  }
  if (stat.size > MAX_TOKEN_BYTES) return err(refused("too_large", `${file} is no token: it has ${stat.size} bytes`));
  const token = readFileSync(file, "utf8").trim();
  if (/^[\x21-\x7e]+$/.test(token)) return ok(token);
  return err(refused("invalid", `the token file ${file} holds no token`, "Put the token alone into it"));
}
