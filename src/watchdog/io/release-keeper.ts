/** The releases of this node: what runs at a start, and how another takes its place. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type Clock,
  describeFailure,
  err,
  type JsonValue,
  type Logger,
  ok,
  type Random,
  type Result,
  refused,
  terminal,
} from "#base";
import type { HistoryRow } from "../update/history.ts";
import { localSource, type ReleaseSource } from "../update/io/release-source.ts";
import { ReleaseStore } from "../update/io/release-store.ts";
import { type SwapOrder, type SwapPolicy, SwapRun } from "../update/io/swap-run.ts";
import { type CheckReport, UpdateChecks } from "../update/io/update-checks.ts";
import { DOWNLOAD_LIMITS, urlSource } from "../update/io/url-source.ts";
import type { Health } from "../update/probation.ts";
import { type Refusal, refuse } from "../update/refusal.ts";
import type { UpdateSchedule } from "../update/schedule.ts";
import type { SwapCrashPoint } from "../update/swap-labels.ts";
import type { SelftestReport, SwapPorts } from "../update/swap-ports.ts";
import type { RootKey } from "../update/trust.ts";
import { compareVersions, parseVersion, type Version } from "../update/version.ts";
import type { UpdateRequest } from "../update-request.ts";
import { runPart } from "./run-part.ts";
import { fieldOf, reportOf } from "./selftest-report.ts";
import { type StateCopies, stateCopies } from "./state-copy.ts";

/** What is known of this executable and its configuration. */
export type ReleaseOptions = {
  readonly target: string;
  readonly executable: string;
  readonly roots: readonly RootKey[];
  readonly channel: string | null;
  readonly pinned: string | null;
  readonly manifestUrl: string | null;
  /** When the manifest is looked at without being asked. */
  readonly schedule: UpdateSchedule;
  /** Left free beside a release that is taken. */
  readonly reserveBytes: number;
  readonly policy: SwapPolicy;
  /** Names of the databases in the state folder. */
  readonly databases: readonly string[];
  readonly crashPoint: SwapCrashPoint;
};

/** What a swap does with the node. */
export interface NodeControl {
  /** Writes a consistent copy of the node's database while it runs, or says why not. */
  backup(path: string): Promise<Result<void>>;
  drain(): Promise<Result<void>>;
  /** Starts the node with this executable. Resolves when it is ready. */
  start(binary: string): Promise<Result<void>>;
  health(): Health;
  announce(on: boolean, version: string): void;
}

type Parts = {
  readonly stateDir: string;
  readonly version: string;
  readonly options: ReleaseOptions;
  readonly node: NodeControl;
  readonly env: () => Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** A try has ended, well or not. */
  readonly ended: () => void;
};

/** A selftest takes a second; on a slow machine with a large database, minutes. */
const SELFTEST_LIMIT_MS = 10 * 60_000;
const MARK_LIMIT_MS = 60_000;
/** How often it is looked whether a swap that was asked for has begun. */
const POLL_MS = 20;

/** The newest rows that are shown: at MAX_HISTORY_ROW_BYTES each they fit into one line of the control socket. */
const ROWS_SHOWN = 25;

