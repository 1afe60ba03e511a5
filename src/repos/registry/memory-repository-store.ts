import { ok, type Result } from "#base";
import type { Repository, RepositoryEntry } from "./repository.ts";
import type { ConditionRecord, DeliveryRecord, RepositoryStore } from "./repository-store.ts";

/** For a node that keeps nothing, and for tests. */
export class MemoryRepositoryStore implements RepositoryStore {
  readonly #entries = new Map<string, RepositoryEntry>();
  readonly #deliveries = new Map<string, DeliveryRecord>();
  readonly #conditions = new Map<string, ConditionRecord>();

  entries(): Result<readonly RepositoryEntry[]> {
    return ok([...this.#entries.values()]);
  }

  async add(repository: Repository): Promise<Result<void>> {
    this.#entries.set(repository.name, { name: repository.name, added: repository, paused: undefined });
    return ok(undefined);
  }

  async setPaused(name: string, paused: boolean): Promise<Result<void>> {
    this.#entries.set(name, { name, added: this.#entries.get(name)?.added, paused });
    return ok(undefined);
  }

  async remove(name: string): Promise<Result<boolean>> {
    for (const [key, { repository }] of this.#conditions) if (repository === name) this.#conditions.delete(key);
    return ok(this.#entries.delete(name));
  }

  async putDelivery(delivery: DeliveryRecord): Promise<Result<void>> {
    this.#deliveries.set(delivery.id, delivery);
    return ok(undefined);
  }

  deliveries(repository: string | undefined, limit: number): Result<readonly DeliveryRecord[]> {
    const all = [...this.#deliveries.values()].filter(
      (one) => repository === undefined || one.repository === repository,
    );
    return ok(all.toSorted(newestFirst).slice(0, limit));
  }

  deliveryOf(repository: string, goal: string): Result<DeliveryRecord | undefined> {
    const all = [...this.#deliveries.values()].filter((one) => one.repository === repository && one.goal === goal);
    return ok(all.toSorted(newestFirst)[0]);
  }

  async putCondition(condition: ConditionRecord): Promise<Result<void>> {
    const key = `${condition.repository} ${condition.kind} ${condition.subject}`;
    if (condition.failing.length === 0) this.#conditions.delete(key);
    else this.#conditions.set(key, condition);
    return ok(undefined);
  }

  conditions(): Result<readonly ConditionRecord[]> {
    return ok([...this.#conditions.values()]);
  }
}

function newestFirst(left: DeliveryRecord, right: DeliveryRecord): number {
  return right.atMs - left.atMs || (left.id < right.id ? 1 : -1);
}
