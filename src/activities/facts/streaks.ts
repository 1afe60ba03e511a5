/** How often in a row a check failed, by what was checked. Kept in memory: a process that starts anew has seen nothing. */
import type { Fault } from "#fsm";

export class Streaks {
  readonly #kind: "databaseFailing" | "nodeFailing";
  readonly #failed = new Map<string, number>();

  constructor(kind: "databaseFailing" | "nodeFailing") {
    this.#kind = kind;
  }

  checked(target: string, isWell: boolean): void {
    if (isWell) this.#failed.delete(target);
    else this.#failed.set(target, (this.#failed.get(target) ?? 0) + 1);
  }

  /** What is not checked any more is forgotten. */
  only(targets: ReadonlySet<string>): void {
    for (const target of this.#failed.keys()) if (!targets.has(target)) this.#failed.delete(target);
  }

  faults(healthyAttempts: (target: string) => number): readonly Fault[] {
    return [...this.#failed].map(([target, level]) => ({
      kind: this.#kind,
      target,
      level,
      healthyAttempts: healthyAttempts(target),
    }));
  }
}
