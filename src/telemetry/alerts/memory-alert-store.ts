import { err, ok, type Result, refused } from "#base";
import type { Alert } from "./alert.ts";
import type { AlertQuery, AlertStore } from "./alert-store.ts";

/** Alerts of one process. */
export class MemoryAlertStore implements AlertStore {
  readonly #alerts = new Map<number, Alert>();
  #lastId = 0;

  open(): Result<readonly Alert[]> {
    return ok(this.#newestFirst().filter(({ state }) => state !== "resolved"));
  }

  put(alert: Alert): Result<Alert> {
    const isTaken =
      alert.id === 0
        ? this.#newestFirst().some(({ key, state }) => key === alert.key && state !== "resolved")
        : (this.#alerts.get(alert.id)?.state ?? "resolved") === "resolved";
    if (isTaken) {
      const message = `an alert ${alert.key} is open already, or this one is over`;
      return err(refused("conflict", message, "List them: drover alert list"));
    }
    if (alert.id === 0) this.#lastId += 1;
    const kept = alert.id === 0 ? { ...alert, id: this.#lastId } : alert;
    this.#alerts.set(kept.id, kept);
    return ok(kept);
  }

  find(id: number): Result<Alert | undefined> {
    return ok(this.#alerts.get(id));
  }

  list({ below = Number.MAX_SAFE_INTEGER, limit, states }: AlertQuery): Result<readonly Alert[]> {
    const wanted = this.#newestFirst().filter(({ id, state }) => id < below && states?.includes(state) !== false);
    return ok(wanted.slice(0, limit));
  }

  prune(beforeMs: number, keep: number): Result<number> {
    const over = this.#newestFirst().filter(({ state }) => state === "resolved");
    const gone = over.filter(({ resolvedAtMs }, index) => index >= keep || (resolvedAtMs ?? 0) < beforeMs);
    for (const { id } of gone) this.#alerts.delete(id);
    return ok(gone.length);
  }

  #newestFirst(): readonly Alert[] {
    return [...this.#alerts.values()].sort((a, b) => b.id - a.id);
  }
}
