/**
 * What a node does in the state contemplating: turns what was measured into proposals for a person, asks a model for some
 * more, and makes goals of those that were approved. Led by the store alone, like improving.
 *
 * CO1: nothing that is proposed is done without an approval: of a person, or of the policy for what it names.
 * CO2: an approval is in the store before its goal is submitted, under a key that is the goal's for good.
 * CO3: see D1 to D3 in `dedupe.ts`.
 */
import { type Clock, describeFailure, type Logger, ok, type Result } from "#base";
import type { GoalSubmissions, ImprovementStore, MindTasks, NewGoal, Question } from "../improving/ports.ts";
import { Rounds } from "../rounds.ts";
import { type DedupeRules, dedupe } from "./dedupe.ts";
import { measuredProposals } from "./measured-proposals.ts";
import type { Measurements } from "./measurements.ts";
import { proposalPrompt, readProposals } from "./model-proposals.ts";
import type { Decision, Proposal, ProposalDraft, ProposalStore } from "./proposal.ts";

const MAX_ASKS = 3;
const MAX_KNOWN = 1_000;
/** Of proposals that the policy approves. */
const POLICY = "contemplating.policy";

/** `ask`: a person decides. `low-risk`: what is small, of low risk and in a repository is approved by itself. */
export const PROPOSAL_POLICIES = ["ask", "low-risk"] as const;
export type ProposalPolicy = (typeof PROPOSAL_POLICIES)[number];

export type ContemplatingParts = {
  readonly measure: () => Promise<Result<Measurements>>;
  readonly repositories: () => Promise<readonly { readonly name: string; readonly about: string }[]>;
  readonly store: ProposalStore;
  readonly questions: Pick<ImprovementStore, "questions" | "putQuestion" | "putLook">;
  readonly tasks: MindTasks;
  readonly goals: GoalSubmissions;
  readonly policy: ProposalPolicy;
  readonly rules: DedupeRules;
  /** Questions to a model in 24 hours; 0: none is asked. */
  readonly perDay: number;
  readonly budgetLeftPercent: () => number;
  readonly newId: () => string;
  readonly digest: (text: string) => string;
  readonly clock: Clock;
  readonly logger: Logger;
};

const DAY_MS = 86_400_000;

export class Contemplating extends Rounds {
  readonly #parts: ContemplatingParts;

  constructor(parts: ContemplatingParts) {
    super("contemplating", parts);
    this.#parts = parts;
  }

  protected override async go(isFirst: boolean): Promise<boolean> {
    const waits = await this.round(isFirst);
    if (waits.ok) return waits.value;
    this.#parts.logger.warn("nothing can be proposed", { failure: describeFailure(waits.error) });
    return false;
  }

  /** One turn. @returns whether a model's answer is awaited */
  async round(measures: boolean): Promise<Result<boolean>> {
    const { measure, digest, questions, clock } = this.#parts;
    const carried = await this.carryOut();
    if (!carried.ok) return carried;
    const measured = await measure();
    if (!measured.ok) return measured;
    if (measures) {
      const taken = await this.propose(measuredProposals(measured.value, digest));
      if (!taken.ok) return taken;
    }
    const asked = await this.#askModel(measured.value);
    if (!asked.ok) return asked;
    if (measures) {
      const noted = await questions.putLook("propose", clock.nowMs(), "");
      if (!noted.ok) return noted;
    }
    return asked;
  }

  /** Takes in what is proposed, after comparing it with what is known. @returns the new ones */
  async propose(drafts: readonly ProposalDraft[]): Promise<Result<readonly Proposal[]>> {
    const { store, rules, clock, newId, logger } = this.#parts;
    const known = store.list(["open", "approved", "rejected"], MAX_KNOWN);
    if (!known.ok) return known;
    const nowMs = clock.nowMs();
    const { fresh, again, dropped } = dedupe(drafts, known.value, nowMs, rules);
    for (const { title, why } of dropped) logger.debug("a proposal was dropped", { title, why });
    for (const { id, draft } of again) {
      const isSame = known.value.some((one) => one.id === id && one.fingerprint === draft.fingerprint);
      const noted = isSame ? await store.propose(draft, id, nowMs) : await store.seenAgain(id, nowMs);
      if (!noted.ok) return noted;
    }
    const added: Proposal[] = [];
    for (const draft of fresh) {
      const proposal = await store.propose(draft, newId(), nowMs);
      if (!proposal.ok) return proposal;
      added.push(proposal.value);
      if (this.#isApprovedByPolicy(draft)) {
        const decided = await this.decide(proposal.value.id, {
          state: "approved",
          by: POLICY,
          reason: null,
          atMs: nowMs,
        });
        if (!decided.ok) return decided;
      }
    }
    return ok(added);
  }

