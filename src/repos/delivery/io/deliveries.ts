/**
 * Delivers the branch of a goal: scanned, rated, and then merged, proposed, written as a patch, or put before a person.
 * Whatever came of it is kept; asked again for the same goal and commit, it answers the same.
 */
import { join } from "node:path";
import { type Clock, during, err, type JsonObject, ok, type Result, refused } from "#base";
import type { Forge, PullRequest } from "../../forge/forge.ts";
import { TASK_TRAILER } from "../../io/attempt-work.ts";
import { headOf, isAncestor } from "../../io/branch-head.ts";
import { writePatch } from "../../io/changes.ts";
import { type Author, trailersOf } from "../../io/commits.ts";
import { commitAt, type RepositoryPlace, type RepositoryPlaces } from "../../io/repository-place.ts";
import { findRepository, type Registered } from "../../registry/repository.ts";
import type { DeliveryRecord, RepositoryStore } from "../../registry/repository-store.ts";
import type { AtRepositoryStep, RepositoryStep } from "../../steps.ts";
import type { Turns } from "../../turns.ts";
import {
  type Assessment,
  type CheckReport,
  type CheckRunner,
  type DeliveryNews,
  type DeliveryOrder,
  type DeliveryReceipt,
  goesTo,
  pullRequestText,
  reasonOf,
  reportOf,
  waitingOf,
} from "../delivery.ts";
import { checkAfterMerge } from "./after-merge.ts";
import { type AssessParts, assess } from "./assess.ts";
import { checkMain, checkMovedMain, type MainCheckParts } from "./main-checks.ts";
import { moveMain, push } from "./publish.ts";
import { followWaiting } from "./waiting-pulls.ts";

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
  /** How long a pull request may wait for the checks of its forge. */
  readonly forgeWaitMs: number;
  /** Sees to it that the branch has what these tasks changed, whichever node they ran on. @returns its head */
  readonly bringIn: (
    repository: Registered,
    place: RepositoryPlace,
    main: string,
    order: Pick<DeliveryOrder, "goalId" | "tasks">,
  ) => Promise<Result<string | undefined>>;
  /** What other nodes were shown of a work is not needed at the remote any more. */
  readonly forgetShared: (place: RepositoryPlace, goalId: string) => Promise<void>;
  /** The models that worked on these tasks. */
  readonly modelsOf: (tasks: readonly string[]) => Promise<Result<readonly string[]>>;
  readonly clock: Clock;
  readonly atStep?: AtRepositoryStep;
};

/** Everything about one delivery that goes on. */
type Under = {
  readonly order: DeliveryOrder;
  readonly repository: Registered;
  readonly place: RepositoryPlace;
  readonly forge: Forge | undefined;
  readonly assessment: Assessment;
};

