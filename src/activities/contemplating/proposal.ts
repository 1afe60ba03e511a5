/** What could be better about the fleet, or about what it makes, put so that a person can decide. */
import { z } from "zod";
import type { Result } from "#base";

export const PROPOSAL_STATES = ["open", "approved", "rejected"] as const;
export type ProposalState = (typeof PROPOSAL_STATES)[number];
export const PROPOSAL_SOURCES = ["measured", "model"] as const;
export type ProposalSource = (typeof PROPOSAL_SOURCES)[number];

export const PROPOSAL_KINDS = ["bottleneck", "reliability", "coverage", "cost", "feature"] as const;

const line = (max: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}]*$/u, "must be one line");
const prose = (max: number) => z.string().trim().min(1).max(max);

/** Evidence is a list of observations, each with its figure: what has none is an opinion. */
export const MAX_EVIDENCE = 12;

/** The stated schema: what a proposer gives, and what a model's answer has to be. */
export const proposalBodySchema = z.strictObject({
  kind: z.enum(PROPOSAL_KINDS),
  title: line(160),
  /** What is wrong or missing, and whom it costs what. */
  problem: prose(2_000),
  evidence: z.array(line(400)).min(1).max(MAX_EVIDENCE),
  /** What is to be done. */
  suggestion: prose(2_000),
  effort: z.enum(["small", "medium", "large"]),
  risk: z.enum(["low", "medium", "high"]),
  /** Why the risk is what it is, and how it is taken back. */
  riskWhy: line(400),
  /** What has to be there first: other proposals by title, hardware, a decision. */
  dependencies: z.array(line(200)).max(10),
  /** The registered repository in which it is to be done; null where it is a matter of configuration or hardware. */
  repository: line(63).nullable(),
});
export type ProposalBody = z.output<typeof proposalBodySchema>;

/** What somebody proposes, before it is compared with what was proposed before. */
export type ProposalDraft = {
  readonly body: ProposalBody;
  readonly source: ProposalSource;
  /** The same for the same matter: of the rule and its target, never of figures, which move. */
  readonly fingerprint: string;
};

export type Proposal = ProposalDraft & {
  readonly id: string;
  readonly state: ProposalState;
  readonly createdAtMs: number;
  /** When it was proposed last, and how often. */
  readonly seenAtMs: number;
  readonly seen: number;
  readonly decidedAtMs: number | null;
  readonly decidedBy: string | null;
  readonly reason: string | null;
  /** The goal that it became. */
  readonly goal: string | null;
};

export type Decision = {
  readonly state: "approved" | "rejected";
  readonly by: string;
  readonly reason: string | null;
  readonly atMs: number;
};

/** Durable home of proposals. */
export interface ProposalStore {
  /** The newest first. */
  list(states: readonly ProposalState[], limit: number): Result<readonly Proposal[]>;
  /** By its id or the beginning of one. */
  find(id: string): Result<Proposal>;
  /** Adds it, or notes that one with its fingerprint was proposed again, with its latest figures while it is open. */
  propose(draft: ProposalDraft, id: string, atMs: number): Promise<Result<Proposal>>;
  /** Notes that one was proposed again in other words. */
  seenAgain(id: string, atMs: number): Promise<Result<void>>;
  /** Refused when it was decided otherwise. The same decision again changes nothing. */
  decide(id: string, decision: Decision): Promise<Result<Proposal>>;
  putGoal(id: string, goal: string): Promise<Result<void>>;
}