  /** CO1 */
  #isApprovedByPolicy({ body: { risk, effort, repository } }: ProposalDraft): boolean {
    return this.#parts.policy === "low-risk" && risk === "low" && effort === "small" && repository !== null;
  }

  /** @returns the proposal after it, with the goal that it became */
  async decide(id: string, decision: Decision): Promise<Result<Proposal>> {
    const decided = await this.#parts.store.decide(id, decision);
    if (!decided.ok || decided.value.state !== "approved" || decided.value.goal !== null) return decided;
    const carried = await this.#toGoal(decided.value);
    return carried.ok ? this.#parts.store.find(decided.value.id) : carried;
  }

  /** Approved proposals that are no goal yet: a crash came between. */
  async carryOut(): Promise<Result<void>> {
    const approved = this.#parts.store.list(["approved"], MAX_KNOWN);
    if (!approved.ok) return approved;
    for (const proposal of approved.value) {
      if (proposal.goal !== null) continue;
      const carried = await this.#toGoal(proposal);
      if (!carried.ok) {
        this.#parts.logger.warn("an approved proposal is no goal yet", {
          id: proposal.id,
          failure: describeFailure(carried.error),
        });
      }
    }
    return ok(undefined);
  }

  async #toGoal(proposal: Proposal): Promise<Result<void>> {
    const goal = await this.#parts.goals.submit(goalOf(proposal));
    return goal.ok ? this.#parts.store.putGoal(proposal.id, goal.value.id) : goal;
  }

  async #askModel(measured: Measurements): Promise<Result<boolean>> {
    const { questions, perDay, budgetLeftPercent, clock, repositories } = this.#parts;
    const all = questions.questions("propose");
    if (!all.ok) return all;
    const open = all.value.find(({ state }) => state === "asked");
    if (open !== undefined) return this.#takeUp(open, measured);
    const nowMs = clock.nowMs();
    const today = all.value.filter(({ atMs }) => atMs > nowMs - DAY_MS).length;
    if (today >= perDay || budgetLeftPercent() === 0) return ok(false);
    // With nothing measured and nothing to read there is nothing to think about.
    if (measured.attempts.length === 0 && (await repositories()).length === 0) return ok(false);
    return this.#ask(`propose:${nowMs}`, 1, measured, []);
  }

  async #ask(key: string, asks: number, measured: Measurements, faults: readonly string[]): Promise<Result<boolean>> {
    const { store, questions, tasks, repositories, clock } = this.#parts;
    const known = store.list(["open", "approved", "rejected"], MAX_KNOWN);
    if (!known.ok) return known;
    const prompt = proposalPrompt({ measured, known: known.value, repositories: await repositories() }, faults);
    const task = await tasks.submit({
      title: "propose what would help the fleet",
      executor: "ollama",
      lane: "background",
      prompt,
      maxAttempts: 2,
      labels: { "drover.mind": "contemplate" },
      idempotencyKey: `${key}:${asks}`,
    });
    if (!task.ok) return task;
    const atMs = clock.nowMs();
    const asked = { key, kind: "propose", subject: "", state: "asked", asks, about: {}, note: null, atMs } as const;
    const kept = await questions.putQuestion({ ...asked, taskId: task.value.id });
    return kept.ok ? ok(true) : kept;
  }

  async #takeUp(question: Question, measured: Measurements): Promise<Result<boolean>> {
    const { tasks, questions, repositories, digest, clock } = this.#parts;
    const end = question.taskId === null ? ok(null) : await tasks.end(question.taskId);
    if (!end.ok) return end;
    if (end.value === null) return ok(true);
    const close = async (state: "answered" | "given-up", note: string): Promise<Result<boolean>> => {
      const kept = await questions.putQuestion({ ...question, state, note: note.slice(0, 1_000), atMs: clock.nowMs() });
      return kept.ok ? ok(false) : kept;
    };
    if (!end.value.passed) return close("given-up", end.value.error ?? "its task failed");
    const names = (await repositories()).map(({ name }) => name);
    const answer = readProposals(end.value.text ?? "", names, digest);
    if (answer.kind === "faults") {
      if (question.asks >= MAX_ASKS) return close("given-up", answer.faults.join("; "));
      return this.#ask(question.key, question.asks + 1, measured, answer.faults);
    }
    const added = await this.propose(answer.drafts);
    return added.ok ? close("answered", `${added.value.length} of ${answer.drafts.length} are new`) : added;
  }
}

const PRIORITY = { low: "background", medium: "low", high: "low" } as const;

function goalOf({ id, body }: Proposal): NewGoal {
  return {
    title: body.title.slice(0, 120),
    description: [
      `Problem: ${body.problem}`,
      `Evidence:\n${body.evidence.map((one) => `- ${one}`).join("\n")}`,
      `To be done: ${body.suggestion}`,
      `Risk: ${body.risk}: ${body.riskWhy}`,
    ].join("\n\n"),
    priority: PRIORITY[body.risk],
    successCriteria: [`the problem is gone: ${body.problem}`.slice(0, 1_000)],
    verify: [],
    repository: body.repository,
    budget: { tokens: null, costMicrodollars: null },
    channel: "mind",
    labels: { "drover.mind": "contemplate", "drover.proposal": id },
    idempotencyKey: `proposal:${id}`,
  };
}
