import type { Assignment, AttemptRef } from "./attempt.ts";

/** What is asked of the pool. The workspace is as the task says, unless the node has decided it. */
export type LaunchRequest = AttemptRef &
  Pick<Assignment, "spec" | "sandbox" | "model"> &
  Partial<Pick<Assignment, "workspace">>;
