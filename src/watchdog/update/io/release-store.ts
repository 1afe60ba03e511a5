/**
 * The releases of a node on disk. Decides nothing about when to swap: it stages what may be run, and moves the links
 * as `swap-run.ts` and `recovery.ts` say.
 */
import { constants, copyFileSync, linkSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Clock, err, ok, type Result } from "#base";
import { type AcceptanceFacts, acceptRelease, belowFloor } from "../acceptance.ts";
import { checkExecutable, type ExecutableCheck } from "../executable.ts";
import type { HistoryRow, ReleaseCheck } from "../history.ts";
import type { Journal } from "../journal.ts";
import { type Manifest, parseEnvelope, parseManifest, type ReleaseFile } from "../manifest.ts";
import { planRecovery, type RecoveryPlan } from "../recover.ts";
import { type Refusal, refuse } from "../refusal.ts";
import { refuseEarlyRetry } from "../retry-delay.ts";
import type { SwapCrashPoint } from "../swap-labels.ts";
import { checkTrust, type RootKey, type Verify } from "../trust.ts";
import type { Version } from "../version.ts";
import { checkedSource, fileSource } from "./byte-source.ts";
import { writeCandidate } from "./candidate-file.ts";
import { writeDurably } from "./durable-file.ts";
import { verifyEd25519 } from "./ed25519.ts";
import { errnoOf, releaseFailure } from "./release-failure.ts";
import { ReleaseFolder } from "./release-folder.ts";
import { ReleaseRecords } from "./release-records.ts";
import type { ReleaseSource } from "./release-source.ts";

/** Left free beside a staged release, so that the databases can go on growing while it is tried. */
export const RESERVE_BYTES = 64 * 1024 * 1024;

export type ReleaseStoreParts = {
  /** `<state>/releases`. */
  readonly folder: string;
  readonly clock: Clock;
  readonly roots: readonly RootKey[];
  /** Platform of this executable, such as `linux-x64`. */
  readonly target: string;
  /** What the configuration and the databases say at the moment. */
  readonly wishes: () => Pick<AcceptanceFacts, "channel" | "pinned" | "schema">;
  readonly crashPoint?: SwapCrashPoint;
  readonly verify?: Verify;
  /** Other than the check of ELF headers only in tests, whose releases are scripts. */
  readonly executableCheck?: ExecutableCheck;
  /** Bytes that may still be written. */
  readonly freeBytes?: () => number;
  /** Left free beside a release; by default {@link RESERVE_BYTES}. */
  readonly reserveBytes?: number;
};

export type StageOrder = {
  /** Of this try. */
  readonly id: string;
  readonly mayBeOlder: boolean;
  /** Does not wait for the back-off of a version that failed. */
  readonly again: boolean;
};

/** A release that lies in a place of its own, checked, and not yet under its name. */
export type StagedRelease = {
  readonly version: Version;
  readonly manifest: Manifest;
  readonly folder: string;
  readonly sha256: string;
  readonly checks: readonly ReleaseCheck[];
};

/** A release that was not taken, with what is known of it. */
export type StageRefusal = {
  readonly refusal: Refusal;
  readonly version: Version | null;
  readonly checks: readonly ReleaseCheck[];
};

/** What a place offers, its signature checked and nothing else of it fetched. */
export type Offered = {
  readonly version: Version;
  readonly channel: string;
  /** Why it would not be installed; null when it would be. */
  readonly refusal: Refusal | null;
};

export class ReleaseStore {
  readonly #parts: ReleaseStoreParts;
  readonly #crashPoint: SwapCrashPoint;
  readonly folder: ReleaseFolder;
  readonly records: ReleaseRecords;

  constructor(parts: ReleaseStoreParts) {
    this.#parts = parts;
    this.#crashPoint = parts.crashPoint ?? (() => undefined);
    this.folder = new ReleaseFolder(parts.folder);
    this.records = new ReleaseRecords(parts.folder);
  }

  /** Makes the folder, and removes what an interrupted try left that has no name yet. */
  prepare(): Result<void, Refusal> {
    return attempt("prepare the releases folder", () => {
      this.folder.prepare();
      this.records.removeDrafts();
    });
  }

