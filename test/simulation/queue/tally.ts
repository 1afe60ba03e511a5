import type { QueueEvent } from "#queue";

/** How often what happened. A run in which nothing happens proves nothing, so the suites demand minimum numbers. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    this.#counts.set(name, this.count(name) + 1);
  }

  saw(event: QueueEvent): void {
    this.add(event.kind);
    if (event.kind === "task.dead" && event.data["dependency"] !== undefined) this.add("cascades");
    if (event.kind === "task.redriven" && event.data["because"] !== undefined) this.add("revivals");
  }

  count(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** @returns what happened less often than demanded, in words. */
  missing(minimum: Readonly<Record<string, number>>): readonly string[] {
    return Object.entries(minimum)
      .filter(([name, count]) => this.count(name) < count)
      .map(([name, count]) => `${name}: ${this.count(name)} of at least ${count}`);
  }

  toString(): string {
    return [...this.#counts].map(([name, count]) => `${name} ${count}`).join(", ");
  }
}
