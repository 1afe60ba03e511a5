/**
 * The mind of a node, alive: it is told facts each second, what it decides is made durable, and then carried out.
 *
 * MS1: entries are durable before their effects begin (FSM6); what could not be kept was not decided, and is decided anew.
 * MS2: time never goes back: it is the wall clock's at the start, or the last entry's if that is later, and from there on
 *      the monotonic clock's.
 * MS3: between a crash and the next start no effect is begun twice: what was to be done about a fault is seen by the facts.
 * MS4: the journal is bounded: a snapshot takes the place of what lies before it.
 */
import type { Activities, Healing, MindJournal } from "#activities";
import { type Clock, describeFailure, err, type Failure, type Logger, ok, type Result, type Timer } from "#base";
import {
  alertKeyOf,
  BY_ITSELF,
  type Effect,
  type Entry,
  effectsAtStart,
  type Facts,
  type FsmRules,
  HOLD_KEY,
  isWell,
  type Mind,
  type MindEvent,
  newMind,
  QUIET,
  replay,
  step,
} from "#fsm";
import type { Alerts, Audit, AuditEntry } from "#telemetry";

const TICK_MS = 1_000;
/** A tick that comes so late was kept by something else than load: nobody could act meanwhile. */
const GAP_MS = 10_000;
/** That it lives is noted so often, so that a start knows how long nobody did: an entry may be hours old. */
const LIVED_EVERY_MS = 30_000;
/** Entries after which a snapshot is kept; a start reads no more than these. */
const SETTLE_AFTER = 1_000;
/** Entries before it that stay for people: some weeks of a busy node, two megabytes. */
const KEPT_ENTRIES = 10_000;
/** How long a stop waits for the tick under way. */
const STOP_LIMIT_MS = 2_000;

/** Raised with a pause, and over with it. */
const JOURNAL_KEY = "mind-journal";

/** Everything that a person or another part tells the mind. */
export type ToldEvent = Exclude<MindEvent, { readonly kind: "tick" | "stoodStill" }>;

/** Around what makes a decision durable; a crash test's hook ends the process there. */
export const MIND_STEPS = ["mind:decided", "mind:persisted", "mind:performed"] as const;
type MindStep = (typeof MIND_STEPS)[number];

export type MindServiceParts = {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: MindJournal;
  readonly rules: FsmRules;
  /** Never throws; may take a moment. Whether the present activity is done, and for how long all is well, are added here. */
  readonly facts: (nowMs: number) => Promise<Facts>;
  readonly activities: Activities;
  readonly healing: Pick<Healing, "treat" | "settled">;
  readonly alerts: Alerts;
  readonly audit: Audit;
  /** Told of each entry once it is durable. */
  readonly told: (entry: Entry) => void;
  readonly crashPoint: (step: MindStep) => void;
  /** For tests: it stands still from its first tick on. */
  readonly isStalled?: boolean;
};

export class MindService {
  readonly #parts: MindServiceParts;
  #mind: Mind;
  #facts: Facts = QUIET;
  #baseMs = 0;
  #baseMonotonicMs = 0;
  #timer: Timer | undefined;
  #ticking: Promise<void> | undefined;
  #tickedAtMs: number | undefined;
  /** On the monotonic clock; undefined while something is wrong, and after a gap. */
  #wellSinceMs: number | undefined;
  #livedAtMs = Number.NEGATIVE_INFINITY;
  #settledSeq = 0;
  #unkept: string | undefined;
  #isStarted = false;
  #isStopped = false;

  constructor(parts: MindServiceParts) {
    this.#parts = parts;
    this.#mind = newMind(parts.clock.nowMs());
  }

  get mind(): Mind {
    return this.#mind;
  }

  /** As it was told at the last tick. */
  get facts(): Facts {
    return this.#facts;
  }

  get rules(): FsmRules {
    return this.#parts.rules;
  }

