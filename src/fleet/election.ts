/**
 * How the voters of a fleet agree on a hub without a person. Pure: time, chance and what a node knows come in as facts.
 *
 * - E1: a node gives one vote in a round of epochs (epoch.ts). It is on disk before anybody hears of it.
 * - E2: a vote goes only to a node whose copy is at least as new as the voter's, and that knows voters at least as new.
 * - E3: whoever lent the hub its lease gives no vote before that is over by its own clock. A process that has just started
 *   waits for the longest lease that the one before it may have lent.
 * - E4: a lease is lent to the hub of one epoch; one of another epoch waits until it is over.
 * - E5: a hub acknowledges only while a majority lends it theirs, each counted from when it was asked for, and used for
 *   {@link SAFE_SHARE}. So it has stopped before E3 lets any majority vote: clocks may run apart by a tenth each
 *   (0.8 × 1.1 < 1 × 0.9).
 * - E6: a candidate first asks without consequence. Only what a majority would vote for raises the epoch, so a node that was
 *   cut off and comes back disturbs nobody.
 * - E7: an election takes an epoch above all that the candidate has heard of, of a hub or of a vote.
 * - E8: whoever gave its vote to another node lends nothing to a hub of an older epoch, and votes for nobody else, until that
 *   node has had time to take its place.
 *
 * From E1 and M1, M2 (voters.ts): a round elects one hub at the most. From E3 to E5: at any instant one hub acknowledges.
 */
import type { NodeId } from "#base";
import type { ElectionAnswer, ElectionEffect, ElectionEvent, ElectionRequest, VoteRequest } from "./election-words.ts";
import { nextEpoch, roundOf } from "./epoch.ts";
import { hasReached, type Position } from "./position.ts";
import { canElect, compareVoters, majority, newerVoters, type Voters, type VotersName } from "./voters.ts";

/** The rest is for clocks that run apart. */
export const SAFE_SHARE = 0.8;
/** A voter is asked for its lease so often in one, so that some may be lost. */
export const LOANS_PER_LEASE = 5;
/** Silence differs by up to so much of a lease between candidates, so that one of them is first. */
const STAND_SPREAD = 0.5;
/** Answers to a candidate count within so much of a lease. */
const CAMPAIGN_SHARE = 0.5;
/** What a node that was elected gets to start as the hub, in leases and at least. */
const TAKEOVER_LEASES = 4;
const MIN_TAKEOVER_MS = 15_000;
/** Elections that brought no hub make candidates slower, up to this power of two: a large database takes its time. */
const MAX_DOUBLINGS = 6;

/** What a node never forgets of elections. */
export type ElectionNote = {
  /** The highest epoch for which it gave its vote, and to whom. */
  readonly voted: { readonly epoch: number; readonly node: NodeId } | null;
  /** The epoch of the hub that was lent a lease last. */
  readonly lentTo: number;
  /** The longest lease that was ever lent. */
  readonly longestMs: number;
  /** The highest epoch of which it has shown a hub that it has the database. */
  readonly shown: number;
  /** The newest voters that it has shown a hub. */
  readonly voters: Voters | null;
};

export const EMPTY_NOTE: ElectionNote = { voted: null, lentTo: 0, longestMs: 0, shown: 0, voters: null };

/** What a hub was lent by one voter. */
type Loan = {
  readonly untilMs: number;
  /** By the wall clock, which goes on while the machine sleeps; it only ever shortens a loan. */
  readonly untilWallMs: number;
  readonly shown: number;
  readonly voters: VotersName | null;
};

type Campaign = {
  readonly kind: VoteRequest["kind"];
  readonly epoch: number;
  readonly sinceMs: number;
  readonly voters: Voters;
  readonly votes: ReadonlySet<NodeId>;
};

export type ElectionState = {
  readonly note: ElectionNote;
  /** E3. */
  readonly lentUntilMs: number;
  /** E8. */
  readonly boundUntilMs: number;
  readonly standAtMs: number;
  /** Elections in a row that brought no hub. */
  readonly failures: number;
  readonly campaign: Campaign | undefined;
  /** Elected: this process becomes the hub with its next start. */
  readonly won: number | undefined;
  readonly heardEpoch: number;
  /** The highest epoch of a hub that others knew. */
  readonly heardHub: number;
  readonly loans: ReadonlyMap<NodeId, Loan>;
  readonly askedAtMs: number;
};

