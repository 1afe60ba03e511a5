/** Improvements and proposals for people, where they are written. */
import {
  type ChoiceRules,
  type Contemplating,
  choose,
  type ImprovementStore,
  type Improving,
  isTryOpen,
  type KnownFinding,
  keyOf,
  type ProposalStore,
  type Try,
} from "#activities";
import type { FindingQuery, FindingView, ImprovementPort, ImprovementsView, ProposalPort } from "#api";
import { type Clock, err, ok, type Result, refused } from "#base";
import { rankFindings } from "#repos";

const MAX_WEIGHED = 5_000;

export type ImprovementPortParts = {
  readonly store: ImprovementStore;
  readonly improving: Improving;
  readonly repositories: () => Promise<Result<readonly { readonly name: string }[]>>;
  readonly rules: ChoiceRules;
  readonly clock: Clock;
};

export class OwnImprovements implements ImprovementPort {
  readonly #parts: ImprovementPortParts;
  #looking: Promise<unknown> | undefined;

  constructor(parts: ImprovementPortParts) {
    this.#parts = parts;
  }

  async list({ states, repository, limit }: FindingQuery): Promise<Result<ImprovementsView>> {
    const { store } = this.#parts;
    const own = repository === undefined ? {} : { repository };
    const found = store.findings({ states, limit: MAX_WEIGHED, ...own });
    if (!found.ok) return found;
    const scans = store.scans();
    if (!scans.ok) return scans;
    const lookedAtMs = store.lookedAtMs("scan");
    if (!lookedAtMs.ok) return lookedAtMs;
    const views = await this.#views(found.value);
    if (!views.ok) return views;
    return ok({
      lookedAtMs: lookedAtMs.value,
      isLooking: this.#looking !== undefined,
      scans: scans.value.filter((one) => repository === undefined || one.repository === repository),
      findings: views.value.slice(0, limit),
    });
  }

  async show(fingerprint: string): Promise<Result<FindingView>> {
    return this.#view(this.#parts.store.finding(fingerprint));
  }

  async dismiss(fingerprint: string, reason: string): Promise<Result<FindingView>> {
    return this.#view(await this.#parts.store.dismiss(fingerprint, reason));
  }

  async reopen(fingerprint: string): Promise<Result<FindingView>> {
    return this.#view(await this.#parts.store.reopen(fingerprint));
  }

  async look(): Promise<Result<{ readonly existed: boolean }>> {
    const { improving, repositories } = this.#parts;
    if (this.#looking !== undefined) return ok({ existed: true });
    const list = await repositories();
    if (!list.ok) return list;
    if (list.value.length === 0) {
      return err(refused("not_found", "no repository is registered and active", "Register one: drover repo add"));
    }
    this.#looking = improving.round(true).finally(() => {
      this.#looking = undefined;
    });
    return ok({ existed: false });
  }

  async #view(found: Result<KnownFinding>): Promise<Result<FindingView>> {
    if (!found.ok) return found;
    const views = await this.#views([found.value]);
    const view = views.ok ? views.value[0] : undefined;
    if (!views.ok) return views;
    return view === undefined ? err(refused("not_found", "the finding is gone")) : ok(view);
  }

  /** In the order of their rank. What is next is decided among all, so all are weighed. */
  async #views(findings: readonly KnownFinding[]): Promise<Result<readonly FindingView[]>> {
    const { store, repositories, rules, clock } = this.#parts;
    const tries = store.tries();
    if (!tries.ok) return tries;
    const all = store.findings({ states: ["open"], limit: MAX_WEIGHED });
    if (!all.ok) return all;
    const list = await repositories();
    if (!list.ok) return list;
    const names = list.value.map(({ name }) => name);
    const { left } = choose(all.value, tries.value, names, clock.nowMs(), rules);
    const byKey = new Map(findings.map((finding) => [keyOf(finding), finding]));
    return ok(
      rankFindings(findings).flatMap(({ finding, score, why }) => {
        // `as`: ranked findings are those that were given.
        const key = keyOf(finding as KnownFinding);
        const known = byKey.get(key);
        if (known === undefined) return [];
        const own = tries.value.filter((one) => keyOf(one) === key).toSorted((a, b) => a.n - b.n);
        const isOpen = own.some(isTryOpen);
        const reason = known.state === "open" ? (isOpen ? null : (left.get(key) ?? null)) : `it is ${known.state}`;
        return [{ ...known, score, why, left: reason, tries: own.map(tryView) }];
      }),
    );
  }
}

function tryView({ n, state, goal, why, chosenAtMs, endedAtMs }: Try) {
  return { n, state, goal, why, chosenAtMs, endedAtMs };
}

/** Proposals for people. */
export function ownProposals(store: ProposalStore, contemplating: Contemplating, clock: Clock): ProposalPort {
  return {
    list: async (states, limit) => store.list(states, limit),
    show: async (id) => store.find(id),
    approve: (id, by, reason) => contemplating.decide(id, { state: "approved", by, reason, atMs: clock.nowMs() }),
    reject: (id, by, reason) => contemplating.decide(id, { state: "rejected", by, reason, atMs: clock.nowMs() }),
  };
}
