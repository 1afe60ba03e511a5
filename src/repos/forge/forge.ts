/** Where pull requests of a repository are, whichever program runs it. */
import type { Result } from "#base";

export type PullRequest = {
  readonly number: number;
  readonly url: string;
  readonly head: string;
  readonly base: string;
  /** The commit that it would merge. */
  readonly commit: string;
  readonly isOpen: boolean;
  /** The commit by which it was merged; null while it is not. */
  readonly mergedBy: string | null;
};

export type PullRequestWish = {
  /** Names of branches of the repository itself. */
  readonly head: string;
  readonly base: string;
  readonly title: string;
  readonly body: string;
};

/** What the forge's own checks say of a commit. */
export type CommitStatus = "passing" | "failing" | "pending" | "none";

export type Issue = {
  readonly number: number;
  readonly title: string;
  readonly body: string;
  readonly url: string;
  readonly labels: readonly string[];
  readonly author: string;
};

/**
 * Every call may be made again: what is there is found before anything is made. Faults of the server and limits of rate
 * are tried again within the call, as the server asks; what is left then is `retryable`.
 */
export interface Forge {
  readonly kind: "github" | "gitea" | "forgejo";
  /** The open one of these two branches; one that is there is brought up to date in its text. */
  ensurePullRequest(wish: PullRequestWish): Promise<Result<PullRequest>>;
  pullRequest(number: number): Promise<Result<PullRequest>>;
  /** Says something once: `key` tells repetitions. */
  comment(number: number, key: string, text: string): Promise<Result<void>>;
  status(commit: string): Promise<Result<CommitStatus>>;
  /** Merges it if its head is still `commit`. @returns the commit that its base has then */
  merge(number: number, commit: string, title: string): Promise<Result<string>>;
  issues(limit: number): Promise<Result<readonly Issue[]>>;
}

/** Hidden in a text by which it is found again. */
export function markOf(key: string): string {
  return `<!-- drover:${key.replaceAll(/[^A-Za-z0-9._/-]/g, "_").slice(0, 200)} -->`;
}

/** Of one call, several runs or contexts. */
export function joinStatus(all: readonly CommitStatus[]): CommitStatus {
  if (all.includes("failing")) return "failing";
  if (all.includes("pending")) return "pending";
  return all.includes("passing") ? "passing" : "none";
}