/** What a node knows from elsewhere at the moment of an event. */
export type ElectionFacts = {
  /** Monotonic. */
  readonly nowMs: number;
  readonly wallMs: number;
  readonly self: NodeId;
  /** Whether this node writes for the fleet, under {@link epoch}. */
  readonly isHub: boolean;
  /** Of the hub that is known here. */
  readonly epoch: number;
  readonly hub: NodeId | null;
  /** Of this node's copy, or on the hub of the database. */
  readonly position: Position;
  /** As the database has them. */
  readonly voters: Voters | undefined;
  /** On a hub: who is asked for a lease; voters, and those that may become such. Empty where nobody is to be asked. */
  readonly asked: readonly NodeId[];
  /** Where the others reach this node; null for one that cannot be the hub. */
  readonly url: string | null;
  /** Uniform in [0, 1). */
  readonly chance: number;
};

export type Step = { readonly state: ElectionState; readonly effects: readonly ElectionEffect[] };

/** As a process begins: it does not know what the one before it had lent, nor whether whom it voted for has won. */
export function beginElection(
  note: ElectionNote,
  { nowMs, self, chance }: Pick<ElectionFacts, "nowMs" | "self" | "chance">,
): ElectionState {
  const lentUntilMs = nowMs + note.longestMs;
  const isBound = note.voted !== null && note.voted.node !== self;
  // A hub that comes back may find another one; it gets as long to hear of that as if it had heard of it just now.
  const patienceMs = Math.max(note.longestMs, note.voters?.leaseMs ?? 0);
  return {
    note,
    lentUntilMs,
    boundUntilMs: isBound ? nowMs + takeoverMs(note.longestMs, 0) : nowMs,
    standAtMs: nowMs + patienceMs * (1 + chance * STAND_SPREAD),
    failures: 0,
    campaign: undefined,
    won: undefined,
    heardEpoch: 0,
    heardHub: 0,
    loans: new Map(),
    askedAtMs: Number.NEGATIVE_INFINITY,
  };
}

/** Whether a hub may acknowledge (E5). */
export function holdsLease(
  state: ElectionState,
  voters: Voters,
  facts: Pick<ElectionFacts, "nowMs" | "wallMs" | "self">,
): boolean {
  const { nowMs, wallMs, self } = facts;
  const lenders = voters.nodes.filter((node) => {
    if (node === self) return nowMs >= state.boundUntilMs;
    const loan = state.loans.get(node);
    return loan !== undefined && nowMs < loan.untilMs && wallMs < loan.untilWallMs;
  });
  return lenders.length >= majority(voters);
}

export function step(given: ElectionState, event: ElectionEvent, facts: ElectionFacts): Step {
  // What the copy shows is kept, so that it can be told to others and is not forgotten with the copy.
  const voters = knownVoters(given, facts) ?? null;
  const isNews = compareVoters(given.note.voters, voters) < 0;
  const state = isNews ? { ...given, note: { ...given.note, voters } } : given;
  switch (event.kind) {
    case "tick":
      return facts.isHub ? askForLease(state, facts) : stand(state, facts);
    case "asked":
      return event.request.kind === "lease"
        ? lend(state, event.from, event.request.epoch, facts)
        : vote(state, event.from, event.request, facts);
    case "answered":
      return answered(state, event, facts);
  }
}

function askForLease(given: ElectionState, facts: ElectionFacts): Step {
  const { nowMs, asked, epoch, url } = facts;
  const everyMs = leaseOf(given, facts) / LOANS_PER_LEASE;
  // A hub counts among those that have its database (M2); when it is none any more, that may be gone.
  const isShown = given.note.voters === null || given.note.shown >= epoch;
  const state = isShown ? given : { ...given, note: { ...given.note, shown: epoch } };
  if (asked.length === 0 || nowMs - state.askedAtMs < everyMs) return { state, effects: [] };
  const request: ElectionRequest = { kind: "lease", epoch, url: url ?? "" };
  return { state: { ...state, askedAtMs: nowMs }, effects: [{ kind: "ask", nodes: asked, request }] };
}

/** A voter whose hub was silent for long enough asks the others whether they would vote for it. */
function stand(given: ElectionState, facts: ElectionFacts): Step {
  const { nowMs, self, chance } = facts;
  const voters = knownVoters(given, facts);
  const { campaign } = given;
  const mayStand = canElect(voters) && voters.nodes.includes(self) && facts.url !== null;
  if (!mayStand || given.won !== undefined) return { state: { ...given, campaign: undefined }, effects: [] };
  const isOver = campaign !== undefined && nowMs - campaign.sinceMs >= CAMPAIGN_SHARE * voters.leaseMs;
  const state = isOver ? lost(given, voters, facts) : given;
  if (state.campaign !== undefined || nowMs < Math.max(state.standAtMs, state.lentUntilMs, state.boundUntilMs)) {
    return { state, effects: [] };
  }
  const epoch = nextEpoch(Math.max(facts.epoch, state.heardEpoch, state.note.voted?.epoch ?? 0), self);
  const next: Campaign = { kind: "pre_vote", epoch, sinceMs: nowMs, voters, votes: new Set([self]) };
  return {
    state: { ...state, campaign: next, standAtMs: nowMs + voters.leaseMs * (CAMPAIGN_SHARE + chance * STAND_SPREAD) },
    effects: [canvass(next, facts)],
  };
}

