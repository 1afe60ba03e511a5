/** What voters say to each other, as it travels, and what happens to an election. Unknown fields of newer nodes are passed over. */
import { z } from "zod";
import type { NodeId } from "#base";
import type { Position } from "./position.ts";
import { FAILOVER_MODES, type Voters, type VotersName } from "./voters.ts";

/** Why a node was not given what it asked for. */
export const ELECTION_REFUSALS = [
  /** Nobody is elected here: the mode is manual, or there are too few voters. */
  "manual",
  /** The hub was heard within its lease, or is this very node. */
  "hub_heard",
  /** A vote was given to another node. */
  "voted",
  "old_epoch",
  "old_voters",
  /** The voter's copy is newer. */
  "behind",
  /** The one that asks is not the hub that is known here. */
  "not_hub",
  /** The hub of another epoch has the lease still. */
  "lent",
] as const;

export type VoteRequest = {
  readonly kind: "pre_vote" | "vote";
  readonly epoch: number;
  readonly position: Position;
  readonly voters: VotersName;
};
export type LeaseRequest = { readonly kind: "lease"; readonly epoch: number; readonly url: string };
export type ElectionRequest = VoteRequest | LeaseRequest;

export type ElectionAnswer = {
  readonly granted: boolean;
  readonly why: (typeof ELECTION_REFUSALS)[number] | null;
  /** Of the hub that this node knows. */
  readonly epoch: number;
  /** The highest one in which it voted. */
  readonly voted: number;
  /** For how long it lends what it lends. */
  readonly leaseMs: number;
  /** The epoch of its copy of the database. */
  readonly shown: number;
  /** The voters that it will not forget; null before it knows any. Whoever knows older ones goes by these. */
  readonly voters: Voters | null;
};

export type ElectionEvent =
  | { readonly kind: "tick" }
  | { readonly kind: "asked"; readonly from: NodeId; readonly request: ElectionRequest }
  | {
      readonly kind: "answered";
      readonly from: NodeId;
      readonly request: ElectionRequest;
      /** When it was asked: monotonic, and by the wall clock. */
      readonly sentAtMs: number;
      readonly sentWallMs: number;
      readonly answer: ElectionAnswer;
    };

/** To be performed in their order, after a note that has changed is on disk. */
export type ElectionEffect =
  | { readonly kind: "ask"; readonly nodes: readonly NodeId[]; readonly request: ElectionRequest }
  | { readonly kind: "answer"; readonly answer: ElectionAnswer }
  | { readonly kind: "promote"; readonly epoch: number; readonly votes: number }
  /** A hub of a higher epoch than the known one is said to be there. */
  | { readonly kind: "look" };

const count = z.int().min(0);
const name = z.object({ epoch: count, version: count });
const MAX_URL_CHARS = 2_048;
/** As many as a fleet may have nodes. */
const MAX_VOTERS = 1_000;

export const electionRequestSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.enum(["pre_vote", "vote"]),
    epoch: count,
    position: z.object({ epoch: count, seq: count }),
    voters: name,
  }),
  z.object({ kind: z.literal("lease"), epoch: count, url: z.string().max(MAX_URL_CHARS) }),
]);

export const electionAnswerSchema = z.object({
  granted: z.boolean(),
  // One of a newer node that this version does not know is a refusal all the same.
  why: z.enum(ELECTION_REFUSALS).nullable().catch("voted"),
  epoch: count,
  voted: count,
  leaseMs: count,
  shown: count,
  voters: z
    .object({
      ...name.shape,
      mode: z.enum(FAILOVER_MODES),
      leaseMs: count,
      // `as`: only compared with ids that are known.
      nodes: z.array(z.custom<NodeId>((given) => typeof given === "string")).max(MAX_VOTERS),
      isHandover: z.boolean(),
    })
    .nullable(),
});
