/** Performs what election.ts decides: notes first, then speaks. One for each process that is in a fleet. */
import {
  type Clock,
  describeFailure,
  err,
  type Failure,
  type Logger,
  type NodeId,
  ok,
  type Random,
  type Result,
  retryable,
  type Timer,
} from "#base";
import {
  beginElection,
  type ElectionFacts,
  type ElectionNote,
  type ElectionState,
  holdsLease,
  knownVoters,
  step,
} from "./election.ts";
import type { ElectionPorts, Standpoint } from "./election-ports.ts";
import type { ElectionAnswer, ElectionEffect, ElectionEvent, ElectionRequest } from "./election-words.ts";
import {
  adoptedVoters,
  bindsHub,
  canElect,
  compareVoters,
  eligibleVoters,
  nextVoters,
  ownVoters,
  type Voters,
} from "./voters.ts";

export type ElectionDutyParts = {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly ports: ElectionPorts;
};

/** Looked at so often in a lease, within bounds: a silence is noticed a tenth of a lease late at the most. */
const TICKS_PER_LEASE = 10;
const MIN_TICK_MS = 20;
const MAX_TICK_MS = 1_000;
/** An answer is of use for so much of a lease. */
const ANSWER_SHARE = 0.4;
/** Others say that there is another hub: they are asked who it is no more often than this. */
const LOOK_MS = 1_000;

/** What is shown of it. */
export type ElectionView = {
  readonly voters: Voters | null;
  /** Whether a hub may be elected without a person. */
  readonly isAutomatic: boolean;
  /** On a hub that is bound to a lease: whether it has one. Null elsewhere. */
  readonly holdsLease: boolean | null;
  /** The latest vote of this node. */
  readonly voted: { readonly epoch: number; readonly node: NodeId } | null;
};

export class ElectionDuty {
  readonly #parts: ElectionDutyParts;
  #state: ElectionState;
  #standpoint: Standpoint;
  /** Being published: it may hold already (M2). */
  #pending: Voters | undefined;
  #isPublishing = false;
  /** The hub's own set is being written by a person's word: until then it binds nobody. */
  #isAlone = false;
  #isSeeking = false;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #isStopped = false;

  private constructor(parts: ElectionDutyParts, note: ElectionNote) {
    this.#parts = parts;
    this.#standpoint = parts.ports.standpoint();
    this.#state = beginElection(note, { ...this.#moment(), chance: parts.random.next() });
  }

  /** Fails when what this node has promised cannot be read: it must not take part then. */
  static begin(parts: ElectionDutyParts): Result<ElectionDuty> {
    const note = parts.ports.store.read();
    return note.ok ? ok(new ElectionDuty(parts, note.value)) : note;
  }

