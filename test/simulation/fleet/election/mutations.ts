import type { Mutation } from "../mutations.ts";

const ELECTION = "fleet/election.ts";
const DUTY = "fleet/election-duty.ts";
const VOTERS = "fleet/voters.ts";
const of = "election";

export const ELECTION_MUTATIONS: readonly Mutation[] = [
  {
    name: "a vote is not on disk when it is answered",
    of,
    file: DUTY,
    find: "const kept = this.#parts.ports.store.write(state.note);",
    replace: "const kept: Result<void> = ok(undefined);",
    without: ["serving"],
    caughtBy: ["one hub", "one at once"],
    isRare: true,
  },
  {
    name: "a voter gives two votes in a round",
    of,
    file: ELECTION,
    find: `  if (state.won !== undefined || (nowMs < state.boundUntilMs && note.voted?.node !== from)) return "voted";
  if (epoch <= facts.epoch) return "old_epoch";
  const votedRound = note.voted === null ? -1 : roundOf(note.voted.epoch);
  if (roundOf(epoch) < votedRound || (roundOf(epoch) === votedRound && note.voted?.node !== from)) return "voted";`,
    replace: `  if (epoch <= facts.epoch) return "old_epoch";`,
    without: ["serving"],
    caughtBy: ["one hub"],
  },
  {
    name: "a vote goes to an older copy",
    of,
    file: ELECTION,
    find: `return isBehind ? "behind" : undefined;`,
    replace: "return isBehind ? undefined : undefined;",
    without: ["serving"],
    caughtBy: ["newest"],
  },
  {
    name: "a hub goes on without its lease",
    of,
    file: ELECTION,
    find: "return lenders.length >= majority(voters);",
    replace: "return lenders.length >= 0;",
    without: ["serving"],
    caughtBy: ["one at once"],
  },
  {
    name: "a lease counts from its answer",
    of,
    file: ELECTION,
    find: "state: isMine ? borrowed(state, event) : state",
    replace: "state: isMine ? borrowed(state, { ...event, sentAtMs: facts.nowMs, sentWallMs: facts.wallMs }) : state",
    without: ["serving"],
    caughtBy: ["one at once"],
  },
  {
    name: "a lease is used for twice the time that it is lent for",
    of,
    file: ELECTION,
    find: "export const SAFE_SHARE = 0.8;",
    replace: "export const SAFE_SHARE = 2;",
    without: ["serving"],
    caughtBy: ["one at once"],
  },
  {
    name: "a candidate asks in earnest at once",
    of,
    file: ELECTION,
    find: `const next: Campaign = { kind: "pre_vote", epoch, sinceMs: nowMs, voters, votes: new Set([self]) };
  return {
    state: { ...state, campaign: next,`,
    replace: `const next: Campaign = { kind: "vote", epoch, sinceMs: nowMs, voters, votes: new Set([self]) };
  return {
    state: { ...state, note: { ...state.note, voted: { epoch, node: self } }, campaign: next,`,
    caughtBy: ["undisturbed", "serving"],
  },
  {
    name: "half of the voters are a majority",
    of,
    file: VOTERS,
    find: "return Math.floor(nodes.length / 2) + 1;",
    replace: "return Math.ceil(nodes.length / 2);",
    without: ["serving"],
    caughtBy: ["one hub", "one at once"],
  },
  {
    name: "a voter votes while its hub has its lease",
    of,
    file: ELECTION,
    find: `if (nowMs < state.lentUntilMs) return "hub_heard";`,
    replace: `if (nowMs < 0) return "hub_heard";`,
    without: ["serving"],
    caughtBy: ["one at once", "undisturbed"],
  },
  {
    name: "a start forgets the lease that was lent before",
    of,
    file: ELECTION,
    find: "const lentUntilMs = nowMs + note.longestMs;",
    replace: "const lentUntilMs = nowMs;",
    without: ["serving"],
    caughtBy: ["one at once"],
  },
  {
    name: "a lease is lent to two hubs at a time",
    of,
    file: ELECTION,
    find: `if (note.lentTo !== epoch && nowMs < state.lentUntilMs) return answer(state, "lent", facts);`,
    replace: "",
    without: ["serving"],
    caughtBy: ["one at once"],
    isRare: true,
  },
  {
    name: "the voters change before a majority knows the present ones",
    of,
    file: VOTERS,
    find: "if (bindsHub(present) && !isKnown) return undefined;",
    replace: "",
    without: ["serving"],
    caughtBy: ["one hub", "one at once"],
  },
  {
    name: "a hub whose voters cannot elect any more is free at once",
    of,
    file: VOTERS,
    find: "return voters?.isHandover === true || canElect(voters);",
    replace: "return canElect(voters);",
    without: ["serving"],
    caughtBy: ["one at once"],
  },
  {
    name: "a candidate knows only the voters of its own copy",
    of,
    file: ELECTION,
    find: "const isNews = compareVoters(given.note.voters, said.voters) < 0;",
    replace: "const isNews = false;",
    caughtBy: ["serving"],
  },
];
