/**
 * Parts what is proposed into what is new and what was said before.
 *
 * D1: the same matter is never open twice: same fingerprint, or mostly the same words.
 * D2: what a person rejected is not proposed again while its rest lasts, whoever says it in whatever words.
 * D3: at most `maxOpen` proposals are open: with more, nobody reads them.
 */
import type { Proposal, ProposalDraft } from "./proposal.ts";
import { SAME_MATTER, similarity } from "./similarity.ts";

export type DedupeRules = { readonly maxOpen: number; readonly rejectedRestMs: number };

export type Deduped = {
  readonly fresh: readonly ProposalDraft[];
  /** Proposals that were said again, by id. */
  readonly again: readonly { readonly id: string; readonly draft: ProposalDraft }[];
  readonly dropped: readonly { readonly title: string; readonly why: string }[];
};

export function dedupe(
  drafts: readonly ProposalDraft[],
  known: readonly Proposal[],
  nowMs: number,
  { maxOpen, rejectedRestMs }: DedupeRules,
): Deduped {
  const fresh: ProposalDraft[] = [];
  const again: { readonly id: string; readonly draft: ProposalDraft }[] = [];
  const dropped: { readonly title: string; readonly why: string }[] = [];
  let open = known.filter(({ state }) => state === "open").length;
  for (const draft of drafts) {
    const drop = (why: string): void => void dropped.push({ title: draft.body.title, why });
    const older = matching(draft, known);
    if (older?.state === "rejected" && nowMs - (older.decidedAtMs ?? 0) < rejectedRestMs) {
      drop(`was rejected as ${older.id}: ${older.reason ?? ""}`);
    } else if (older?.state === "rejected" && older.fingerprint !== draft.fingerprint) {
      drop(`is close to ${older.id}, which was rejected`);
    } else if (older !== undefined) again.push({ id: older.id, draft });
    else if (fresh.some((other) => isSame(other, draft))) drop("stands twice among what was proposed just now");
    else if (open >= maxOpen) drop(`${open} proposals are open already`);
    else {
      fresh.push(draft);
      open += 1;
    }
  }
  return { fresh, again, dropped };
}

function matching(draft: ProposalDraft, known: readonly Proposal[]): Proposal | undefined {
  return known.find(({ fingerprint }) => fingerprint === draft.fingerprint) ?? known.find((one) => isSame(one, draft));
}

function isSame(left: ProposalDraft, right: ProposalDraft): boolean {
  if (left.fingerprint === right.fingerprint) return true;
  // Two measurements with different names are different: their words are those of one template.
  if (left.source === "measured" && right.source === "measured") return false;
  return similarity(textOf(left), textOf(right)) >= SAME_MATTER;
}

function textOf({ body }: ProposalDraft): string {
  return `${body.title} ${body.problem}`;
}