  start(): void {
    this.#tickLater(0);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Why this hub must not acknowledge anything now; undefined when it may. Asked at each write, so it asks nobody. */
  obstacle(): Failure | undefined {
    if (!this.#standpoint.isHub || this.#isAlone) return undefined;
    if (this.#state.heardHub > this.#standpoint.epoch) return superseded();
    const moment = this.#moment();
    const isFree = [this.#voters(), this.#pending].every(
      (one) => !bindsHub(one) || holdsLease(this.#state, one, moment),
    );
    if (isFree) return undefined;
    return retryable(
      "unavailable",
      "this hub is not in touch with a majority of the fleet's voters, which may have another hub by now",
      "Wait for the connection to come back, or ask the other nodes: drover node list. When the others are gone for good: drover promote --yes --force here",
    );
  }

  view(): ElectionView {
    const { isHub } = this.#standpoint;
    const voters = this.#voters();
    return {
      voters: voters ?? null,
      isAutomatic: canElect(voters),
      holdsLease: isHub && bindsHub(voters) ? holdsLease(this.#state, voters, this.#moment()) : null,
      voted: this.#state.note.voted,
    };
  }

  /** Another node asks for a vote or a lease. Answered once what follows from it is on disk. */
  hear(from: NodeId, request: ElectionRequest): Result<ElectionAnswer> {
    this.#look();
    const { ports } = this.#parts;
    if (request.kind === "lease" && request.epoch > this.#standpoint.epoch) {
      ports.follow(from, request);
      this.#look();
    }
    const effects = this.#take({ kind: "asked", from, request });
    if (!effects.ok) return effects;
    const said = effects.value.find((effect) => effect.kind === "answer");
    if (said === undefined) return err(retryable("internal", "the request has no answer"));
    if (request.kind === "lease" && said.answer.granted) this.#isSeeking = false;
    return ok(said.answer);
  }

  /** A person has decided that the other voters have no say any more. */
  async decideAlone(): Promise<Result<Voters>> {
    if (this.#isPublishing)
      return err(retryable("unavailable", "the voters are being changed", "Try again in a second"));
    this.#look();
    const { epoch, wish } = this.#standpoint;
    const own = ownVoters({ hub: this.#parts.self, epoch, wish }, (this.#voters()?.version ?? 0) + 1);
    this.#isPublishing = true;
    this.#isAlone = true;
    const published = await this.#parts.ports.publish(own, this.#standpoint.voters);
    this.#isAlone = false;
    this.#isPublishing = false;
    this.#look();
    return published.ok ? ok(own) : published;
  }

  #voters(): Voters | undefined {
    return knownVoters(this.#state, this.#standpoint);
  }

  #moment(): Pick<ElectionFacts, "nowMs" | "wallMs" | "self"> {
    const { clock, self } = this.#parts;
    return { nowMs: clock.monotonicMs(), wallMs: clock.nowMs(), self };
  }

  #look(): void {
    this.#standpoint = this.#parts.ports.standpoint();
    const { voters } = this.#standpoint;
    const isThere = voters !== undefined && this.#pending !== undefined && voters.version >= this.#pending.version;
    if (isThere || !this.#isPublishing) this.#pending = undefined;
  }

  #facts(): ElectionFacts {
    const { isHub, epoch, hub, position, voters, url } = this.#standpoint;
    const asked = isHub ? this.#asked() : [];
    return { ...this.#moment(), isHub, epoch, hub, position, voters, url, asked, chance: this.#parts.random.next() };
  }

  /** Voters, and those that may become such. */
  #asked(): readonly NodeId[] {
    const { wish, nodes } = this.#standpoint;
    const voters = this.#voters();
    if (!bindsHub(voters) && wish.mode === "manual") return [];
    const { self } = this.#parts;
    const all = new Set([...(voters?.nodes ?? []), ...eligibleVoters(nodes, self)]);
    return [...all].filter((node) => node !== self);
  }

  #tick(): void {
    this.#look();
    const effects = this.#take({ kind: "tick" });
    if (!effects.ok) this.#parts.logger.error("the election stands still", { why: describeFailure(effects.error) });
    if (this.#standpoint.isHub) void this.#keepVoters();
  }

  #tickLater(delayMs: number): void {
    this.#timer = this.#parts.clock.after(delayMs, () => {
      this.#tick();
      if (!this.#isStopped) this.#tickLater(this.#everyMs());
    });
  }

  #everyMs(): number {
    const leaseMs = this.#voters()?.leaseMs ?? this.#standpoint.wish.leaseMs;
    return Math.min(MAX_TICK_MS, Math.max(MIN_TICK_MS, leaseMs / TICKS_PER_LEASE));
  }

  /** Decides, notes what must not be forgotten, then acts. When it cannot be noted, it did not happen. */
  #take(event: ElectionEvent): Result<readonly ElectionEffect[]> {
    const { state, effects } = step(this.#state, event, this.#facts());
    if (state.note !== this.#state.note) {
      const kept = this.#parts.ports.store.write(state.note);
      if (!kept.ok) return kept;
    }
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    return ok(effects);
  }

  #perform(effect: ElectionEffect): void {
    const { ports, logger, clock } = this.#parts;
    switch (effect.kind) {
      case "answer":
        return;
      case "ask":
        if (effect.request.kind !== "lease") this.#seek(effect.request.epoch);
        for (const node of effect.nodes) void this.#ask(node, effect.request);
        return;
      case "promote": {
        logger.warn("this node was elected as the hub", { epoch: effect.epoch, votes: effect.votes });
        const begun = ports.promote(effect.epoch);
        if (begun.ok) return;
        logger.error("the election was won, and could not be noted", { why: describeFailure(begun.error) });
        this.#state = { ...this.#state, won: undefined };
        return;
      }
      case "look": {
        const nowMs = clock.monotonicMs();
        if (nowMs - this.#lookedAtMs < LOOK_MS) return;
        this.#lookedAtMs = nowMs;
        ports.lookForHub();
      }
    }
  }

  #seek(epoch: number): void {
    if (this.#isSeeking) return;
    this.#isSeeking = true;
    this.#parts.logger.warn("the hub was silent for its lease; this node stands for election", { epoch });
    this.#parts.ports.sought(epoch);
  }

  async #ask(node: NodeId, request: ElectionRequest): Promise<void> {
    const { ports, clock, logger } = this.#parts;
    const [sentAtMs, sentWallMs] = [clock.monotonicMs(), clock.nowMs()];
    const leaseMs = this.#voters()?.leaseMs ?? this.#standpoint.wish.leaseMs;
    const answer = await ports.ask(node, request, leaseMs * ANSWER_SHARE);
    if (!answer.ok || this.#isStopped) return;
    this.#look();
    const event = { kind: "answered", from: node, request, sentAtMs, sentWallMs, answer: answer.value } as const;
    const taken = this.#take(event);
    if (!taken.ok) logger.error("an answer could not be used", { why: describeFailure(taken.error) });
  }

  /** On a hub: one change of the voters after the other, as far as it is safe. */
  async #keepVoters(): Promise<void> {
    if (this.#isPublishing) return;
    const { epoch, isByHand, voters } = this.#standpoint;
    const known = this.#voters();
    if (isByHand && known !== undefined && known.epoch < epoch) {
      await this.decideAlone();
      return;
    }
    if (this.obstacle() !== undefined) return;
    const isHeard = known !== undefined && compareVoters(voters ?? null, known) < 0;
    const next = isHeard ? adoptedVoters(known, voters, epoch) : this.#nextVoters(known);
    if (next === undefined) return;
    this.#isPublishing = true;
    this.#pending = next;
    const published = await this.#parts.ports.publish(next, voters);
    this.#isPublishing = false;
    this.#look();
    const { mode, version, nodes } = next;
    const { logger } = this.#parts;
    if (published.ok) logger.info("the voters of the fleet have changed", { mode, version, voters: nodes.length });
    else logger.warn("the voters could not be published", { why: describeFailure(published.error) });
  }

  #nextVoters(present: Voters | undefined): Voters | undefined {
    const { epoch, wish, nodes } = this.#standpoint;
    const { self } = this.#parts;
    return nextVoters(present, {
      hub: self,
      epoch,
      wish,
      eligible: eligibleVoters(nodes, self),
      hasDatabase: (node) => this.#state.loans.get(node)?.shown === epoch,
      hasPresent: (node) => this.#hasShown(node, epoch, present),
    });
  }

  #hasShown(node: NodeId, epoch: number, voters: Voters | undefined): boolean {
    const { note, loans } = this.#state;
    const said = node === this.#parts.self ? note : loans.get(node);
    return said?.shown === epoch && compareVoters(said.voters, voters ?? null) === 0;
  }
}

function superseded(): Failure {
  return retryable(
    "unavailable",
    "the fleet has another hub by now, and this node becomes its member",
    "Ask that one: drover node list says which it is",
  );
}
