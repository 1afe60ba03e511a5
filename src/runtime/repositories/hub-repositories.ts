/** Repositories on the node that writes the fleet's database: what people, goals and the mind ask of them. */
import type { AssessmentView, DeliveryView, DeliveryWish, ReceiptView, RepositoryPort, RepositoryView } from "#api";
import { type Clock, err, type JsonObject, ok, type Result, refused } from "#base";
import {
  type ConditionRecord,
  type Deliveries,
  findRepository,
  MAX_REPOSITORIES,
  type Policy,
  policyOf,
  type Registered,
  type RepositoryInput,
  type RepositoryPlaces,
  type RepositoryStore,
  reportOf,
  repositorySchema,
  workBranch,
} from "#repos";

type Parts = {
  readonly store: RepositoryStore;
  readonly list: () => Result<readonly Registered[]>;
  readonly places: RepositoryPlaces;
  readonly deliveries: Deliveries;
  readonly policy: Policy;
  readonly clock: Clock;
};

export class HubRepositories implements RepositoryPort {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async list(): Promise<Result<readonly RepositoryView[]>> {
    const all = this.#parts.list();
    const conditions = all.ok ? this.#parts.store.conditions() : all;
    if (!all.ok || !conditions.ok) return all.ok ? (conditions as Result<never>) : all; // `as`: one of the two failed
    return ok(all.value.map((one) => this.#view(one, conditions.value)));
  }

  async find(name: string): Promise<Result<RepositoryView>> {
    const all = this.#parts.list();
    const found = all.ok ? findRepository(all.value, name) : all;
    if (!found.ok) return found;
    const conditions = this.#parts.store.conditions();
    return conditions.ok ? ok(this.#view(found.value, conditions.value)) : conditions;
  }

  async add(input: RepositoryInput): Promise<Result<RepositoryView>> {
    const parsed = repositorySchema.safeParse(input);
    if (!parsed.success) return err(refused("invalid", parsed.error.issues[0]?.message ?? "the repository is wrong"));
    const repository = parsed.data;
    const all = this.#parts.list();
    if (!all.ok) return all;
    const known = all.value.find(({ name }) => name === repository.name);
    if (known?.origin === "configuration") {
      const message = `${repository.name} stands in the configuration`;
      return err(refused("conflict", message, "Change it there, or choose another name"));
    }
    if (known === undefined && all.value.length >= MAX_REPOSITORIES) {
      return err(refused("limit", `there are ${MAX_REPOSITORIES} repositories already`, "Remove one first"));
    }
    // Whether it is there and can be reached is said now, and not with the first task.
    const place = await this.#parts.places.open(repository);
    const main = place.ok ? await this.#parts.places.fresh(repository, place.value) : place;
    if (!main.ok) return main;
    const added = await this.#parts.store.add(repository, this.#parts.clock.nowMs());
    return added.ok ? this.find(repository.name) : added;
  }

  async setPaused(name: string, paused: boolean): Promise<Result<RepositoryView>> {
    const found = await this.find(name);
    if (!found.ok || found.value.paused === paused) return found;
    const set = await this.#parts.store.setPaused(name, paused, this.#parts.clock.nowMs());
    return set.ok ? this.find(name) : set;
  }

  async remove(name: string): Promise<Result<{ readonly name: string }>> {
    const found = await this.find(name);
    if (!found.ok) return found;
    if (found.value.origin === "configuration") {
      const remedy = `Remove it there, or pause it: drover repo pause ${name}`;
      return err(refused("conflict", `${name} stands in the configuration`, remedy));
    }
    const removed = await this.#parts.store.remove(name);
    if (!removed.ok) return removed;
    this.#parts.places.forget(name);
    return ok({ name });
  }

  async check(name: string): Promise<Result<RepositoryView>> {
    const checked = await this.#parts.deliveries.check(name);
    if (!checked.ok) return checked;
    if (checked.value !== null) return this.find(name);
    return err(refused("unsupported", `${name} has no checks`, "Configure a command for test, build or lint"));
  }

  async deliveries(name: string, limit: number): Promise<Result<readonly DeliveryView[]>> {
    const found = await this.find(name);
    const kept = found.ok ? this.#parts.store.deliveries(name, limit) : found;
    return kept.ok ? ok(kept.value.map((one) => ({ ...one, report: { ...one.report } }))) : kept;
  }

  async risk(name: string, branch: string): Promise<Result<AssessmentView>> {
    const rated = await this.#parts.deliveries.risk(name, branch, []);
    if (!rated.ok) return rated;
    const { main, head, decision } = rated.value;
    const report: JsonObject = reportOf(rated.value);
    return ok({ repository: name, branch, base: main, head, tier: decision.tier, report: { ...report } });
  }

  /** A person may let it go further than its risk would. What they name must be there: a wrong id is no delivery. */
  async deliver(name: string, { goal, title, description, approved }: DeliveryWish): Promise<Result<ReceiptView>> {
    const branch = workBranch(goal);
    const isThere = await this.#parts.deliveries.hasBranch(name, branch);
    if (!isThere.ok) return isThere;
    if (!isThere.value) {
      const remedy = "Either no task of it changed anything, or it is another goal: drover goal list";
      return err(refused("not_found", `${name} has no branch ${branch}`, remedy));
    }
    return this.#parts.deliveries.deliver({
      goalId: goal,
      title: title ?? `Goal ${goal}`,
      description: description ?? "",
      repository: name,
      branch,
      models: [],
      ...(approved === undefined ? {} : { approved }),
    });
  }

  #view(one: Registered, conditions: readonly ConditionRecord[]): RepositoryView {
    const { name, branch, priority, paused, origin, forge, checks } = one;
    return {
      name,
      path: one.path ?? null,
      url: one.url ?? null,
      branch,
      priority,
      paused,
      origin,
      forge: { kind: forge.kind, repository: forge.repository ?? null, apiUrl: forge.apiUrl ?? null },
      autonomy: policyOf(one, this.#parts.policy),
      checks: {
        test: checks.test ?? null,
        build: checks.build ?? null,
        lint: checks.lint ?? null,
        afterMerge: checks.afterMerge,
      },
      conditions: conditions
        .filter(({ repository }) => repository === name)
        .map(({ kind, subject, failing, detail, commit, atMs }) => {
          return { kind, subject, failing: [...failing], detail, commit, atMs };
        }),
    };
  }
}