/** `merge`: the commit of it; `waits`: for the checks of the forge. */
type Ended = DeliveryReceipt & { readonly merge?: string; readonly waits?: true };

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
      const opened = await this.#parts.places.openMain(repository.value);
      if (!opened.ok) return opened;
      const { place, main } = opened.value;
      const order = await this.#withModels({ branch, title: branch, models }, place, main);
      return order.ok ? assess(this.#assessParts(), repository.value, place, main, order.value) : order;
    });
  }

  /** Whether anything was ever committed for it. */
  async hasBranch(name: string, branch: string): Promise<Result<boolean>> {
    const repository = this.#find(name);
    if (!repository.ok) return repository;
    return this.#parts.turns.run(name, async () => {
      const opened = await this.#parts.places.openMain(repository.value);
      const head = opened.ok ? await headOf(opened.value.place, branch) : opened;
      return head.ok ? ok(head.value !== undefined) : head;
    });
  }

  /** Runs the checks of the main branch as it is now, and notes what is red or well again. Null: there are none. */
  async check(name: string): Promise<Result<CheckReport | null>> {
    const parts = this.#mainParts(name);
    return parts.ok ? checkMain(parts.value) : parts;
  }

  /** The same, if it has moved since they ran last; null too when it has not. */
  async checkMoved(name: string): Promise<Result<CheckReport | null>> {
    const parts = this.#mainParts(name);
    return parts.ok ? checkMovedMain(parts.value) : parts;
  }

  /** Goes on with pull requests that wait for their forge. @returns those that wait no longer */
  async followWaiting(name: string): Promise<Result<readonly DeliveryNews[]>> {
    const repository = this.#find(name);
    if (!repository.ok) return repository;
    return followWaiting({ ...this.#parts, repository: repository.value, deliver: (order) => this.deliver(order) });
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

  async #deliver(asked: DeliveryOrder, repository: Registered): Promise<Result<DeliveryReceipt>> {
    for (let tries = 1; ; tries += 1) {
      const opened = await this.#parts.places.openMain(repository);
      if (!opened.ok) return opened;
      const { place, main } = opened.value;
      const head = await this.#parts.bringIn(repository, place, main, asked);
      if (!head.ok) return err(during(head.error, `deliver ${asked.branch} of ${repository.name}`));
      if (head.value === undefined) return ok({ outcome: "merged", detail: "no task changed anything", link: null });
      const known = await this.#known(asked, place);
      if (!known.ok || known.value !== undefined) return known as Result<DeliveryReceipt>; // `as`: it is there
      const withModels = await this.#withModels(asked, place, main);
      if (!withModels.ok) return withModels;
      const order = withModels.value;
      const forge = this.#parts.forgeOf(repository);
      if (!forge.ok) return forge;
      const assessed = await assess(this.#assessParts(), repository, place, main, order);
      if (!assessed.ok) return err(during(assessed.error, `deliver ${order.branch} of ${repository.name}`));
      this.#passed("delivery:assessed");
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
    if (waitingOf(before.value) !== undefined) return ok(undefined);
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
    this.#passed("delivery:pushed");
    const detail = reasonOf(assessment.decision);
    if (forge === undefined) {
      const patch = await this.#patch(under);
      return patch.ok ? ok({ outcome: "patch", detail, link: patch.value }) : patch;
    }
    const pull = await this.#pullRequest(under, forge);
    return pull.ok ? ok({ outcome: "pullRequest", detail, link: pull.value.url }) : pull;
  }

  async #pullRequest({ order, repository, assessment }: Under, forge: Forge): Promise<Result<PullRequest>> {
    const pull = await forge.ensurePullRequest({
      head: order.branch,
      base: repository.branch,
      title: order.title.replaceAll(/\s+/g, " ").slice(0, 200),
      body: pullRequestText(order, assessment),
    });
    if (pull.ok) this.#passed("delivery:proposed");
    return pull;
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
        this.#passed("delivery:merged");
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
        ...(status.value === "pending" ? { waits: true } : {}),
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
    this.#passed("delivery:merged");
    return ok({ outcome: "merged", detail: `merged as ${merged.value}`, link: pull.value.url, merge: merged.value });
  }

  async #patch({ order, repository, place, assessment }: Under): Promise<Result<string>> {
    const file = join(
      this.#parts.stateDir,
      "repositories",
      "patches",
      repository.name,
      `${fileName(order.goalId)}.patch`,
    );
    const patch = await writePatch(place.gitDir, assessment.main, assessment.head, file);
    if (patch.ok) this.#passed("delivery:patched");
    return patch;
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

  async #keep(under: Under, { merge, waits, ...receipt }: Ended): Promise<Result<DeliveryReceipt>> {
    const { order, repository, assessment } = under;
    const { store, clock } = this.#parts;
    const waiting = waits === true ? this.#waiting(under) : ok(undefined);
    if (!waiting.ok) return waiting;
    const record: DeliveryRecord = {
      id: `${repository.name}/${order.goalId}/${assessment.head.slice(0, 12)}`,
      repository: repository.name,
      goal: order.goalId,
      branch: order.branch,
      base: assessment.main,
      head: assessment.head,
      ...receipt,
      report: {
        ...reportOf(assessment),
        ...(merge === undefined ? {} : { merge }),
        ...(waiting.value === undefined ? {} : { waits: waiting.value }),
      },
      atMs: clock.nowMs(),
      reverted: null,
    };
    const kept = await store.putDelivery(record);
    if (!kept.ok) return kept;
    this.#passed("delivery:kept");
    if (isPublished(receipt)) await this.#parts.forgetShared(under.place, order.goalId);
    if (merge === undefined) return ok(receipt);
    const after = await checkAfterMerge({ ...this.#parts, ...under }, record, merge);
    if (!after.ok || after.value === undefined) return after.ok ? ok(receipt) : after;
    const { isRed, detail } = after.value;
    return ok({ ...receipt, outcome: isRed ? "blocked" : receipt.outcome, detail });
  }

  /** What is needed to go on with it; one that waited for this commit already has waited since then. */
  #waiting({ order, repository, assessment }: Under): Result<JsonObject> {
    const before = this.#parts.store.deliveryOf(repository.name, order.goalId);
    if (!before.ok) return before;
    const known = before.value?.head === assessment.head ? waitingOf(before.value) : undefined;
    const { title, description, models, approved } = order;
    return ok({
      sinceMs: known?.sinceMs ?? this.#parts.clock.nowMs(),
      title,
      description,
      models: [...models],
      ...(approved === undefined ? {} : { approved }),
    });
  }

  /** With those that worked on the commits of the branch, whoever asks for its delivery. */
  async #withModels<T extends Pick<DeliveryOrder, "branch" | "models">>(
    order: T,
    place: RepositoryPlace,
    main: string,
  ): Promise<Result<T>> {
    const head = await headOf(place, order.branch);
    if (!head.ok) return head;
    const tasks = head.value === undefined ? ok([]) : await trailersOf(place.gitDir, TASK_TRAILER, main, head.value);
    if (!tasks.ok) return tasks;
    const models = await this.#parts.modelsOf([...new Set(tasks.value)]);
    return models.ok ? ok({ ...order, models: [...new Set([...order.models, ...models.value])].sort() }) : models;
  }

  #mainParts(name: string): Result<MainCheckParts> {
    const repository = this.#find(name);
    const forge = repository.ok ? this.#parts.forgeOf(repository.value) : repository;
    if (!repository.ok) return repository;
    return forge.ok ? ok({ ...this.#parts, repository: repository.value, forge: forge.value }) : forge;
  }

  #passed(step: RepositoryStep): void {
    this.#parts.atStep?.(step);
  }

  #assessParts(): AssessParts {
    return { ...this.#parts, nowMs: () => this.#parts.clock.nowMs() };
  }

  #find(name: string): Result<Registered> {
    const all = this.#parts.list();
    return all.ok ? findRepository(all.value, name) : all;
  }
}

/** Of the rest a person decides, on whichever node is the hub by then. */
function isPublished({ outcome }: DeliveryReceipt): boolean {
  return outcome === "merged" || outcome === "pullRequest" || outcome === "patch";
}

function fileName(goal: string): string {
  return goal.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, 100);
}
