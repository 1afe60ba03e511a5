/**
 * Performs a swap: the journal says which step it is, `dueEffect` what is due, this does it. A step is durable before
 * anything of it is done. Only one swap runs at a time.
 */
import { type Clock, describeFailure, err, type Logger, ok, type Random, type Result, sleep } from "#base";
import { type HistoryRow, type ReleaseCheck, rowOfJournal } from "../history.ts";
import { advanceSwap, beginSwap, dueEffect, type Journal, type NewSwap, type SwapEvent } from "../journal.ts";
import { judgeProbation, type ProbationPolicy } from "../probation.ts";
import { type Refusal, refuse } from "../refusal.ts";
import type { SwapPorts } from "../swap-ports.ts";
import type { Version } from "../version.ts";
import type { ReleaseSource } from "./release-source.ts";
import type { ReleaseStore, StagedRelease } from "./release-store.ts";

export type SwapPolicy = {
  readonly probation: ProbationPolicy;
  /** How often the health of a release on probation is looked at. */
  readonly watchEveryMs: number;
  /** Releases kept besides current and previous. */
  readonly keptReleases: number;
};

export type SwapRunParts = {
  readonly store: ReleaseStore;
  readonly ports: SwapPorts;
  readonly clock: Clock;
  readonly random: Random;
  readonly policy: SwapPolicy;
  readonly logger: Logger;
};

export type SwapOrder = {
  /** A person or a part of drover, for the history. */
  readonly askedBy: string;
  readonly mayBeOlder: boolean;
  /** Does not wait for the back-off of a version that failed. */
  readonly again: boolean;
};

/** What the watchdog does first after it looked at the releases. */
export type Recovery = {
  /** What `current` leads to; null when nothing can run: safe mode. */
  readonly version: Version | null;
  readonly binary: string | null;
  /** Whether {@link SwapRun.resume} must start it, because a swap goes on or back. */
  readonly resume: boolean;
};

export class SwapRun {
  readonly #parts: SwapRunParts;
  #journal: Journal | null = null;
  #isBusy = false;
  #checks: ReleaseCheck[] = [];
  #changesState = false;
  /** The copy under `.staging-…` of the swap under way; null for one that came out of the journal. */
  #staged: StagedRelease | null = null;

  constructor(parts: SwapRunParts) {
    this.#parts = parts;
  }

  /** The swap under way, for people who ask; null when there is none. */
  get underWay(): Journal | null {
    return this.#journal;
  }

