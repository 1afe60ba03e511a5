import { type Clock, describeFailure, err, type Logger, ok, type Result, refused } from "#base";
import {
  type Alert,
  type AlertChange,
  type AlertStep,
  type Alerts,
  acknowledged,
  keyOf,
  type Raise,
  raised,
  resolved,
} from "./alert.ts";
import type { AlertQuery, AlertStore } from "./alert-store.ts";

/** Open alerts of a node. With more nobody reads them; what comes then is counted under one of its own. */
export const MAX_OPEN_ALERTS = 500;
const OVERFLOW_KEY = "alerts.too_many";

export type AlertNews = { readonly change: AlertChange; readonly alert: Alert };
export type AlertListener = (news: AlertNews) => void;

export type AlertBookParts = {
  readonly store: AlertStore;
  readonly clock: Clock;
  readonly logger: Logger;
};

/**
 * The alerts of this node. Everybody who listens hears of a change once, after it is stored; when the disk takes nothing,
 * they hear of it all the same, and it is stored later.
 */
export class AlertBook implements Alerts {
  readonly #parts: AlertBookParts;
  readonly #open = new Map<string, Alert>();
  /** Alerts whose last change is not on the disk, in the order in which they have to get there. */
  readonly #unstored = new Map<string, Alert>();
  readonly #listeners = new Set<AlertListener>();

  constructor(parts: AlertBookParts) {
    this.#parts = parts;
  }

  /** Takes up what was open when the node stopped. */
  load(): Result<void> {
    const found = this.#parts.store.open();
    if (!found.ok) return found;
    for (const alert of found.value) this.#open.set(alert.key, alert);
    return ok(undefined);
  }

  raise(given: Raise): void {
    const key = keyOf(given.key);
    const open = this.#open.get(key);
    if (open === undefined && this.#open.size >= MAX_OPEN_ALERTS && key !== OVERFLOW_KEY) {
      this.#overflow(key);
      return;
    }
    this.#take(raised(open, given, this.#parts.clock.nowMs()));
  }

  resolve(key: string): void {
    const open = this.#open.get(keyOf(key));
    const step = open === undefined ? undefined : resolved(open, this.#parts.clock.nowMs());
    if (step !== undefined) this.#take(step);
  }

  /** Refused when there is none, or it is over. */
  acknowledge(id: number, by: string, note: string | null): Result<Alert> {
    return this.#change(id, (alert) => acknowledged(alert, by, note, this.#parts.clock.nowMs()));
  }

  /** By a person, for what nothing else will end. */
  close(id: number): Result<Alert> {
    return this.#change(id, (alert) => resolved(alert, this.#parts.clock.nowMs()));
  }

  find(id: number): Result<Alert> {
    const open = [...this.#open.values()].find((alert) => alert.id === id);
    if (open !== undefined) return ok(open);
    const found = this.#parts.store.find(id);
    if (!found.ok) return found;
    if (found.value !== undefined) return ok(found.value);
    return err(refused("not_found", `there is no alert ${id}`, "List them: drover alert list --all"));
  }

  /** The newest first. */
  list(query: AlertQuery): Result<readonly Alert[]> {
    return this.#parts.store.list(query);
  }

  /** The worst first, then the newest. */
  open(): readonly Alert[] {
    const rank = ({ severity }: Alert): number => (severity === "critical" ? 0 : 1);
    return [...this.#open.values()].sort((a, b) => rank(a) - rank(b) || b.raisedAtMs - a.raisedAtMs || b.id - a.id);
  }

  /** Calls back with every change. @returns a function that ends it. */
  onChange(listener: AlertListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stores what the disk did not take before. */
  flush(): void {
    for (const alert of this.#unstored.values()) if (this.#store(alert) === undefined) return;
  }

  #change(id: number, act: (alert: Alert) => AlertStep | undefined): Result<Alert> {
    const found = this.find(id);
    if (!found.ok) return found;
    const step = act(found.value);
    if (step === undefined) return err(refused("conflict", `alert ${id} is over already`, "See: drover alert show ID"));
    this.#take(step);
    return ok(step.alert);
  }

  #overflow(key: string): void {
    const title = "There are too many alerts";
    const message = `${MAX_OPEN_ALERTS} are open; others, such as ${key}, are not taken. Look at the oldest: drover alert list`;
    this.raise({ key: OVERFLOW_KEY, severity: "critical", title, message, source: "alerts" });
  }

  #take({ alert, change, isKept }: AlertStep): void {
    const kept = isKept ? (this.#storeInTurn(alert) ?? alert) : alert;
    if (kept.state === "resolved") this.#open.delete(kept.key);
    else this.#open.set(kept.key, kept);
    if (this.#open.size < MAX_OPEN_ALERTS && alert.key !== OVERFLOW_KEY) this.resolve(OVERFLOW_KEY);
    if (change === null) return;
    for (const listener of this.#listeners) this.#tell(listener, { change, alert: kept });
  }

  /** A listener that throws must not keep the others from hearing. */
  #tell(listener: AlertListener, news: AlertNews): void {
    try {
      listener(news);
    } catch (cause) {
      this.#parts.logger.error("a listener of alerts failed by a bug", { cause: String(cause) });
    }
  }

  /** After those that wait. @returns the alert with its number; undefined when the disk did not take it. */
  #storeInTurn(alert: Alert): Alert | undefined {
    this.flush();
    if (this.#unstored.size === 0) return this.#store(alert);
    this.#unstored.set(nameOf(alert), alert);
    return undefined;
  }

  #store(alert: Alert): Alert | undefined {
    const kept = this.#parts.store.put(alert);
    if (kept.ok) {
      this.#unstored.delete(nameOf(alert));
      const open = this.#open.get(alert.key);
      if (open?.id === 0 && open.raisedAtMs === alert.raisedAtMs) {
        this.#open.set(alert.key, { ...open, id: kept.value.id });
      }
      return kept.value;
    }
    this.#unstored.set(nameOf(alert), alert);
    const failure = describeFailure(kept.error);
    this.#parts.logger.error("an alert could not be stored", { alert: alert.key, failure });
    return undefined;
  }
}

/** One that has no number yet has this all the same. */
function nameOf({ key, raisedAtMs }: Alert): string {
  return `${raisedAtMs} ${key}`;
}
