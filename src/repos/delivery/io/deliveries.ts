/**
 * Delivers the branch of a goal: scanned, rated, and then merged, proposed, written as a patch, or put before a person.
 * Whatever came of it is kept; asked again for the same goal and commit, it answers the same.
 */
import { join } from "node:path";
import { type Clock, during, err, ok, type Result, refused } from "#base";
import type { Forge, PullRequest } from "../../forge/forge.ts";
import { headOf, isAncestor } from "../../io/attempt-work.ts";
import { writePatch } from "../../io/changes.ts";
import type { Author } from "../../io/commits.ts";
import { commitAt, type RepositoryPlace, type RepositoryPlaces } from "../../io/repository-place.ts";
import { findRepository, type Registered } from "../../registry/repository.ts";
import type { DeliveryRecord, RepositoryStore } from "../../registry/repository-store.ts";
import type { Turns } from "../../turns.ts";
import {
  type Assessment,
  type CheckReport,
  type CheckRunner,
  type DeliveryOrder,
  type DeliveryReceipt,
  goesTo,
  pullRequestText,
  reasonOf,
  reportOf,
} from "../delivery.ts";
import { type AfterMergeParts, checkAfterMerge, noteChecks } from "./after-merge.ts";
import { type AssessParts, assess } from "./assess.ts";
import { moveMain, push } from "./publish.ts";

export type DeliveriesParts = Omit<AssessParts, "nowMs"> & {
  readonly stateDir: string;
  readonly places: RepositoryPlaces;
  readonly turns: Turns;
  readonly store: RepositoryStore;
  readonly author: Author;
  readonly checks: CheckRunner;
  readonly list: () => Result<readonly Registered[]>;
  readonly forgeOf: (repository: Registered) => Result<Forge | undefined>;
  readonly pushTimeoutMs: number;
  readonly clock: Clock;
};

/** Everything about one delivery that goes on. */
type Under = {
  readonly order: DeliveryOrder;
  readonly repository: Registered;
  readonly place: RepositoryPlace;
  readonly forge: Forge | undefined;
  readonly assessment: Assessment;
};

type Ended = DeliveryReceipt & { readonly merge?: string };

/** Of a main branch that others move while a merge is made. */
const MERGE_TRIES = 3;

export class Deliveries {
  readonly #parts: DeliveriesParts;

  constructor(parts: DeliveriesParts) {
    this.#parts = parts;
  }