  /** When it last came round, on the monotonic clock: the watchdog restarts a node whose mind stands still. */
  get turns(): Readonly<Record<string, number | undefined>> {
    return { mind: this.#isStopped ? undefined : this.#tickedAtMs };
  }

  /** The time of the mind (MS2). */
  nowMs(): number {
    return Math.round(this.#baseMs + this.#parts.clock.monotonicMs() - this.#baseMonotonicMs);
  }

  /**
   * Reads what there is and goes on from it. A journal that cannot be read is set aside, and the mind rests until a person
   * resumes it; one of a newer release is left alone, and is the failure.
   */
  start(): Result<void> {
    if (this.#isStarted) return ok(undefined);
    const { journal, clock, logger } = this.#parts;
    const read = journal.read();
    if (!read.ok && read.error.code !== "corrupt") return read;
    if (!read.ok) {
      logger.error("the journal of the mind was set aside", { failure: describeFailure(read.error) });
      const aside = journal.setAside();
      if (!aside.ok) return aside;
    }
    const kept = read.ok ? read.value : null;
    const mind = kept === null ? newMind(clock.nowMs()) : replay(kept.snapshot, kept.entries);
    this.#baseMs = Math.max(clock.nowMs(), mind.atMs);
    this.#baseMonotonicMs = clock.monotonicMs();
    this.#mind = mind;
    this.#settledSeq = kept?.snapshot.seq ?? 0;
    if (kept === null) {
      const settled = journal.settle(mind, KEPT_ENTRIES);
      if (!settled.ok) return settled;
    }
    const lived = journal.livedAtMs();
    if (!lived.ok) return lived;
    this.#isStarted = true;
    const missedMs = this.nowMs() - Math.max(mind.atMs, lived.value ?? mind.atMs);
    if (missedMs > TICK_MS) this.#step({ kind: "stoodStill", missedMs });
    if (!read.ok) this.#pauseUnread(read.error);
    this.#perform(effectsAtStart(this.#mind));
    this.#tickedAtMs = clock.monotonicMs();
    this.#later();
    return ok(undefined);
  }

  /** Comes back soon, also when it was never started and when it is called twice. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    const late = Promise.withResolvers<void>();
    const timer = this.#parts.clock.after(STOP_LIMIT_MS, () => late.resolve());
    await Promise.race([this.settled(), late.promise]);
    timer.cancel();
  }

  /** Resolves when the tick and the treatments under way have come to their end. */
  async settled(): Promise<void> {
    await this.#ticking;
    await this.#parts.healing.settled();
  }

  /** @returns the mind afterwards; a refusal, or why it could not be kept: then nothing has changed. */
  tell(event: ToldEvent): Result<Mind> {
    return this.#step(event);
  }

  async #tick(): Promise<void> {
    const { clock, logger, facts } = this.#parts;
    const nowMonotonicMs = clock.monotonicMs();
    const gapMs = nowMonotonicMs - (this.#tickedAtMs ?? nowMonotonicMs);
    try {
      if (gapMs > GAP_MS) {
        this.#wellSinceMs = undefined;
        this.#step({ kind: "stoodStill", missedMs: Math.round(gapMs) });
      }
      const found = await facts(this.nowMs());
      if (this.#isStopped) return;
      const { state } = this.#mind;
      const isActivityDone = state !== "resting" && this.#parts.activities[state].isDone;
      const wellForMs = this.#wellForMs(found);
      this.#facts = { ...found, isActivityDone, wellForMs };
      this.#step({ kind: "tick" });
      this.#settleAlerts();
      this.#noteLife();
      this.#settle();
    } catch (cause) {
      logger.error("a tick of the mind failed by a bug", { cause: String(cause) });
    }
    this.#tickedAtMs = clock.monotonicMs();
  }

  #wellForMs(facts: Facts): number {
    const nowMs = this.#parts.clock.monotonicMs();
    const wellNow = isWell(this.#mind, { facts, rules: this.rules, nowMs: this.nowMs() });
    this.#wellSinceMs = wellNow ? (this.#wellSinceMs ?? nowMs) : undefined;
    return Math.round(nowMs - (this.#wellSinceMs ?? nowMs));
  }

  #later(): void {
    if (this.#isStopped) return;
    this.#timer = this.#parts.clock.after(TICK_MS, () => {
      if (this.#parts.isStalled === true) return;
      this.#ticking = this.#tick().finally(() => {
        this.#ticking = undefined;
        this.#later();
      });
    });
  }

  /** MS1. */
  #step(event: MindEvent): Result<Mind> {
    const { journal, rules, crashPoint } = this.#parts;
    const next = step(this.#mind, event, this.#facts, rules, this.nowMs());
    if (next.refusal !== null) return err(next.refusal);
    if (next.entries.length === 0) return ok(this.#mind);
    crashPoint("mind:decided");
    const kept = journal.append(next.entries);
    if (!kept.ok) return this.#notKept(kept.error);
    crashPoint("mind:persisted");
    this.#unkept = undefined;
    this.#mind = next.mind;
    for (const entry of next.entries) this.#tellOf(entry);
    this.#perform(next.effects);
    crashPoint("mind:performed");
    return ok(this.#mind);
  }

  #notKept(failure: Failure): Result<never> {
    // Once for each reason: it is tried again each second.
    if (this.#unkept !== failure.message) {
      this.#parts.logger.error("what the mind decided could not be kept", { failure: describeFailure(failure) });
    }
    this.#unkept = failure.message;
    return err(failure);
  }

  #tellOf(entry: Entry): void {
    const { told, audit, logger } = this.#parts;
    try {
      audit.append(auditOf(entry));
      told(entry);
    } catch (cause) {
      logger.error("what the mind decided could not be told by a bug", { cause: String(cause) });
    }
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      try {
        this.#performOne(effect);
      } catch (cause) {
        this.#parts.logger.error("an effect of the mind failed by a bug", { kind: effect.kind, cause: String(cause) });
      }
    }
  }

  #performOne(effect: Effect): void {
    const { activities, healing, alerts } = this.#parts;
    switch (effect.kind) {
      case "begin":
        activities[effect.state].begin(effect.deadlineMs);
        break;
      case "end":
        activities[effect.state].end();
        break;
      case "treat":
        healing.treat(effect);
        break;
      case "alert": {
        const { key, severity, message } = effect;
        alerts.raise({ key, severity, title: "The mind ended a state", message, source: "mind" });
        break;
      }
      case "askPerson": {
        const { key, message } = effect;
        alerts.raise({ key, severity: "critical", title: "The mind is on hold", message, source: "mind" });
        break;
      }
      case "settled":
        alerts.resolve(effect.key);
        break;
    }
  }

  #pauseUnread(failure: Failure): void {
    const reason = `its journal could not be read and was set aside: ${failure.message}`;
    this.#step({ kind: "pause", by: BY_ITSELF, reason, forMs: null });
    const remedy = "Look at what runs, then resume it: drover fsm resume";
    const alert = { key: JOURNAL_KEY, severity: "critical", title: "The mind lost its journal" } as const;
    this.#parts.alerts.raise({ ...alert, message: `${reason}. ${remedy}`, source: "mind" });
  }

