/** Finds out everything about a branch that is to be delivered. Publishes nothing and moves nothing. */
import { err, ok, type Result, refused } from "#base";
import { decide, type Policy } from "../../autonomy/decision.ts";
import { riskOf } from "../../autonomy/risk.ts";
import { headOf } from "../../io/branch-head.ts";
import { changesOf, scanChanges } from "../../io/changes.ts";
import { type Author, commitTree, mergeTrees } from "../../io/commits.ts";
import type { RepositoryPlace } from "../../io/repository-place.ts";
import { type Registered, workOf } from "../../registry/repository.ts";
import type { RepositoryStore } from "../../registry/repository-store.ts";
import {
  type Assessment,
  type CheckReport,
  type CheckRunner,
  type DeliveryOrder,
  hasChecks,
  testsPassed,
} from "../delivery.ts";

/** Deliveries that say how well those before went. */
const HISTORY = 20;

export type AssessParts = {
  readonly store: Pick<RepositoryStore, "deliveries">;
  readonly checks: CheckRunner;
  readonly author: Author;
  /** What the scan looks for besides what it knows. */
  readonly watched: readonly string[];
  /** What holds for a repository that says nothing else. */
  readonly policy: Policy;
  /** The share of a model's tasks that passed; null when too few are known. */
  readonly passRate: (model: string) => number | null;
  /** Whether somebody outside asked for what is on a branch of drover's; so counts, too, what is not known any more. */
  readonly isFromOutside: (workId: string) => Promise<Result<boolean>>;
  readonly nowMs: () => number;
};

export async function assess(
  parts: AssessParts,
  repository: Registered,
  place: RepositoryPlace,
  main: string,
  order: Pick<DeliveryOrder, "branch" | "title" | "models" | "approved">,
): Promise<Result<Assessment>> {
  const { gitDir } = place;
  const found = await headOf(place, order.branch);
  if (!found.ok) return found;
  const head = found.value;
  if (head === undefined) {
    return err(
      refused("not_found", `${repository.name} has no branch ${order.branch}`, "No task has changed anything"),
    );
  }
  const [changes, judged, merge] = await Promise.all([
    changesOf(gitDir, main, head),
    scanChanges(gitDir, main, head, parts.watched),
    mergeCommit(parts, gitDir, main, head, order.title),
  ]);
  if (!changes.ok) return changes;
  if (!judged.ok) return judged;
  if (!merge.ok) return merge;
  const history = parts.store.deliveries(repository.name, HISTORY);
  if (!history.ok) return history;
  const risk = riskOf({
    changes: changes.value,
    models: order.models.map((name) => ({ name, passRate: parts.passRate(name) })),
    history: {
      deliveries: history.value.length,
      reverted: history.value.filter(({ reverted }) => reverted !== null).length,
    },
  });
  const policy = policyOf(repository, parts.policy);
  const workId = workOf(order.branch);
  const outside = workId === undefined ? ok(false) : await parts.isFromOutside(workId);
  if (!outside.ok) return outside;
  const facts = {
    risk,
    changes: changes.value,
    blocking: judged.value.findings.filter(({ severity }) => severity === "block").length,
    conflicts: merge.value.conflicts,
    isFromOutside: outside.value,
  };
  // The commands are run only when nothing else stands in the way of a merge.
  const wouldMerge = decide({ ...facts, testsPassed: true }, policy).tier === "merge" || order.approved === "merge";
  const ran =
    wouldMerge && merge.value.commit !== null
      ? await run(parts.checks, repository, gitDir, merge.value.commit)
      : ok(null);
  if (!ran.ok) return ran;
  return ok({
    main,
    head,
    changes: changes.value,
    findings: judged.value.findings,
    allowed: judged.value.allowed,
    conflicts: merge.value.conflicts,
    risk,
    checks: ran.value,
    decision: decide({ ...facts, testsPassed: testsPassed(ran.value) }, policy),
    merge: merge.value.commit,
  });
}

async function run(
  checks: CheckRunner,
  repository: Registered,
  gitDir: string,
  commit: string,
): Promise<Result<CheckReport | null>> {
  return hasChecks(repository) ? checks.run(repository, gitDir, commit) : ok(null);
}

async function mergeCommit(
  { author, nowMs }: AssessParts,
  gitDir: string,
  main: string,
  head: string,
  title: string,
): Promise<Result<{ readonly commit: string | null; readonly conflicts: readonly string[] }>> {
  const merged = await mergeTrees(gitDir, main, head);
  if (!merged.ok) return merged;
  if (merged.value.kind === "conflict") return ok({ commit: null, conflicts: merged.value.files });
  const { tree } = merged.value;
  const message = `Merge: ${title.replaceAll(/\s+/g, " ").slice(0, 200)}`;
  const commit = await commitTree(gitDir, { tree, parents: [main, head], message, author, atMs: nowMs() });
  return commit.ok ? ok({ commit: commit.value, conflicts: [] }) : commit;
}

/** What the repository says goes before what holds for all. */
export function policyOf({ autonomy }: Registered, policy: Policy): Policy {
  return {
    atMost: autonomy.atMost ?? policy.atMost,
    mergeBelow: autonomy.mergeBelow ?? policy.mergeBelow,
    askFrom: autonomy.askFrom ?? policy.askFrom,
    outside: autonomy.outside ?? policy.outside,
  };
}