  /** What a delivery of the branch would be, without doing it. */
  async risk(name: string, branch: string, models: readonly string[]): Promise<Result<Assessment>> {
    const repository = this.#find(name);
    if (!repository.ok) return repository;
    return this.#parts.turns.run(name, async () => {
      const opened = await this.#open(repository.value);
      if (!opened.ok) return opened;
      const order = { branch, title: branch, models };
      return assess(this.#assessParts(), repository.value, opened.value.place, opened.value.main, order);
    });
  }

  /** Whether anything was ever committed for it. */
  async hasBranch(name: string, branch: string): Promise<Result<boolean>> {
    const repository = this.#find(name);
    if (!repository.ok) return repository;
    return this.#parts.turns.run(name, async () => {
      const opened = await this.#open(repository.value);
      const head = opened.ok ? await headOf(opened.value.place, branch) : opened;
      return head.ok ? ok(head.value !== undefined) : head;
    });
  }

  /** Runs the checks of the main branch as it is now, and notes what is red or well again. Null: there are none. */
  async check(name: string): Promise<Result<CheckReport | null>> {
    const repository = this.#find(name);
    if (!repository.ok) return repository;
    const { checks, turns } = this.#parts;
    const { test, build, lint } = repository.value.checks;
    if ((test ?? build ?? lint) === undefined) return ok(null);
    return turns.run(name, async () => {
      const opened = await this.#open(repository.value);
      if (!opened.ok) return opened;
      const { place, main } = opened.value;
      const ran = await checks.run(repository.value, place.gitDir, main);
      const noted = ran.ok ? await noteChecks({ ...this.#parts, repository: repository.value }, main, ran.value) : ran;
      return noted.ok ? ran : noted;
    });
  }

  async deliver(order: DeliveryOrder): Promise<Result<DeliveryReceipt>> {
    const repository = this.#find(order.repository);
    if (!repository.ok) return repository;
    if (repository.value.paused) {
      const detail = `${order.repository} is paused: resume it, and deliver again`;
      return ok({ outcome: "asks", detail, link: null });
    }
    return this.#parts.turns.run(order.repository, () => this.#deliver(order, repository.value));
  }

  async #deliver(order: DeliveryOrder, repository: Registered): Promise<Result<DeliveryReceipt>> {
    for (let tries = 1; ; tries += 1) {
      const opened = await this.#open(repository);
      if (!opened.ok) return opened;
      const { place, main } = opened.value;
      const head = await headOf(place, order.branch);
      if (!head.ok) return head;
      if (head.value === undefined) return ok({ outcome: "merged", detail: "no task changed anything", link: null });
      const known = await this.#known(order, place);
      if (!known.ok || known.value !== undefined) return known as Result<DeliveryReceipt>; // `as`: it is there
      const forge = this.#parts.forgeOf(repository);
      if (!forge.ok) return forge;
      const assessed = await assess(this.#assessParts(), repository, place, main, order);
      if (!assessed.ok) return err(during(assessed.error, `deliver ${order.branch} of ${repository.name}`));
      const under: Under = { order, repository, place, forge: forge.value, assessment: assessed.value };
      const conflicted = await this.#noteConflict(under);
      if (!conflicted.ok) return conflicted;
      const ended = await this.#carryOut(under);
      if (!ended.ok) return err(during(ended.error, `deliver ${order.branch} of ${repository.name}`));
      // Somebody moved the main branch: everything is looked at again.
      if (ended.value === "raced" && tries < MERGE_TRIES) continue;
      if (ended.value === "raced") {
        return err(refused("conflict", `the main branch of ${repository.name} moves all the time`, "Deliver it later"));
      }
      return this.#keep(under, ended.value);
    }
  }

  /** @returns what became of this very commit before. What a person was asked, or could be let through, is asked anew. */
  async #known(order: DeliveryOrder, place: RepositoryPlace): Promise<Result<DeliveryReceipt | undefined>> {
    const before = this.#parts.store.deliveryOf(order.repository, order.goalId);
    if (!before.ok || before.value === undefined) return before.ok ? ok(undefined) : before;
    const { outcome, detail, link, head, reverted } = before.value;
    const isFinal =
      outcome === "merged" || (order.approved === undefined && (outcome === "pullRequest" || outcome === "patch"));
    if (!isFinal || (await commitAt(place.gitDir, `refs/heads/${order.branch}`)) !== head) return ok(undefined);
    return ok({ outcome: reverted === null ? outcome : "blocked", detail, link });
  }

  async #carryOut(under: Under): Promise<Result<Ended | "raced">> {
    const { order, place, repository, assessment } = under;
    if (await isAncestor(place.gitDir, assessment.head, assessment.main)) {
      // Of a node that died between the merge and its note, or by a person.
      return ok({ outcome: "merged", detail: `${repository.branch} has it already`, link: null });
    }
    switch (goesTo(assessment.decision, order.approved)) {
      case "blocked":
        return ok({ outcome: "blocked", detail: reasonOf(assessment.decision), link: null });
      case "ask": {
        const patch = await this.#patch(under);
        return patch.ok ? ok({ outcome: "asks", detail: reasonOf(assessment.decision), link: patch.value }) : patch;
      }
      case "pullRequest":
        return this.#propose(under);
      case "merge":
        return this.#merge(under);
    }
  }

  /** A pull request where there is a forge, else the branch and a patch. */
  async #propose(under: Under): Promise<Result<Ended>> {
    const { order, place, forge, assessment } = under;
    const pushed = await push(place, assessment.head, order.branch, this.#parts.pushTimeoutMs);
    if (!pushed.ok) return pushed;
    const detail = reasonOf(assessment.decision);
    if (forge === undefined) {
      const patch = await this.#patch(under);
      return patch.ok ? ok({ outcome: "patch", detail, link: patch.value }) : patch;
    }
    const pull = await this.#pullRequest(under, forge);
    return pull.ok ? ok({ outcome: "pullRequest", detail, link: pull.value.url }) : pull;
  }

  #pullRequest({ order, repository, assessment }: Under, forge: Forge): Promise<Result<PullRequest>> {
    return forge.ensurePullRequest({
      head: order.branch,
      base: repository.branch,
      title: order.title.replaceAll(/\s+/g, " ").slice(0, 200),
      body: pullRequestText(order, assessment),
    });
  }

  async #merge(under: Under): Promise<Result<Ended | "raced">> {
    const { repository, place, forge, assessment } = under;
    if (forge !== undefined) return this.#mergeOnForge(under, forge);
    const { merge, main } = assessment;
    if (merge === null) return err(refused("conflict", "there is nothing to merge"));
    const moved = await moveMain(place, repository.branch, main, merge, this.#parts.pushTimeoutMs);
    if (!moved.ok) return moved;
    switch (moved.value) {
      case "raced":
        return ok("raced");
      case "moved":
        return ok({ outcome: "merged", detail: `merged as ${merge}`, link: null, merge });
      case "checkedOut": {
        const patch = await this.#patch(under);
        const detail = `${repository.branch} is checked out here: merge ${under.order.branch} there`;
        return patch.ok ? ok({ outcome: "patch", detail, link: patch.value }) : patch;
      }
    }
  }

  /** By the forge, so that its own rules hold; it stays a pull request while checks of the forge are open or red. */
  async #mergeOnForge(under: Under, forge: Forge): Promise<Result<Ended>> {
    const { order, assessment } = under;
    const proposed = await this.#propose(under);
    if (!proposed.ok) return proposed;
    const pull = await this.#pullRequest(under, forge);
    if (!pull.ok) return pull;
    const status = await forge.status(assessment.head);
    if (!status.ok) return status;
    if (status.value === "pending" || status.value === "failing") {
      return ok({
        outcome: "pullRequest",
        detail: `the checks of the forge are ${status.value}`,
        link: pull.value.url,
      });
    }
    const merged = await forge.merge(pull.value.number, assessment.head, `Merge: ${order.title}`.slice(0, 200));
    if (!merged.ok && merged.error.kind === "refused") {
      return ok({
        outcome: "pullRequest",
        detail: `the forge does not merge it: ${merged.error.message}`,
        link: pull.value.url,
      });
    }
    if (!merged.ok) return merged;
    return ok({ outcome: "merged", detail: `merged as ${merged.value}`, link: pull.value.url, merge: merged.value });
  }

  #patch({ order, repository, place, assessment }: Under): Promise<Result<string>> {
    const file = join(
      this.#parts.stateDir,
      "repositories",
      "patches",
      repository.name,
      `${fileName(order.goalId)}.patch`,
    );
    return writePatch(place.gitDir, assessment.main, assessment.head, file);
  }

  async #noteConflict({ order, repository, assessment }: Under): Promise<Result<void>> {
    const { conflicts, head } = assessment;
    return this.#parts.store.putCondition({
      repository: repository.name,
      kind: "conflict",
      subject: order.branch,
      failing: conflicts,
      detail:
        conflicts.length === 0 ? "" : `${order.branch} conflicts with ${repository.branch} in ${conflicts.join(", ")}`,
      commit: head,
      atMs: this.#parts.clock.nowMs(),
    });
  }

  async #keep(under: Under, { merge, ...receipt }: Ended): Promise<Result<DeliveryReceipt>> {
    const { order, repository, assessment } = under;
    const { store, clock } = this.#parts;
    const record: DeliveryRecord = {
      id: `${repository.name}/${order.goalId}/${assessment.head.slice(0, 12)}`,
      repository: repository.name,
      goal: order.goalId,
      branch: order.branch,
      base: assessment.main,
      head: assessment.head,
      ...receipt,
      report: reportOf(assessment),
      atMs: clock.nowMs(),
      reverted: null,
    };
    const kept = await store.putDelivery(record);
    if (!kept.ok) return kept;
    if (merge === undefined) return ok(receipt);
    const after = await checkAfterMerge(this.#afterParts(under), record, merge);
    if (!after.ok || after.value === undefined) return after.ok ? ok(receipt) : after;
    const { isRed, detail } = after.value;
    return ok({ ...receipt, outcome: isRed ? "blocked" : receipt.outcome, detail });
  }

  #afterParts({ repository, place, forge }: Under): AfterMergeParts {
    return { ...this.#parts, repository, place, forge };
  }

  #assessParts(): AssessParts {
    return { ...this.#parts, nowMs: () => this.#parts.clock.nowMs() };
  }

  async #open(repository: Registered): Promise<Result<{ readonly place: RepositoryPlace; readonly main: string }>> {
    const place = await this.#parts.places.open(repository);
    if (!place.ok) return place;
    const main = await this.#parts.places.fresh(repository, place.value);
    return main.ok ? ok({ place: place.value, main: main.value.commit }) : main;
  }

  #find(name: string): Result<Registered> {
    const all = this.#parts.list();
    return all.ok ? findRepository(all.value, name) : all;
  }
}

function fileName(goal: string): string {
  return goal.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, 100);
}