function lost(state: ElectionState, voters: Voters, { nowMs, chance }: ElectionFacts): ElectionState {
  return { ...state, campaign: undefined, standAtMs: nowMs + chance * STAND_SPREAD * voters.leaseMs };
}

function canvass({ kind, epoch, voters }: Campaign, { self, position }: ElectionFacts): ElectionEffect {
  const name = { epoch: voters.epoch, version: voters.version };
  const nodes = voters.nodes.filter((node) => node !== self);
  return { kind: "ask", nodes, request: { kind, epoch, position, voters: name } };
}

function vote(state: ElectionState, from: NodeId, request: VoteRequest, facts: ElectionFacts): Step {
  const why = objection(state, from, request, facts);
  if (why !== undefined) return answer(state, why, facts);
  if (request.kind === "pre_vote") return answer(state, null, facts);
  const leaseMs = leaseOf(state, facts);
  const failures = state.failures + 1;
  const untilMs = facts.nowMs + takeoverMs(leaseMs, failures - 1);
  const note: ElectionNote = { ...state.note, voted: { epoch: request.epoch, node: from } };
  const standAtMs = untilMs + facts.chance * STAND_SPREAD * leaseMs;
  return answer({ ...state, note, failures, campaign: undefined, boundUntilMs: untilMs, standAtMs }, null, facts);
}

/** @returns what speaks against a vote (E1, E2, E3, E8). */
function objection(
  state: ElectionState,
  from: NodeId,
  { epoch, position, voters }: VoteRequest,
  facts: ElectionFacts,
): ElectionAnswer["why"] | undefined {
  const { nowMs } = facts;
  const { note } = state;
  const present = knownVoters(state, facts);
  if (!canElect(present)) return "manual";
  if (facts.isHub && holdsLease(state, present, facts)) return "hub_heard";
  if (nowMs < state.lentUntilMs) return "hub_heard";
  if (state.won !== undefined || (nowMs < state.boundUntilMs && note.voted?.node !== from)) return "voted";
  if (epoch <= facts.epoch) return "old_epoch";
  const votedRound = note.voted === null ? -1 : roundOf(note.voted.epoch);
  if (roundOf(epoch) < votedRound || (roundOf(epoch) === votedRound && note.voted?.node !== from)) return "voted";
  if (compareVoters(voters, present) < 0) return "old_voters";
  const isBehind = position.epoch < note.shown || !hasReached(position, facts.position);
  return isBehind ? "behind" : undefined;
}

/** A hub asks for this node's lease (E4, E8). */
function lend(state: ElectionState, from: NodeId, epoch: number, facts: ElectionFacts): Step {
  const { nowMs, chance } = facts;
  const { note } = state;
  if (epoch < facts.epoch) return answer(state, "old_epoch", facts);
  if (facts.isHub || facts.hub !== from || epoch > facts.epoch) return answer(state, "not_hub", facts);
  const votedFor = note.voted !== null && note.voted.epoch > epoch ? note.voted.node : undefined;
  const isCampaign = state.campaign?.kind === "vote" && state.campaign.epoch > epoch;
  const isWaiting = votedFor !== undefined && votedFor !== facts.self && nowMs < state.boundUntilMs;
  if (isCampaign || isWaiting || (state.won ?? 0) > epoch) return answer(state, "voted", facts);
  if (note.lentTo !== epoch && nowMs < state.lentUntilMs) return answer(state, "lent", facts);
  const leaseMs = leaseOf(state, facts);
  const kept: ElectionNote = {
    ...note,
    lentTo: epoch,
    longestMs: Math.max(note.longestMs, leaseMs),
    shown: Math.max(note.shown, facts.position.epoch),
  };
  // What was promised for longer, before the lease was made shorter, is kept.
  const lentUntilMs = Math.max(state.lentUntilMs, nowMs + leaseMs);
  const standAtMs = lentUntilMs + chance * STAND_SPREAD * leaseMs;
  const calm = { failures: 0, campaign: undefined, boundUntilMs: nowMs };
  return answer({ ...state, ...calm, note: isSameNote(kept, note) ? note : kept, lentUntilMs, standAtMs }, null, facts);
}

