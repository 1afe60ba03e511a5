/**
 * What is to be done at a start of the watchdog about a swap that did not end. Pure; `io/recovery.ts` performs it.
 *
 * - V1: after the plan, `current` leads to a release that can run, if there is one on the disk at all.
 * - V2: a plan may itself be cut short anywhere; the next one leads to the same end.
 * - V3: a swap is taken further only from where its release is `current` and has boots left; else it goes back.
 */
import { advanceSwap, type Journal } from "./journal.ts";
import { compareVersions, type Version } from "./version.ts";

export type RecoveryFacts = {
  readonly current: Version | null;
  readonly previous: Version | null;
  /** Versions whose file is there, whole and executable. */
  readonly runnable: readonly Version[];
  readonly floor: Version | null;
  /** Starts that a release on probation has. */
  readonly maxBoots: number;
};

export type RecoveryPlan = {
  /** What `current` must lead to; null when nothing can run: safe mode. */
  readonly current: Version | null;
  /** What `previous` must lead to; null for nothing. */
  readonly previous: Version | null;
  /**
   * - `nothing`: no swap was under way.
   * - `close`: write the row of the history, then forget the journal.
   * - `goBack`: put the links as said, restore the copy of the state if that loses nothing, then close.
   * - `goOn`: start the release and keep it on probation.
   */
  readonly then: "nothing" | "close" | "goBack" | "goOn";
  /** To be made durable before anything else; null when there is none. */
  readonly journal: Journal | null;
};

export function planRecovery(journal: Journal | null, facts: RecoveryFacts, atMs: number): RecoveryPlan {
  if (journal === null) return { ...runnableLinks(facts), then: "nothing", journal };
  switch (journal.step) {
    case "committed":
    case "rolledBack":
    case "abandoned":
      return { ...runnableLinks(facts), then: "close", journal };
    case "staged":
    case "verified":
    case "selftested":
      return { ...runnableLinks(facts), then: "close", journal: interrupted(journal, atMs) };
    case "draining":
      return goBack(interrupted(journal, atMs), facts);
    case "rollingBack":
      return goBack(journal, facts);
    case "switching":
      // Both links are in place only when `current` is, because it is the second to move.
      return facts.current === journal.version
        ? goOn(advanceSwap(journal, { kind: "switched" }, atMs), facts, atMs)
        : goBack(interrupted(journal, atMs), facts);
    case "starting":
    case "probation":
      return goOn(advanceSwap(journal, { kind: "starting" }, atMs), facts, atMs);
  }
}

function interrupted(journal: Journal, atMs: number): Journal {
  return advanceSwap(
    journal,
    { kind: "failed", reason: `the watchdog ended while the swap was ${journal.step}` },
    atMs,
  );
}

function goOn(journal: Journal, facts: RecoveryFacts, atMs: number): RecoveryPlan {
  const { version, boots } = journal;
  if (facts.current !== version || !facts.runnable.includes(version)) {
    return goBack(
      advanceSwap(journal, { kind: "failed", reason: `release ${version} is not there any more` }, atMs),
      facts,
    );
  }
  if (boots > facts.maxBoots) {
    const reason = `it was started ${boots - 1} times without passing its probation, and ${facts.maxBoots} are allowed`;
    return goBack(advanceSwap(journal, { kind: "failed", reason }, atMs), facts);
  }
  return { current: version, previous: facts.previous, then: "goOn", journal };
}

function goBack(journal: Journal, facts: RecoveryFacts): RecoveryPlan {
  const { from, version, previousBefore } = journal;
  const canReturn = from !== null && facts.runnable.includes(from);
  // Without a way back the failed release is still better than none; if it fails again, the watchdog's restarts end
  // in safe mode.
  const current = canReturn ? from : newestRunnable(facts, version);
  return { current, previous: canReturn ? previousBefore : facts.previous, then: "goBack", journal };
}

/** V1. */
function runnableLinks(facts: RecoveryFacts): { readonly current: Version | null; readonly previous: Version | null } {
  const { current, previous, runnable } = facts;
  if (current !== null && runnable.includes(current)) return { current, previous };
  if (previous !== null && runnable.includes(previous)) return { current: previous, previous: null };
  return { current: newestRunnable(facts, null), previous };
}

/** @param last taken only when there is no other. */
function newestRunnable(facts: RecoveryFacts, last: Version | null): Version | null {
  const permitted = facts.runnable.filter((each) => facts.floor === null || compareVersions(each, facts.floor) >= 0);
  const others = permitted.filter((each) => each !== last).sort(compareVersions);
  return others.at(-1) ?? (last !== null && facts.runnable.includes(last) ? last : null);
}