  /**
   * Makes the running executable a release, if it is none yet or was changed since. A hard link where that works: an
   * installer replaces files by rename, and a file that was changed in place is noticed by size and time.
   */
  importRunning(executable: string, version: Version): Result<void, Refusal> {
    return attempt(`take ${executable} as release ${version}`, () => {
      if (this.folder.isRunnable(version)) return;
      const { folder, binary } = this.folder.makeStaging("import");
      try {
        linkSync(executable, binary);
      } catch (error) {
        if (!["EXDEV", "EPERM", "EMLINK", "EACCES"].includes(errnoOf(error) ?? "")) throw error;
        copyFileSync(executable, binary, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      }
      const { size, mtimeMs } = statSync(binary);
      this.folder.writeOrigin(folder, {
        bytes: size,
        sha256: null,
        modifiedMs: Math.trunc(mtimeMs),
        installedAtMs: this.#parts.clock.nowMs(),
        signedBy: null,
      });
      this.folder.admit(folder, version);
    });
  }

  /** Whether `source` has a release that would be installed; fails when what it has is not to be trusted. */
  async look(source: ReleaseSource, running: Version | null): Promise<Result<Offered, Refusal>> {
    const bytes = await source.manifest();
    if (!bytes.ok) return bytes;
    try {
      const trusted = this.#checkManifest(bytes.value, []);
      if (!trusted.ok) return trusted;
      const { manifest } = trusted.value;
      const current = this.folder.linked("current") ?? running;
      const file = this.#accept(manifest, { mayBeOlder: false, again: false }, current);
      return ok({ version: manifest.version, channel: manifest.channel, refusal: file.ok ? null : file.error });
    } catch (error) {
      return err(releaseFailure(error, `look at ${source.name}`));
    }
  }

  /** Everything that can be known of a release without running it; refuses before a byte too many is fetched. */
  async stage(source: ReleaseSource, order: StageOrder): Promise<Result<StagedRelease, StageRefusal>> {
    const checks: ReleaseCheck[] = [];
    let version: Version | null = null;
    const refused = (refusal: Refusal): Result<never, StageRefusal> => {
      checks.push({ name: refusal.reason, ok: false, detail: refusal.message });
      return err({ refusal, version, checks });
    };
    try {
      this.#crashPoint("swap:before-stage");
      const bytes = await source.manifest();
      if (!bytes.ok) return refused(bytes.error);
      const trusted = this.#checkManifest(bytes.value, checks);
      if (!trusted.ok) return refused(trusted.error);
      const { manifest, signedBy } = trusted.value;
      version = manifest.version;
      const file = this.#accept(manifest, order, this.folder.linked("current"));
      if (!file.ok) return refused(file.error);
      checks.push({ name: "accepted", ok: true, detail: `for ${file.value.target}, channel ${manifest.channel}` });
      const staged = await this.#fetch(source, file.value, order.id, signedBy, bytes.value);
      if (!staged.ok) return refused(staged.error);
      checks.push({ name: "content", ok: true, detail: `${file.value.bytes} bytes, sha256 ${file.value.sha256}` });
      this.#crashPoint("swap:after-copy");
      return ok({ version, manifest, folder: staged.value, sha256: file.value.sha256, checks });
    } catch (error) {
      return refused(releaseFailure(error, `stage ${source.name}`));
    }
  }

  /** Gives a staged release its name, or keeps the same release that has it already. */
  admit(staged: StagedRelease): Result<void, Refusal> {
    return attempt(`install release ${staged.version}`, () => {
      const before = this.folder.originOf(staged.version);
      const isLinked = [this.folder.linked("current"), this.folder.linked("previous")].includes(staged.version);
      if (before !== undefined && this.folder.isRunnable(staged.version)) {
        if (before.sha256 !== null && before.sha256 !== staged.sha256) {
          throw new Refused(refuse("other_content", `release ${staged.version} is here already, with other content`));
        }
        if (before.sha256 === staged.sha256 || isLinked) return this.folder.dropStaging(staged.folder);
      }
      this.folder.admit(staged.folder, staged.version);
      this.#crashPoint("swap:after-admit");
    });
  }

  /** Whether an installed release may be started: it is there, is what was installed, and is not below the floor. */
  async checkInstalled(version: Version): Promise<Result<void, Refusal>> {
    const origin = attempt(`look at release ${version}`, () => {
      const refusal = belowFloor(version, this.records.floor());
      if (refusal !== undefined) throw new Refused(refusal);
      const found = this.folder.originOf(version);
      if (found !== undefined && this.folder.isRunnable(version)) return found;
      throw new Refused(refuse("not_installed", `release ${version} is not installed, or its file is damaged`));
    });
    if (!origin.ok) return origin;
    const { sha256, bytes } = origin.value;
    if (sha256 === null) return ok(undefined);
    const file = fileSource(this.folder.binaryOf(version));
    if (!file.ok) return file;
    const source = checkedSource(file.value, { file: `release ${version}`, bytes, sha256 });
    try {
      for (;;) {
        const next = await source.read();
        if (!next.ok) return next;
        if (next.value === null) return ok(undefined);
        await new Promise<void>((resolve) => setImmediate(resolve)); // The watchdog has other work to do meanwhile.
      }
    } finally {
      source.close();
    }
  }

  /** Moves both links: `previous` first, so that `current` has moved only when both have. */
  switchTo(version: Version, from: Version | null): Result<void, Refusal> {
    return attempt(`switch to release ${version}`, () => {
      this.#crashPoint("swap:before-previous");
      if (from !== null) this.folder.link("previous", from);
      this.#crashPoint("swap:before-current");
      this.folder.link("current", version);
      this.#crashPoint("swap:after-current");
    });
  }

  /** Moves both links as they must be; `current` first, so that what runs next is right from then on. */
  setLinks(current: Version | null, previous: Version | null): Result<void, Refusal> {
    return attempt("move the links of the releases", () => {
      this.#crashPoint("swap:before-return");
      if (current !== null) this.folder.link("current", current);
      if (previous === null) this.folder.unlink("previous");
      else this.folder.link("previous", previous);
      this.#crashPoint("swap:after-return");
    });
  }

  /** Everything that follows below is done because this says so, also after a crash. */
  writeJournal(journal: Journal): Result<void, Refusal> {
    return attempt("write the journal of the swap", () => {
      this.records.writeJournal(journal);
      this.#crashPoint("swap:after-journal");
    });
  }

  /** Ends a swap: floor, history, journal, in this order. Each can be done twice without harm. */
  close(row: HistoryRow, floor: Version | null): Result<void, Refusal> {
    return attempt("end the swap", () => {
      this.#crashPoint("swap:before-floor");
      if (floor !== null) this.records.raiseFloor(floor);
      this.#crashPoint("swap:before-row");
      this.records.addRow(row);
      this.#crashPoint("swap:before-forget");
      this.records.forgetJournal();
      this.#crashPoint("swap:after-forget");
    });
  }

  /** A try that never became a swap. */
  addRow(row: HistoryRow): Result<void, Refusal> {
    return attempt("write the history of releases", () => this.records.addRow(row));
  }

  prune(keep: number): Result<readonly Version[], Refusal> {
    return attempt("remove old releases", () => this.folder.prune(keep));
  }

  /**
   * What a swap asks for that did not go on, and what can run at all.
   * @param journal by default the one on the disk.
   */
  planRecovery(maxBoots: number, journal?: Journal): Result<RecoveryPlan, Refusal> {
    return attempt("look at the releases", () => {
      const runnable = this.folder.versions().filter((version) => this.folder.isRunnable(version));
      const facts = {
        current: this.folder.linked("current"),
        previous: this.folder.linked("previous"),
        runnable,
        floor: this.#floorIfReadable(),
        maxBoots,
      };
      return planRecovery(journal ?? this.records.journal(), facts, this.#parts.clock.nowMs());
    });
  }

  /** For the choice among releases that are installed; what comes from outside meets the floor or is refused. */
  #floorIfReadable(): Version | null {
    try {
      return this.records.floor();
    } catch {
      return null; // Damaged. To run nothing at all because of it would be worse.
    }
  }

  #checkManifest(
    bytes: Uint8Array,
    checks: ReleaseCheck[],
  ): Result<{ readonly manifest: Manifest; readonly signedBy: string }, Refusal> {
    const envelope = parseEnvelope(bytes);
    if (!envelope.ok) return envelope;
    const { roots, clock, verify = verifyEd25519 } = this.#parts;
    const facts = { roots, memory: this.records.trust(), nowMs: clock.nowMs(), verify };
    const { memory, signer } = checkTrust(envelope.value, facts);
    this.records.remember(memory);
    if (!signer.ok) return signer;
    checks.push({ name: "signature", ok: true, detail: `by key ${signer.value.id}` });
    const manifest = parseManifest(envelope.value.payload);
    return manifest.ok ? ok({ manifest: manifest.value, signedBy: signer.value.id }) : manifest;
  }

