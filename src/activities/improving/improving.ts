/**
 * What a node does in the state improving: looks at repositories, ranks what it finds, and makes goals of a few. Led by the
 * store alone, so that it may be killed anywhere: what was decided is carried out at the next begin, and nothing twice.
 *
 * I1: a try is in the store before its goal is submitted, under a key that is the goal's for good.
 * I2: each look at a repository is kept as a whole or not at all.
 * I3: after `end` nothing new is begun; what runs ends by its own limits.
 */
import { type Clock, describeFailure, type Logger, type Result } from "#base";
import { Rounds } from "../rounds.ts";
import { type ChoiceRules, choose, keyOf } from "./choose.ts";
import { goalOf } from "./goal-order.ts";
import { isTryOpen, type Try } from "./improvement.ts";
import type { Look } from "./look.ts";
import type { ModelLook } from "./model-look.ts";
import type { GoalOutcomes, GoalSubmissions, ImprovedRepositories, ImprovementStore } from "./ports.ts";
import type { ToolLook } from "./tool-look.ts";

/** Findings that are weighed at once; more are seen when these are gone. */
const MAX_WEIGHED = 5_000;

export type ImprovingParts = {
  readonly repositories: ImprovedRepositories;
  readonly store: ImprovementStore;
  readonly goals: GoalSubmissions & GoalOutcomes;
  readonly look: Look;
  readonly tools: ToolLook;
  readonly model: ModelLook;
  readonly rules: ChoiceRules;
  readonly clock: Clock;
  readonly logger: Logger;
};

export class Improving extends Rounds {
  readonly #parts: ImprovingParts;

  constructor(parts: ImprovingParts) {
    super("improving", parts);
    this.#parts = parts;
  }

  protected override go(isFirst: boolean, goesOn: () => boolean): Promise<boolean> {
    return this.round(isFirst, goesOn);
  }

  /**
   * One turn through everything.
   * @param looks whether repositories are looked at anew
   * @returns whether something is awaited
   */
  async round(looks: boolean, goesOn: () => boolean = () => true): Promise<boolean> {
    const { repositories, store, look, tools, model, clock, logger } = this.#parts;
    await this.follow();
    const list = await repositories.list();
    if (!list.ok) {
      logger.warn("repositories cannot be listed", { failure: describeFailure(list.error) });
      return false;
    }
    const names = list.value.map(({ name }) => name);
    let waits = false;
    for (const name of names) {
      if (!goesOn()) return true;
      if (looks) this.#tell(name, await look.at(name));
      if (!goesOn()) return true;
      for (const part of [tools, model]) {
        const asked = await part.advance(name);
        this.#tell(name, asked);
        waits ||= asked.ok && asked.value;
      }
    }
    if (!goesOn()) return true;
    await this.choose(names);
    if (looks) {
      const noted = await store.putLook("scan", clock.nowMs(), `${names.length} repositories`);
      if (!noted.ok) logger.warn("a look cannot be noted", { failure: describeFailure(noted.error) });
    }
    return waits;
  }

  #tell(repository: string, result: Result<unknown>): void {
    if (!result.ok) {
      this.#parts.logger.warn("a repository cannot be looked at", {
        repository,
        failure: describeFailure(result.error),
      });
    }
  }

  /** Takes up what became of tries, and submits what was decided and is no goal yet. */
  async follow(): Promise<void> {
    const { store, logger } = this.#parts;
    const tries = store.tries();
    if (!tries.ok) {
      logger.warn("tries cannot be read", { failure: describeFailure(tries.error) });
      return;
    }
    for (const one of tries.value) {
      if (one.state === "chosen") await this.#submit(one);
      else if (one.state === "working" || one.state === "done") await this.#followOne(one);
    }
  }

  async #followOne(one: Try): Promise<void> {
    const { goals, repositories, store, clock } = this.#parts;
    if (one.goal === null) return;
    const delivered = await repositories.delivered(one.repository, one.goal);
    const files = delivered.ok ? [...new Set([...one.files, ...(delivered.value?.files ?? [])])] : one.files;
    const endedAtMs = clock.nowMs();
    if (delivered.ok && delivered.value?.isReverted === true) {
      await store.move(one, { state: "reverted", files, why: "what it changed was taken back", endedAtMs });
      return;
    }
    if (one.state === "done") return;
    const end = await goals.outcome(one.goal);
    if (!end.ok || end.value === null) return;
    const { state, detail } = end.value;
    const after = state === "complete" ? "done" : state;
    await store.move(one, { state: after, files, why: detail, endedAtMs });
  }

  async #submit(one: Try): Promise<void> {
    const { store, goals, look, clock, logger } = this.#parts;
    const finding = store.finding(one.fingerprint);
    if (!finding.ok || finding.value.state !== "open") {
      await store.move(one, { state: "cancelled", why: "it was gone before it was begun", endedAtMs: clock.nowMs() });
      return;
    }
    const commands = await look.commands(one.repository);
    if (!commands.ok) return;
    const goal = await goals.submit(goalOf(finding.value, one.n, commands.value));
    if (goal.ok) await store.move(one, { state: "working", goal: goal.value.id });
    else if (goal.error.kind === "refused") {
      await store.move(one, { state: "failed", why: describeFailure(goal.error), endedAtMs: clock.nowMs() });
    } else logger.warn("a goal cannot be submitted", { failure: describeFailure(goal.error) });
  }

  /** Decides what is worked on next, and begins it. */
  async choose(names: readonly string[]): Promise<void> {
    const { store, rules, clock, logger } = this.#parts;
    const findings = store.findings({ states: ["open"], limit: MAX_WEIGHED });
    const tries = store.tries();
    if (!findings.ok || !tries.ok) return;
    const { chosen } = choose(findings.value, tries.value, names, clock.nowMs(), rules);
    for (const { finding, why } of chosen) {
      const own = tries.value.filter((one) => keyOf(one) === keyOf(finding));
      const { repository, fingerprint, kind, rule, path } = finding;
      const begun: Try = {
        repository,
        fingerprint,
        n: Math.max(0, ...own.map(({ n }) => n)) + 1,
        kind,
        rule,
        path,
        files: path === "" ? [] : [path],
        state: "chosen",
        goal: null,
        why,
        chosenAtMs: clock.nowMs(),
        endedAtMs: null,
      };
      const kept = await store.begin(begun);
      if (kept.ok) await this.#submit(begun);
      else logger.warn("an improvement cannot be begun", { failure: describeFailure(kept.error) });
    }
  }

  /** Tries that are open, for whoever asks. */
  open(): readonly Try[] {
    const tries = this.#parts.store.tries();
    return tries.ok ? tries.value.filter(isTryOpen) : [];
  }
}
