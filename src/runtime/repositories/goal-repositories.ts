/** Repositories as goals and the mind use them, on the node that decides about them. */
import type { BrokenBuild, MergeConflict, RepositoryHealth } from "#activities";
import { err, type GoalId, ok, type Result, refused } from "#base";
import type { Fault } from "#fsm";
import {
  CHECK_NAMES,
  type Deliveries,
  type DeliveryOrder,
  type DeliveryReceipt,
  describeCommit,
  findRepository,
  type Registered,
  type RepositoryDescription,
  type RepositoryPlaces,
  type RepositoryStore,
  type Turns,
} from "#repos";
import type { Sharing } from "./sharing.ts";

type Parts = {
  readonly store: Pick<RepositoryStore, "conditions">;
  readonly list: () => Result<readonly Registered[]>;
  readonly places: RepositoryPlaces;
  readonly deliveries: Deliveries;
  readonly turns: Turns;
  readonly sharing: Pick<Sharing, "onlyFolder">;
};

export class GoalRepositories implements RepositoryHealth {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Those that are not paused, the most urgent first. */
  active(): Result<readonly Registered[]> {
    const all = this.#parts.list();
    return all.ok ? ok(all.value.filter(({ paused }) => !paused)) : all;
  }

  /** Of its main branch, as it was just fetched. */
  async describe(name: string): Promise<Result<RepositoryDescription>> {
    const at = await this.at(name);
    return at.ok ? describeCommit(at.value.repository, at.value.gitDir, at.value.commit) : at;
  }

  /** @returns where the repository is on this host, with the head of its main branch */
  async at(
    name: string,
  ): Promise<Result<{ readonly repository: Registered; readonly gitDir: string; readonly commit: string }>> {
    const { list, places, turns } = this.#parts;
    const all = list();
    const repository = all.ok ? findRepository(all.value, name) : all;
    if (!repository.ok) return repository;
    return turns.run(name, async () => {
      const place = await places.open(repository.value);
      if (!place.ok) return place;
      const main = await places.fresh(repository.value, place.value);
      return main.ok
        ? ok({ repository: repository.value, gitDir: place.value.gitDir, commit: main.value.commit })
        : main;
    });
  }

  async onlyFolder(name: string, goal: GoalId): Promise<Result<string | undefined>> {
    const all = this.#parts.list();
    const repository = all.ok ? findRepository(all.value, name) : all;
    return repository.ok ? this.#parts.sharing.onlyFolder(repository.value, goal) : repository;
  }

  deliver(order: DeliveryOrder): Promise<Result<DeliveryReceipt>> {
    return this.#parts.deliveries.deliver(order);
  }

  /** What is broken: checks of main branches that fail, and branches in conflict. Of a paused repository nothing is. */
  faults(): readonly Fault[] {
    const active = this.active();
    const conditions = this.#parts.store.conditions();
    if (!active.ok || !conditions.ok) return []; // the database says so itself
    const names = new Set(active.value.map(({ name }) => name));
    return conditions.value
      .filter(({ repository }) => names.has(repository))
      .map(({ kind, repository, subject, failing }) => ({
        kind: kind === "checks" ? ("repositoryBroken" as const) : ("mergeConflict" as const),
        target: kind === "checks" ? repository : `${repository} ${subject}`,
        level: failing.length,
        healthyAttempts: 0,
      }));
  }

  /** Its path is its registered name: that is what a task to mend it names. */
  async broken(name: string): Promise<Result<BrokenBuild>> {
    const all = this.#parts.list();
    const repository = all.ok ? findRepository(all.value, name) : all;
    if (!repository.ok) return repository;
    const conditions = this.#parts.store.conditions();
    if (!conditions.ok) return conditions;
    const found = conditions.value.find((one) => one.repository === name && one.kind === "checks");
    const check = CHECK_NAMES.find((one) => found?.failing.includes(one) === true);
    const command = check === undefined ? undefined : repository.value.checks[check];
    if (found === undefined || command === undefined) return err(refused("not_found", `nothing of ${name} is broken`));
    return ok({ path: name, command, output: found.detail });
  }

  /** @param branch as the fault names it: the repository and the branch */
  async conflict(branch: string): Promise<Result<MergeConflict>> {
    const conditions = this.#parts.store.conditions();
    if (!conditions.ok) return conditions;
    const found = conditions.value.find(
      ({ kind, repository, subject }) => kind === "conflict" && `${repository} ${subject}` === branch,
    );
    if (found === undefined) return err(refused("not_found", `${branch} is not in conflict`));
    return ok({ repository: found.repository, files: found.failing });
  }
}