  #accept(manifest: Manifest, order: Omit<StageOrder, "id">, current: Version | null): Result<ReleaseFile, Refusal> {
    const { clock, target, wishes } = this.#parts;
    const file = acceptRelease(manifest, {
      ...wishes(),
      nowMs: clock.nowMs(),
      target,
      floor: this.records.floor(),
      current,
      mayBeOlder: order.mayBeOlder,
    });
    if (!file.ok) return file;
    const early = order.again ? undefined : refuseEarlyRetry(manifest.version, this.records.history(), clock.nowMs());
    if (early !== undefined) return err(early);
    const free = this.#parts.freeBytes?.() ?? this.folder.freeBytes();
    const needed = file.value.bytes + (this.#parts.reserveBytes ?? RESERVE_BYTES);
    if (free >= needed) return file;
    return err(refuse("no_space", `release ${manifest.version} needs ${needed} bytes of disk, and ${free} are free`));
  }

  async #fetch(
    source: ReleaseSource,
    file: ReleaseFile,
    id: string,
    signedBy: string,
    manifest: Uint8Array,
  ): Promise<Result<string, Refusal>> {
    const { folder, binary } = this.folder.makeStaging(id);
    const opened = await source.open(file);
    const written = opened.ok
      ? await writeCandidate(opened.value, binary, file, this.#parts.executableCheck ?? checkExecutable)
      : opened;
    if (!written.ok) {
      this.folder.dropStaging(folder);
      return written;
    }
    const installedAtMs = this.#parts.clock.nowMs();
    const { bytes, sha256 } = file;
    this.folder.writeOrigin(folder, { bytes, sha256, modifiedMs: written.value, installedAtMs, signedBy });
    writeDurably(join(folder, "manifest.json"), new TextDecoder().decode(manifest));
    return ok(folder);
  }
}

/** Carries a refusal out of a block that also throws system errors; never leaves this file. */
class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

function attempt<T>(action: string, act: () => T): Result<T, Refusal> {
  try {
    return ok(act());
  } catch (error) {
    return err(error instanceof Refused ? error.refusal : releaseFailure(error, action));
  }
}
