/** Steps of the work on repositories after which a kill may come, so that a crash test can end the node exactly there. */
export const REPOSITORY_STEPS = [
  /** What an attempt works on is noted; its worktree is not there yet. */
  "attempt:noted",
  /** Its changes are a commit that no branch shows. */
  "attempt:captured",
  "attempt:landed",
  /** Its commit and its note are gone; its worktree is there. */
  "attempt:forgotten",
  "delivery:assessed",
  "delivery:pushed",
  "delivery:proposed",
  "delivery:patched",
  "delivery:merged",
  "delivery:kept",
] as const;
export type RepositoryStep = (typeof REPOSITORY_STEPS)[number];

/** Called right after each step; a crash test's hook ends the process there, everybody else's does nothing. */
export type AtRepositoryStep = (step: RepositoryStep) => void;

export const noRepositoryStep: AtRepositoryStep = () => undefined;