  /** What healing gave up on may go away by itself, or by a person: then no episode comes that could say so. */
  #settleAlerts(): void {
    if (this.#mind.state !== "healing" && this.#facts.faults.length === 0)
      this.#parts.alerts.resolve(alertKeyOf("healing"));
    // Each second, because a crash may lie between the journal and what follows from it.
    if (this.#mind.hold === null) this.#parts.alerts.resolve(HOLD_KEY);
    if (this.#mind.pause === null) this.#parts.alerts.resolve(JOURNAL_KEY);
  }

  #noteLife(): void {
    const nowMs = this.nowMs();
    // Time at rest is held against nothing.
    if (this.#mind.state === "resting" || nowMs - this.#livedAtMs < LIVED_EVERY_MS) return;
    if (this.#parts.journal.lived(nowMs).ok) this.#livedAtMs = nowMs;
  }

  #settle(): void {
    if (this.#mind.seq - this.#settledSeq < SETTLE_AFTER) return;
    if (this.#parts.journal.settle(this.#mind, KEPT_ENTRIES).ok) this.#settledSeq = this.#mind.seq;
  }
}

/** @returns what the audit keeps of an entry. */
function auditOf(entry: Entry): AuditEntry {
  const { kind, seq, atMs, by, ...rest } = entry;
  const subject = entry.kind === "treated" ? entry.target : "mind";
  return { actor: by, action: `mind.${kind}`, subject, reason: auditReason(entry), detail: { seq, atMs, ...rest } };
}

function auditReason(entry: Entry): string {
  switch (entry.kind) {
    case "changed":
    case "paused":
      return entry.reason;
    case "treated":
      return entry.fault;
    case "judged":
      return `treatment ${entry.treatment}: ${entry.verdict}`;
    case "resumed":
      return entry.by === BY_ITSELF ? "the time of the pause was over" : "by request";
    case "released":
      return entry.isRetry ? "to try once more by itself" : "by request";
    case "holdOver":
      return "what the hold was for is gone";
    case "stoodStill":
      return `nothing was decided for ${Math.round(entry.missedMs / 1_000)} s; it is held against no state`;
  }
}
