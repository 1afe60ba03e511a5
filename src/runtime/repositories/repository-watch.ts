/** Looks at repositories by itself, where the fleet's database is written: one after another, now and then, and when a forge says that something happened. */

import { type Clock, describeFailure, type Failure, type Logger, type Result, type Timer } from "#base";
import type { Deliveries, DeliveryNews, Registered } from "#repos";
import type { Alerts } from "#telemetry";
import type { Sharing } from "./sharing.ts";

/** What happens soon after another is looked at with it: a forge tells of one push by several webhooks. */
const SOON_MS = 2_000;

type Parts = {
  readonly deliveries: Pick<Deliveries, "checkMoved" | "followWaiting">;
  readonly sharing: Pick<Sharing, "tidy">;
  /** Those that are not paused. */
  readonly active: () => Result<readonly Registered[]>;
  /** Between two looks; 0: never. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
};

export type WatchStart = {
  /** Whether there is time for checks: pull requests that wait are looked at whatever the mind does. */
  readonly mayCheck: () => boolean;
  readonly alerts: Alerts;
};

export class RepositoryWatch {
  readonly #parts: Parts;
  #started: WatchStart | undefined;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #isWoken = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The first look is soon: what a killed node left unchecked does not wait. */
  start(started: WatchStart): void {
    if (this.#parts.everyMs === 0) return;
    this.#started = started;
    this.#after(SOON_MS);
  }

  /** Something happened at a forge. */
  wake(): void {
    if (this.#started === undefined) return;
    if (this.#looking === undefined) this.#after(SOON_MS);
    else this.#isWoken = true;
  }

  /** What it looks at just now goes on to its end, and is noted: nobody waits for a test suite. */
  stop(): void {
    this.#started = undefined;
    this.#timer?.cancel();
  }

  /** For tests: a look that has begun. */
  get looking(): Promise<void> | undefined {
    return this.#looking;
  }

  #after(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.after(delayMs, () => {
      this.#looking = this.#look().finally(() => {
        this.#looking = undefined;
        const isWoken = this.#isWoken;
        this.#isWoken = false;
        if (this.#started !== undefined) this.#after(isWoken ? SOON_MS : this.#parts.everyMs);
      });
    });
  }

  async #look(): Promise<void> {
    const { active, logger } = this.#parts;
    const all = active();
    if (!all.ok) return; // the database says so itself
    for (const repository of all.value) {
      if (this.#started === undefined) return;
      try {
        await this.#lookAt(repository, this.#started);
      } catch (cause) {
        logger.error("a look at a repository failed by a bug", { repository: repository.name, cause: String(cause) });
      }
    }
  }

  async #lookAt(repository: Registered, { mayCheck, alerts }: WatchStart): Promise<void> {
    const { deliveries, sharing } = this.#parts;
    const { name, forge } = repository;
    const tidied = await sharing.tidy(repository);
    if (!tidied.ok) this.#failed(name, tidied.error);
    if (forge.kind !== "none") {
      const news = await deliveries.followWaiting(name);
      if (news.ok) for (const one of news.value) this.#tell(name, one, alerts);
      else this.#failed(name, news.error);
    }
    if (!mayCheck()) return;
    const checked = await deliveries.checkMoved(name);
    if (!checked.ok) this.#failed(name, checked.error);
  }

  #tell(repository: string, { goal, outcome, detail, link }: DeliveryNews, alerts: Alerts): void {
    this.#parts.logger.info("a delivery waits no longer", { repository, goal, outcome, detail });
    const key = `delivery:${repository}:${goal}`;
    if (outcome === "merged") {
      alerts.resolve(key);
      return;
    }
    const title = `A delivery to ${repository} was not merged`;
    const message = `Goal ${goal}: ${detail}${link === null ? "" : `. Look at ${link}`}`;
    alerts.raise({ key, severity: "warning", title, message, source: "repositories" });
  }

  #failed(repository: string, failure: Failure): void {
    this.#parts.logger.warn("a repository could not be looked at", { repository, failure: describeFailure(failure) });
  }
}
