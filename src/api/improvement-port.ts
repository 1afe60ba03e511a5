/** What could be better, and what is proposed, as the API sees it: that of this node, or of its hub. */
import type { FindingState, KnownFinding, Proposal, ProposalState, ScanRecord, TryState } from "#activities";
import type { Result } from "#base";

export type FindingView = KnownFinding & {
  readonly score: number;
  /** How the score came about. */
  readonly why: string;
  /** Why it is not worked on now; null when it is next, or is being worked on. */
  readonly left: string | null;
  readonly tries: readonly {
    readonly n: number;
    readonly state: TryState;
    readonly goal: string | null;
    readonly why: string;
    readonly chosenAtMs: number;
    readonly endedAtMs: number | null;
  }[];
};

export type ImprovementsView = {
  /** When all repositories were last looked through. */
  readonly lookedAtMs: number | null;
  /** Whether a look is under way. */
  readonly isLooking: boolean;
  readonly scans: readonly ScanRecord[];
  /** The most worthwhile first. */
  readonly findings: readonly FindingView[];
};

export type FindingQuery = {
  readonly states: readonly FindingState[];
  readonly repository?: string;
  readonly limit: number;
};

export interface ImprovementPort {
  list(query: FindingQuery): Promise<Result<ImprovementsView>>;
  show(fingerprint: string): Promise<Result<FindingView>>;
  dismiss(fingerprint: string, reason: string): Promise<Result<FindingView>>;
  /** Lets a dismissed one count again, and forgets that it failed. */
  reopen(fingerprint: string): Promise<Result<FindingView>>;
  /** Begins a look at all repositories. @returns whether one was under way already */
  look(): Promise<Result<{ readonly existed: boolean }>>;
}

export interface ProposalPort {
  list(states: readonly ProposalState[], limit: number): Promise<Result<readonly Proposal[]>>;
  show(id: string): Promise<Result<Proposal>>;
  /** Approves it: it becomes a goal. The same decision again changes nothing. */
  approve(id: string, by: string, reason: string | null): Promise<Result<Proposal>>;
  reject(id: string, by: string, reason: string): Promise<Result<Proposal>>;
}
