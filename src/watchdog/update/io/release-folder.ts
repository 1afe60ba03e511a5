/** What lies in `<state>/releases`, and how each of it is read and changed. */
import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { FieldReader } from "../field-reader.ts";
import { MAX_INSTANT_MS, MAX_RELEASE_BYTES } from "../manifest.ts";
import { compareVersions, parseVersion, type Version } from "../version.ts";
import { readBounded, readLink, removeDurably, replaceLink, syncFolder, writeDurably } from "./durable-file.ts";

const MAX_ORIGIN_BYTES = 4_096;
const STAGING = ".staging-";
const REMOVED = ".removed-";

/** What is known of the file of an installed release. */
export type Origin = {
  readonly bytes: number;
  /** Null for the executable that was taken over as it ran: nobody signed it here. */
  readonly sha256: string | null;
  /** Of the file, so that one that was changed in place is noticed without reading it. Whole milliseconds. */
  readonly modifiedMs: number;
  readonly installedAtMs: number;
  /** Whose signature it had. */
  readonly signedBy: string | null;
};

export type ReleaseLink = "current" | "previous";

export class ReleaseFolder {
  readonly path: string;
  readonly #executable: string;

  /** @param executable name of the file in each release. */
  constructor(path: string, executable = "drover") {
    this.path = path;
    this.#executable = executable;
  }

  /** Makes the folder; throws when it cannot be used. What crashed tries left behind is removed. */
  prepare(): void {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    const status = lstatSync(this.path);
    if (!status.isDirectory()) throw Object.assign(new Error(`${this.path} is a link`), { code: "ELOOP" });
    if ((status.mode & 0o777) !== 0o700) chmodSync(this.path, 0o700);
    for (const name of readdirSync(this.path)) {
      if (name.startsWith(STAGING) || name.startsWith(REMOVED))
        rmSync(join(this.path, name), { recursive: true, force: true });
    }
  }

  binaryOf(version: Version): string {
    return join(this.path, version, this.#executable);
  }

  manifestOf(version: Version): string {
    return join(this.path, version, "manifest.json");
  }

  /** An empty folder on the same file system, of which nothing is left after the next start. */
  makeStaging(id: string): { readonly folder: string; readonly binary: string } {
    const folder = join(this.path, `${STAGING}${id}`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o700 });
    return { folder, binary: join(folder, this.#executable) };
  }

  writeOrigin(folder: string, origin: Origin): void {
    writeDurably(join(folder, "origin.json"), `${JSON.stringify({ format: 1, ...origin })}\n`);
  }

  /** @returns undefined when the release is not there or says nothing of itself that can be read. */
  originOf(version: Version): Origin | undefined {
    const bytes = readBounded(join(this.path, version, "origin.json"), MAX_ORIGIN_BYTES);
    if (bytes === undefined) return undefined;
    const reader = FieldReader.ofJson(new TextDecoder().decode(bytes));
    const origin: Origin = {
      bytes: reader.integer("bytes", 1, MAX_RELEASE_BYTES),
      sha256: reader.isNull("sha256") ? null : reader.text("sha256", /^[0-9a-f]{64}$/, 64),
      modifiedMs: reader.integer("modifiedMs", 0, MAX_INSTANT_MS),
      installedAtMs: reader.integer("installedAtMs", 0, MAX_INSTANT_MS),
      signedBy: reader.isNull("signedBy") ? null : reader.text("signedBy", /^[0-9a-f]{32}$/, 32),
    };
    return reader.fault === undefined ? origin : undefined;
  }

  /** Gives a staged release its name. What had the name before is moved away first, and must not be linked to. */
  admit(staging: string, version: Version): void {
    const folder = join(this.path, version);
    syncFolder(staging);
    if (lstatSync(folder, { throwIfNoEntry: false }) !== undefined) this.#removeFolder(version);
    renameSync(staging, folder);
    syncFolder(this.path);
  }

  /** Versions that are there, oldest first. */
  versions(): readonly Version[] {
    return readdirSync(this.path, { withFileTypes: true })
      .flatMap((entry) => {
        const version = entry.isDirectory() ? parseVersion(entry.name) : undefined;
        return version === undefined ? [] : [version];
      })
      .sort(compareVersions);
  }

  /** Whether the file of a release is there as it was installed: a program, with the size and time it had. */
  isRunnable(version: Version): boolean {
    const status = lstatSync(this.binaryOf(version), { throwIfNoEntry: false });
    const origin = this.originOf(version);
    if (status === undefined || origin === undefined) return false;
    return (
      status.isFile() &&
      (status.mode & 0o100) !== 0 &&
      status.size === origin.bytes &&
      // What was signed is read again before a return to it; of the rest, the time of change is all that speaks.
      (origin.sha256 !== null || Math.trunc(status.mtimeMs) === origin.modifiedMs)
    );
  }

  linked(link: ReleaseLink): Version | null {
    const target = readLink(join(this.path, link));
    return target === undefined ? null : (parseVersion(target) ?? null);
  }

  link(link: ReleaseLink, version: Version): void {
    if (this.linked(link) !== version) replaceLink(join(this.path, link), version);
  }

  unlink(link: ReleaseLink): void {
    if (this.linked(link) !== null) removeDurably(join(this.path, link));
  }

  /** Under another name first: a release is never seen half removed. */
  #removeFolder(version: Version): void {
    const aside = join(this.path, `${REMOVED}${version}`);
    rmSync(aside, { recursive: true, force: true });
    renameSync(join(this.path, version), aside);
    syncFolder(this.path);
    rmSync(aside, { recursive: true, force: true });
  }

  /** Removes all releases but those linked to and the newest `keep` others. @returns what was removed. */
  prune(keep: number): readonly Version[] {
    const linked = [this.linked("current"), this.linked("previous")];
    const others = this.versions().filter((version) => !linked.includes(version));
    const removed = others.slice(0, Math.max(0, others.length - keep));
    for (const version of removed) this.#removeFolder(version);
    return removed;
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Removes a try that came to nothing; one that stays is removed at the next start. */
  dropStaging(folder: string): void {
    rmSync(folder, { recursive: true, force: true });
  }
}