  /** From the first look at a release on; longer than {@link underWay}. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Takes a release through all steps. A refusal changed nothing; any other end is in the row. */
  update(source: ReleaseSource, order: SwapOrder): Promise<Result<HistoryRow, Refusal>> {
    return this.#alone(async () => {
      const { store, clock } = this.#parts;
      const [id, startedAtMs] = [this.#newId(), clock.nowMs()];
      const staged = await store.stage(source, { ...order, id });
      if (!staged.ok) {
        const { version, checks, refusal } = staged.error;
        const from = store.folder.linked("current");
        const base = {
          id,
          kind: "update",
          version,
          from,
          askedBy: order.askedBy,
          startedAtMs,
          steps: [],
          checks,
        } as const;
        const row: HistoryRow = { ...base, endedAtMs: clock.nowMs(), result: "refused", reason: refusal.message };
        const written = store.addRow(row);
        if (!written.ok)
          this.#parts.logger.warn("a refused release could not be recorded", { reason: written.error.message });
        return err(refusal);
      }
      const { version, manifest } = staged.value;
      this.#staged = staged.value;
      this.#checks = [...staged.value.checks];
      return this.#begin({
        id,
        kind: "update",
        version,
        askedBy: order.askedBy,
        minimumVersion: manifest.minimumVersion,
      });
    });
  }

  /** Goes back to the previous release, or to another installed one, through the same steps. */
  rollback(to: Version | null, askedBy: string): Promise<Result<HistoryRow, Refusal>> {
    return this.#alone(async () => {
      const { folder } = this.#parts.store;
      const version = to ?? folder.linked("previous");
      if (version === null) return err(refuse("not_installed", "there is no previous release"));
      if (version === folder.linked("current")) return err(refuse("replay", `release ${version} runs already`));
      const installed = await this.#parts.store.checkInstalled(version);
      if (!installed.ok) return installed;
      return this.#begin({ id: this.#newId(), kind: "rollback", version, askedBy, minimumVersion: null });
    });
  }

  /**
   * At a start of the watchdog, before anything is started: brings links and journal into order.
   * With `resume` in the answer, {@link resume} starts the release; otherwise the caller does.
   */
  recover(): Result<Recovery, Refusal> {
    const { store, policy, clock, logger } = this.#parts;
    const prepared = store.prepare();
    if (!prepared.ok) return prepared;
    const planned = store.planRecovery(policy.probation.maxBoots);
    if (!planned.ok) return planned;
    const { current, previous, then, journal } = planned.value;
    // A disk that is full or read-only must not keep a release from being started: what cannot be written now is
    // found again by the next start, and starts are not counted meanwhile.
    const warn = (what: string, result: Result<unknown, Refusal>): void => {
      if (!result.ok) logger.warn(what, { reason: describeFailure(result.error) });
    };
    if (journal !== null) warn("the journal of the swap could not be written", store.writeJournal(journal));
    warn("the links of the releases could not be moved", store.setLinks(current, previous));
    const binary = current === null ? null : store.folder.binaryOf(current);
    if (then === "close" && journal !== null) warn("the swap could not be ended", this.#close(journal, clock.nowMs()));
    else this.#journal = journal;
    return ok({ version: current, binary, resume: this.#journal !== null });
  }

  /** Takes a swap that {@link recover} found to its end. */
  resume(): Promise<Result<HistoryRow, Refusal>> {
    return this.#alone(async () => {
      const journal = this.#journal;
      if (journal === null) return err(refuse("not_installed", "no swap was under way"));
      return this.#drive(journal);
    });
  }

  async #alone(act: () => Promise<Result<HistoryRow, Refusal>>): Promise<Result<HistoryRow, Refusal>> {
    if (this.#isBusy) return err(refuse("in_progress", "another update is under way"));
    this.#isBusy = true;
    try {
      return await act();
    } finally {
      this.#isBusy = false;
      this.#staged = null;
      this.#checks = [];
      this.#changesState = false;
    }
  }

  async #begin(order: Omit<NewSwap, "from" | "previousBefore">): Promise<Result<HistoryRow, Refusal>> {
    const { store, clock } = this.#parts;
    const links = { from: store.folder.linked("current"), previousBefore: store.folder.linked("previous") };
    const journal = beginSwap({ ...order, ...links }, clock.nowMs());
    const written = store.writeJournal(journal);
    if (written.ok) return this.#drive(journal);
    if (this.#staged !== null) store.folder.dropStaging(this.#staged.folder);
    return written;
  }

  async #drive(start: Journal): Promise<Result<HistoryRow, Refusal>> {
    let journal = start;
    for (;;) {
      this.#journal = journal;
      const event = await this.#perform(journal);
      if (event === "ended") {
        const closed = this.#close(journal, this.#parts.clock.nowMs());
        this.#journal = null;
        return closed;
      }
      journal = await this.#record(journal, event);
    }
  }

  /** Makes the next step durable. Where that cannot be done, the swap takes the way that is safe without it. */
  async #record(journal: Journal, event: SwapEvent): Promise<Journal> {
    const { store, clock, policy, logger } = this.#parts;
    const next = advanceSwap(journal, event, clock.nowMs());
    const written = store.writeJournal(next);
    if (written.ok) return next;
    const reason = describeFailure(written.error);
    logger.error("the journal of the swap could not be written", { step: next.step, reason });
    // A healthy release is not taken away because the disk is full: it stays on probation until it can be recorded.
    if (next.step === "committed") {
      await sleep(clock, policy.watchEveryMs);
      return journal;
    }
    // What goes back needs no journal: whatever older step a next start finds, it goes back from there too.
    if (dueEffect(next.step) === "goBack" || dueEffect(next.step) === "close") return next;
    return advanceSwap(journal, { kind: "failed", reason }, clock.nowMs());
  }

  async #perform(journal: Journal): Promise<SwapEvent | "ended"> {
    const { store, ports } = this.#parts;
    const binary = store.folder.binaryOf(journal.version);
    switch (dueEffect(journal.step)) {
      case "verify":
        return outcome(this.#staged === null ? ok(undefined) : store.admit(this.#staged), { kind: "verified" });
      case "selftest":
        return this.#selftest(binary);
      case "announce":
        ports.announce(true, journal.version);
        return { kind: "announced" };
      case "drain":
        return this.#drain();
      case "switch":
        return outcome(store.switchTo(journal.version, journal.from), { kind: "switched" });
      case "start":
        return outcome(await ports.start(binary), { kind: "ready" });
      case "watch":
        return this.#watch(journal);
      case "goBack":
        return this.#goBack(journal);
      case "close":
        return "ended";
    }
  }

  async #selftest(binary: string): Promise<SwapEvent> {
    const report = await this.#parts.ports.selftest(binary);
    if (!report.ok) return { kind: "failed", reason: `its selftest failed: ${describeFailure(report.error)}` };
    this.#checks.push(...report.value.checks);
    this.#changesState = report.value.changesState;
    const bad = report.value.checks.find((check) => !check.ok);
    if (bad !== undefined) return { kind: "failed", reason: `its selftest failed: ${bad.name}: ${bad.detail}` };
    return { kind: "selftested" };
  }

  async #drain(): Promise<SwapEvent> {
    const { ports } = this.#parts;
    const drained = await ports.drain();
    if (!drained.ok)
      return { kind: "failed", reason: `the old release could not be ended: ${describeFailure(drained.error)}` };
    if (!this.#changesState) return { kind: "drained", stateCopy: null };
    const copy = await ports.copyState();
    if (copy.ok) return { kind: "drained", stateCopy: copy.value };
    return { kind: "failed", reason: `the databases could not be copied: ${describeFailure(copy.error)}` };
  }

  async #watch(journal: Journal): Promise<SwapEvent> {
    const { ports, clock, policy } = this.#parts;
    const sinceMs = clock.monotonicMs();
    for (;;) {
      const seen = ports.health();
      // Starts by earlier watchdogs count too; the one that this watchdog made is in both.
      const health = { ...seen, boots: seen.boots + Math.max(0, journal.boots - 1) };
      const verdict = judgeProbation(health, clock.monotonicMs() - sinceMs, policy.probation);
      if (verdict.kind === "rollBack") return { kind: "failed", reason: `on probation: ${verdict.reason}` };
      if (verdict.kind === "commit") return { kind: "healthy" };
      await sleep(clock, policy.watchEveryMs);
    }
  }

  async #goBack(journal: Journal): Promise<SwapEvent> {
    const { store, ports, policy } = this.#parts;
    const remarks: string[] = [];
    const note = (what: string, result: Result<unknown>): boolean => {
      if (!result.ok) remarks.push(`${what}: ${describeFailure(result.error)}`);
      return result.ok;
    };
    const planned = store.planRecovery(policy.probation.maxBoots, journal);
    const current = planned.ok ? planned.value.current : journal.from;
    const previous = planned.ok ? planned.value.previous : journal.previousBefore;
    note("the links could not be moved back", store.setLinks(current, previous));
    note("the new release could not be ended", await ports.drain());
    if (journal.stateCopy !== null) {
      const restored = await ports.restoreState(journal.stateCopy);
      if (restored.ok) remarks.push(restored.value.remark);
      else note("the copy of the databases could not be put back", restored);
    }
    if (current === null) remarks.push("there is no release to return to");
    else note(`release ${current} could not be started again`, await ports.start(store.folder.binaryOf(current)));
    return { kind: "returned", remark: remarks.length === 0 ? null : remarks.join("; ") };
  }

  #close(journal: Journal, atMs: number): Result<HistoryRow, Refusal> {
    const { store, ports, policy, logger } = this.#parts;
    ports.announce(false, journal.version);
    const row = rowOfJournal(journal, this.#checks, atMs);
    const closed = store.close(row, journal.step === "committed" ? journal.minimumVersion : null);
    if (!closed.ok) return closed; // The journal stays, and the next start ends the swap.
    if (journal.stateCopy !== null && journal.step === "committed") ports.dropState(journal.stateCopy);
    const pruned = store.prune(policy.keptReleases);
    if (!pruned.ok) logger.warn("old releases could not be removed", { reason: describeFailure(pruned.error) });
    return ok(row);
  }

  #newId(): string {
    const { clock, random } = this.#parts;
    return `${clock.nowMs().toString(36)}-${Buffer.from(random.bytes(6)).toString("hex")}`;
  }
}

function outcome(result: Result<unknown>, event: SwapEvent): SwapEvent {
  return result.ok ? event : { kind: "failed", reason: describeFailure(result.error) };
}