export class ReleaseKeeper {
  readonly #parts: Parts;
  readonly #store: ReleaseStore;
  readonly #swap: SwapRun;
  readonly #copies: StateCopies;
  /** The executable of the next node; null for this very one. */
  #binary: string | null = null;
  readonly #checks: UpdateChecks;
  #lastCheck: CheckReport | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { stateDir, options, clock, random, logger } = parts;
    const folder = join(stateDir, "releases");
    this.#copies = stateCopies(stateDir, folder, options.databases);
    this.#store = new ReleaseStore({
      folder,
      clock,
      roots: options.roots,
      target: options.target,
      wishes: () => ({
        channel: options.channel,
        pinned: options.pinned === null ? null : (parseVersion(options.pinned) ?? null),
        schema: { fleet: null, node: null },
      }),
      crashPoint: options.crashPoint,
      reserveBytes: options.reserveBytes,
    });
    this.#swap = new SwapRun({
      store: this.#store,
      ports: this.#ports(),
      clock,
      random,
      policy: options.policy,
      logger,
    });
    this.#checks = new UpdateChecks({
      schedule: options.schedule,
      clock,
      random,
      logger,
      isBusy: () => this.#swap.isBusy,
      check: () => this.#look(null),
      install: () => this.update({ from: null, allowOlder: false, again: false, askedBy: null }, "schedule"),
    });
  }

  /** Looks for newer releases by itself from now on, where that is configured. */
  startChecks(): void {
    this.#checks.start();
  }

  stopChecks(): void {
    this.#checks.stop();
  }

  /** The executable that the next node is started with. */
  get binary(): string {
    return this.#binary ?? this.#parts.options.executable;
  }

  get isSwapping(): boolean {
    return this.#swap.underWay !== null;
  }

  /** From the first look at a release until the swap has ended. */
  get isTrying(): boolean {
    return this.isSwapping || this.#swap.isBusy;
  }

  /**
   * At a start: brings links and journal into order and decides what runs. @returns whether a swap goes on or back, which
   * {@link resume} does, starting the node itself.
   */
  recover(): { readonly resume: boolean } {
    const { stateDir, logger } = this.#parts;
    if (this.#isFromSource || !existsSync(join(stateDir, "releases"))) return { resume: false };
    const recovered = this.#swap.recover();
    if (!recovered.ok) {
      logger.error("the releases cannot be used; this executable runs", { reason: describeFailure(recovered.error) });
      return { resume: false };
    }
    const { version, binary, resume } = recovered.value;
    if (!resume && version !== null && this.#isOwnNewer(version)) this.#binary = null;
    else this.#binary = binary;
    return { resume };
  }

  /** Run by an interpreter: there is no executable to be replaced, nor one to return to. */
  get #isFromSource(): boolean {
    return this.#parts.options.target === "source";
  }

  async resume(): Promise<void> {
    const ended = await this.#swap.resume();
    if (ended.ok) this.#parts.ended();
    else this.#parts.logger.error("a swap could not be taken to its end", { reason: describeFailure(ended.error) });
  }

  /** @returns as soon as the swap has begun, or why it does not. */
  update(request: UpdateRequest, askedBy: string): Promise<Result<JsonValue>> {
    const source = this.#source(request.from);
    if (!source.ok) return Promise.resolve(source);
    const order: SwapOrder = { askedBy, mayBeOlder: request.allowOlder, again: request.again };
    return this.#begin(() => this.#swap.update(source.value, order));
  }

  /** Whether there is a release to be installed; installs nothing. */
  async check(from: string | null): Promise<Result<JsonValue>> {
    const found = await this.#look(from);
    return found.ok ? ok({ ...found.value }) : found;
  }

  rollback(askedBy: string): Promise<Result<JsonValue>> {
    return this.#begin(() => this.#swap.rollback(null, askedBy));
  }

  view(): Result<JsonValue> {
    const { folder, records } = this.#store;
    try {
      const isKept = existsSync(folder.path);
      const { underWay } = this.#swap;
      return ok({
        // An executable that was installed by hand, and is newer than what the link names, runs itself.
        current: (isKept && this.#binary !== null ? folder.linked("current") : null) ?? this.#parts.version,
        previous: isKept ? folder.linked("previous") : null,
        floor: isKept ? records.floor() : null,
        releases: isKept ? folder.versions().map((version) => this.#releaseView(version)) : [],
        swap: underWay === null ? null : { version: underWay.version, step: underWay.step, kind: underWay.kind },
        target: this.#parts.options.target,
        lastCheck: this.#lastCheck === null ? null : { ...this.#lastCheck },
        history: isKept ? records.history().slice(-ROWS_SHOWN).map(asJson) : [],
      });
    } catch (cause) {
      return err(
        terminal("unavailable", `look at the releases: ${cause instanceof Error ? cause.message : String(cause)}`),
      );
    }
  }

  #releaseView(version: Version): JsonValue {
    const origin = this.#store.folder.originOf(version);
    return {
      version,
      bytes: origin?.bytes ?? null,
      installedAtMs: origin?.installedAtMs ?? null,
      signedBy: origin?.signedBy ?? null,
      isRunnable: this.#store.folder.isRunnable(version),
    };
  }

  /** Somebody installed a newer executable by hand, or built the same version again: that is meant to run. */
  #isOwnNewer(current: Version): boolean {
    const own = parseVersion(this.#parts.version);
    if (own === undefined) return false;
    const order = compareVersions(own, current);
    return order > 0 || (order === 0 && this.#store.folder.originOf(current)?.sha256 === null);
  }

  #source(from: string | null): Result<ReleaseSource> {
    const asked = from ?? this.#parts.options.manifestUrl;
    if (asked === null) {
      return err(refused("invalid", "there is nothing to update from", "Name a release, or set update.manifest_url"));
    }
    if (!asked.includes("://")) return ok(localSource(asked));
    return urlSource(asked, { clock: this.#parts.clock, limits: DOWNLOAD_LIMITS });
  }

  async #look(from: string | null): Promise<Result<CheckReport>> {
    const source = this.#source(from);
    if (!source.ok) return source;
    if (this.#swap.isBusy) return err(refuse("in_progress", "an update is under way"));
    const { version, clock } = this.#parts;
    const prepared = this.#store.prepare();
    if (!prepared.ok) return prepared;
    const current = this.#store.folder.linked("current") ?? parseVersion(version) ?? null;
    const offered = await this.#store.look(source.value, current);
    if (!offered.ok) return offered;
    const { refusal, version: found, channel } = offered.value;
    const report: CheckReport = {
      from: source.value.name,
      atMs: clock.nowMs(),
      current,
      version: found,
      channel,
      available: refusal === null,
      reason: refusal?.reason ?? null,
      detail: refusal?.message ?? null,
    };
    if (from === null) this.#lastCheck = report;
    return ok(report);
  }

  /** What runs now becomes a release first, so that there is one to return to. */
  #importOwn(): Result<void> {
    const own = parseVersion(this.#parts.version);
    if (own === undefined) return err(terminal("internal", `${this.#parts.version} is no version`));
    const prepared = this.#store.prepare();
    if (!prepared.ok || this.#binary !== null) return prepared;
    const imported = this.#store.importRunning(this.#parts.options.executable, own);
    if (!imported.ok || this.#store.folder.linked("current") === own) return imported;
    return this.#store.setLinks(own, this.#store.folder.linked("current"));
  }

  async #begin(act: () => Promise<Result<HistoryRow, Refusal>>): Promise<Result<JsonValue>> {
    if (this.#isFromSource) {
      return err(
        refused("unsupported", "drover runs from source here, so it has no releases", "Build it: npm run build"),
      );
    }
    // Before anything is prepared, which removes what looks like the leftovers of an interrupted try.
    if (this.#swap.isBusy) return err(refuse("in_progress", "another update is under way"));
    const own = this.#importOwn();
    if (!own.ok) return own;
    const { clock, logger } = this.#parts;
    const begun = Promise.withResolvers<Result<JsonValue>>();
    let isOver = false;
    const look = (): void => {
      const { underWay } = this.#swap;
      if (underWay !== null) begun.resolve(ok({ accepted: true, version: underWay.version }));
      else if (!isOver) clock.after(POLL_MS, look);
    };
    const run = async (): Promise<void> => {
      const result = await act();
      isOver = true;
      if (result.ok) {
        begun.resolve(ok({ accepted: true, version: result.value.version }));
      } else {
        begun.resolve(result);
        logger.warn("a release was not taken", { reason: describeFailure(result.error) });
      }
      this.#parts.ended();
    };
    void run();
    look();
    return begun.promise;
  }

  #ports(): SwapPorts {
    const { node, clock } = this.#parts;
    return {
      selftest: (binary) => this.#selftest(binary),
      announce: (on, version) => node.announce(on, version),
      drain: () => node.drain(),
      copyState: () => Promise.resolve(this.#copies.take(String(clock.nowMs()))),
      restoreState: (copy) => this.#restore(copy),
      dropState: (copy) => this.#copies.drop(copy),
      start: (binary) => {
        this.#binary = binary;
        return node.start(binary);
      },
      health: () => node.health(),
    };
  }

  async #selftest(binary: string): Promise<Result<SelftestReport>> {
    const { stateDir, node, env, clock } = this.#parts;
    const copy = join(stateDir, "releases", ".selftest.db");
    const copied = await node.backup(copy);
    if (!copied.ok) return copied;
    try {
      const said = await runPart([binary, "selftest", "--json", "--copy", copy], env(), {
        clock,
        limitMs: SELFTEST_LIMIT_MS,
      });
      if (!said.ok) return said;
      const report = reportOf(said.value);
      // The copy is that of one database, and the other ones may be migrated too. An older release may not say.
      const state = await this.#stateOf(binary, stateDir);
      const isChanged = state.ok && fieldOf(state.value, "changesState") === true;
      return report.ok && isChanged ? ok({ ...report.value, changesState: true }) : report;
    } finally {
      this.#copies.drop(".selftest.db");
    }
  }

  /** The newer of the two releases reads both, so it is asked; it is the one that was started last. */
  async #restore(copy: string): Promise<Result<{ readonly restored: boolean; readonly remark: string }>> {
    const { stateDir } = this.#parts;
    // Once begun it is taken to its end: the databases are not whole meanwhile.
    if (!this.#copies.isPuttingBack(copy)) {
      const [now, before] = [await this.#mark(stateDir), await this.#mark(this.#copies.pathOf(copy))];
      if (!now.ok) return now;
      if (!before.ok) return before;
      if (now.value !== before.value) {
        const remark = `the databases stay in their newer form, because work was recorded since; the copy is ${copy}`;
        return ok({ restored: false, remark });
      }
    }
    const put = this.#copies.putBack(copy);
    return put.ok
      ? ok({ restored: true, remark: `the databases were put back; the newer ones are ${put.value}` })
      : put;
  }

  /** What a release says of the databases of a folder. */
  #stateOf(binary: string, dir: string): Promise<Result<unknown>> {
    const { env, clock } = this.#parts;
    return runPart([binary, "state-mark", "--json", "--state", dir], env(), { clock, limitMs: MARK_LIMIT_MS });
  }

  async #mark(dir: string): Promise<Result<string>> {
    const said = await this.#stateOf(this.binary, dir);
    if (!said.ok) return said;
    const mark = fieldOf(said.value, "mark");
    return typeof mark === "string" ? ok(mark) : err(terminal("internal", "state-mark gave no mark"));
  }
}

function asJson(row: HistoryRow): JsonValue {
  return {
    ...row,
    steps: row.steps.map((step) => ({ ...step })),
    checks: row.checks.map((check) => ({ ...check })),
  };
}
