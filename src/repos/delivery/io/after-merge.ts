/** A7: what is red after a merge is taken back by a commit of its own, and the history says so. */
import { type Clock, ok, type Result } from "#base";
import type { Forge } from "../../forge/forge.ts";
import type { Author } from "../../io/commits.ts";
import type { RepositoryPlace, RepositoryPlaces } from "../../io/repository-place.ts";
import type { Registered } from "../../registry/repository.ts";
import type { DeliveryRecord, RepositoryStore } from "../../registry/repository-store.ts";
import { type CheckReport, type CheckRunner, hasChecks } from "../delivery.ts";
import { noteCheckedMain } from "./checked-mains.ts";
import { moveMain, push, revertCommit } from "./publish.ts";

export type AfterMergeParts = {
  readonly stateDir: string;
  readonly repository: Registered;
  readonly place: RepositoryPlace;
  readonly forge: Forge | undefined;
  readonly places: RepositoryPlaces;
  readonly store: RepositoryStore;
  readonly checks: CheckRunner;
  readonly author: Author;
  readonly pushTimeoutMs: number;
  readonly clock: Clock;
};

const MAX_DETAIL_CHARS = 4_000;

export type AfterMerge = { readonly isRed: boolean; readonly detail: string };

/** @returns what is to be said beyond that it was merged; undefined when all is well, or nothing was asked for */
export async function checkAfterMerge(
  parts: AfterMergeParts,
  record: DeliveryRecord,
  merge: string,
): Promise<Result<AfterMerge | undefined>> {
  const { repository, place, places, checks } = parts;
  if (!repository.checks.afterMerge || !hasChecks(repository)) return ok(undefined);
  const main = await places.fresh(repository, place);
  // It is merged; what cannot be looked at now is looked at with the next check of the repository.
  if (!main.ok) return ok(undefined);
  const ran = await checks.run(repository, place.gitDir, main.value.commit);
  if (!ran.ok) {
    const detail = `${record.detail}; the checks of ${repository.branch} could not be run: ${ran.error.message}`;
    return ok({ isRed: false, detail });
  }
  const noted = await noteChecks(parts, main.value.commit, ran.value);
  if (!noted.ok) return noted;
  if (ran.value.failing.length === 0) return ok(undefined);
  const back = await takeBack(parts, record, merge, main.value.commit, ran.value);
  return back.ok ? ok({ isRed: true, detail: back.value }) : back;
}

/** What the checks of the main branch came to, for whoever heals it. */
export async function noteChecks(
  { stateDir, store, repository, clock }: Pick<AfterMergeParts, "stateDir" | "store" | "repository" | "clock">,
  commit: string,
  { failing }: CheckReport,
): Promise<Result<void>> {
  const noted = await store.putCondition({
    repository: repository.name,
    kind: "checks",
    subject: repository.branch,
    failing: failing.map(({ name }) => name),
    detail: failing
      .map(({ name, detail }) => `${name}: ${detail}`)
      .join("\n\n")
      .slice(0, MAX_DETAIL_CHARS),
    commit,
    atMs: clock.nowMs(),
  });
  if (noted.ok) noteCheckedMain(stateDir, repository.name, commit);
  return noted;
}

/** @returns in a sentence what was done */
export async function takeBack(
  parts: AfterMergeParts,
  record: DeliveryRecord,
  merge: string,
  tip: string,
  { failing }: CheckReport,
): Promise<Result<string>> {
  const reason = `${failing.map(({ name }) => name).join(", ")} failed after it was merged`;
  const { place, repository, author, clock, store, pushTimeoutMs } = parts;
  const note = async (commit: string | null, said: string): Promise<Result<string>> => {
    const reverted = { atMs: clock.nowMs(), commit, reason };
    const kept = await store.putDelivery({ ...record, detail: said, reverted });
    return kept.ok ? ok(said) : kept;
  };
  const made = await revertCommit(place, merge, tip, author, reason, clock.nowMs());
  if (!made.ok) return note(null, `${reason}; it could not be taken back: ${made.error.message}`);
  const moved = await moveMain(place, repository.branch, tip, made.value, pushTimeoutMs);
  if (moved.ok && moved.value === "moved") {
    const cleared = await noteChecks(parts, made.value, { ran: [], failing: [] });
    if (!cleared.ok) return cleared;
    return note(made.value, `${reason}; taken back by ${made.value}`);
  }
  return propose(parts, record, made.value, reason, note);
}

/** Where the main branch may not be moved from here, its forge is asked to. */
async function propose(
  { place, repository, forge, pushTimeoutMs }: AfterMergeParts,
  record: DeliveryRecord,
  commit: string,
  reason: string,
  note: (commit: string | null, said: string) => Promise<Result<string>>,
): Promise<Result<string>> {
  const branch = `${record.branch}-revert`;
  const pushed = await push(place, commit, branch, pushTimeoutMs);
  if (forge === undefined || !pushed.ok) {
    return note(null, `${reason}; ${repository.branch} could not be moved: revert ${record.detail} by hand`);
  }
  const title = `Revert: ${record.goal}`;
  const pull = await forge.ensurePullRequest({ head: branch, base: repository.branch, title, body: reason });
  if (!pull.ok) return note(null, `${reason}; the revert lies in ${branch}: ${pull.error.message}`);
  const merged = await forge.merge(pull.value.number, commit, title);
  if (merged.ok) return note(merged.value, `${reason}; taken back by ${pull.value.url}`);
  return note(null, `${reason}; merge ${pull.value.url} to take it back`);
}