function answer(state: ElectionState, why: ElectionAnswer["why"], facts: ElectionFacts): Step {
  const said: ElectionAnswer = {
    granted: why === null,
    why,
    epoch: facts.epoch,
    voted: state.note.voted?.epoch ?? 0,
    leaseMs: leaseOf(state, facts),
    shown: facts.position.epoch,
    voters: state.note.voters,
  };
  return { state, effects: [{ kind: "answer", answer: said }] };
}

type Answered = Extract<ElectionEvent, { kind: "answered" }>;

function answered(given: ElectionState, event: Answered, facts: ElectionFacts): Step {
  const { answer: said } = event;
  const heardEpoch = Math.max(given.heardEpoch, said.epoch, said.voted);
  // A set counts from when it is known, however that came about: a voter that it leaves out may be the only one that has it.
  const isNews = compareVoters(given.note.voters, said.voters) < 0;
  const heardHub = Math.max(given.heardHub, said.epoch, said.voters?.epoch ?? 0);
  const state = { ...given, heardEpoch, heardHub, note: isNews ? { ...given.note, voters: said.voters } : given.note };
  const effects: ElectionEffect[] = said.epoch > facts.epoch ? [{ kind: "look" }] : [];
  if (event.request.kind === "lease") {
    const isMine = facts.isHub && event.request.epoch === facts.epoch && said.granted;
    return { state: isMine ? borrowed(state, event) : state, effects };
  }
  const { campaign } = state;
  const isCounted = said.granted && campaign?.kind === event.request.kind && campaign.epoch === event.request.epoch;
  if (!isCounted || facts.nowMs - campaign.sinceMs >= CAMPAIGN_SHARE * campaign.voters.leaseMs)
    return { state, effects };
  const votes = new Set([...campaign.votes, event.from]);
  const counted = { ...campaign, votes };
  const inFavour = campaign.voters.nodes.filter((node) => votes.has(node)).length;
  if (inFavour < majority(campaign.voters)) return { state: { ...state, campaign: counted }, effects };
  return campaign.kind === "pre_vote" ? ask(state, campaign, facts) : win(state, campaign);
}

function borrowed(state: ElectionState, { from, sentAtMs, sentWallMs, answer: said }: Answered): ElectionState {
  const forMs = SAFE_SHARE * said.leaseMs;
  const loan = { untilMs: sentAtMs + forMs, untilWallMs: sentWallMs + forMs, shown: said.shown, voters: said.voters };
  return { ...state, loans: new Map([...state.loans, [from, loan]]) };
}

/** A majority would vote for this node: it votes for itself, and asks in earnest (E6). */
function ask(state: ElectionState, { epoch, voters }: Campaign, facts: ElectionFacts): Step {
  const { self, nowMs } = facts;
  const isFresh = state.note.voted === null || roundOf(epoch) > roundOf(state.note.voted.epoch);
  const isFree = isFresh && epoch > facts.epoch && nowMs >= state.lentUntilMs;
  if (!isFree) return { state: { ...state, campaign: undefined }, effects: [] };
  const campaign: Campaign = { kind: "vote", epoch, sinceMs: nowMs, voters, votes: new Set([self]) };
  const note: ElectionNote = { ...state.note, voted: { epoch, node: self } };
  return { state: { ...state, note, campaign }, effects: [canvass(campaign, facts)] };
}

function win(state: ElectionState, { epoch, votes }: Campaign): Step {
  const effect: ElectionEffect = { kind: "promote", epoch, votes: votes.size + 1 };
  return { state: { ...state, campaign: undefined, won: epoch }, effects: [effect] };
}

/** The newest of those in the database and those that were heard of. */
export function knownVoters({ note }: ElectionState, { voters }: Pick<ElectionFacts, "voters">): Voters | undefined {
  return newerVoters(note.voters ?? undefined, voters);
}

function leaseOf(state: ElectionState, facts: ElectionFacts): number {
  return knownVoters(state, facts)?.leaseMs ?? 0;
}

function takeoverMs(leaseMs: number, failures: number): number {
  return Math.max(MIN_TAKEOVER_MS, TAKEOVER_LEASES * leaseMs) * 2 ** Math.min(failures, MAX_DOUBLINGS);
}

function isSameNote(a: ElectionNote, b: ElectionNote): boolean {
  return a.lentTo === b.lentTo && a.longestMs === b.longestMs && a.shown === b.shown;
}
