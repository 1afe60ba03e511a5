/** What this node holds back so that it goes on: tasks that are not urgent, disk, and builds. */
import { statfsSync } from "node:fs";
import { type Clock, describeFailure, type Failure, type JsonObject, type Logger, refused, retryable } from "#base";
import type { AnnouncementKind, Queue } from "#queue";
import type { Config } from "../config/settings.ts";
import { MAX_FAILURES } from "../source-build/build-failures.ts";
import { CLOSED, highIsBad, type LevelBreaker, type LevelEvent, lowIsBad, stepLevel } from "./level-breaker.ts";

export type LevelName = "queue" | "disk" | "builds";

export type LevelView = LevelBreaker & {
  readonly name: LevelName;
  readonly value: number;
  readonly limit: number;
  readonly detail: string;
};

export type FailsafeParts = {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly freeBytes: () => number;
};

/** What counts builds from source that failed. */
export interface BuildFailures {
  recentFailures(nowMs: number): number;
  forgive(nowMs: number): void;
}

/** Below 90 % of where it opened a breaker closes. */
const CLOSES_BELOW = 0.9;
/** Above 120 % of where it opened that of the disk closes. */
const CLOSES_ABOVE = 1.2;
const CHANGES = { opened: "failsafe.opened", closed: "failsafe.closed", reset: "failsafe.reset" } as const;

export class Failsafes {
  readonly #parts: FailsafeParts;
  readonly #levels: Record<LevelName, LevelBreaker> = { queue: CLOSED, disk: CLOSED, builds: CLOSED };
  #queue: Queue | undefined;
  #builds: BuildFailures | undefined;
  #failedBuilds = 0;
  #openTasks = 0;
  #freeBytes = Number.POSITIVE_INFINITY;
  #refused = 0;

  constructor(parts: FailsafeParts) {
    this.#parts = parts;
  }

  /** Everything that must not be lost while the disk is low. */
  get isDiskLow(): boolean {
    return this.#levels.disk.state === "open";
  }

  /** Why no build may begin; undefined when one may. As of the last look. */
  get buildsHeld(): Failure | undefined {
    if (this.isDiskLow) {
      const message = `no release is built while the disk is low: ${this.#detailOf("disk")}`;
      return retryable("disk_full", message, "Free some space in the state folder's file system");
    }
    if (this.#levels.builds.state !== "open") return undefined;
    const remedy = "See why: drover releases. Then wait, or: drover breakers reset builds";
    return refused("limit", `no release is built: ${this.#detailOf("builds")}`, remedy);
  }

  /** Open tasks up to which the lanes low and background take more. */
  readonly lowLaneTasks = (): number => {
    switch (this.#levels.queue.state) {
      case "closed":
        return this.#lowLaneLimit;
      case "open":
        return 0;
      case "overridden":
        return Number.POSITIVE_INFINITY;
    }
  };

  /** Tasks of those lanes were refused for that. */
  readonly lowLanesRefused = (): void => {
    this.#refused += 1;
    this.#tell("queue", { kind: "read", reading: "bad" });
  };

  /** @param queue whose tasks are counted, and whose history tells of changes */
  watch(queue: Queue): void {
    this.#queue = queue;
  }

  /** @param builds whose failures hold further ones back */
  watchBuilds(builds: BuildFailures): void {
    this.#builds = builds;
  }

  /** Looks at everything. Never throws. */
  async look(): Promise<void> {
    const { config, logger, freeBytes } = this.#parts;
    try {
      this.#freeBytes = freeBytes();
      const opensBelow = config["limits.disk_low_bytes"];
      const disk = lowIsBad(this.#freeBytes, { opensBelow, closesAt: opensBelow * CLOSES_ABOVE });
      this.#tell("disk", { kind: "read", reading: disk });
      this.#lookAtBuilds();
      const lanes = await this.#queue?.store.lanes();
      if (lanes === undefined || !lanes.ok) return; // the store says so itself; the next look comes soon
      this.#openTasks = lanes.value.reduce(
        (sum, { counts }) => sum + counts.waiting + counts.ready + counts.running,
        0,
      );
      const opensAt = this.#lowLaneLimit;
      const queue = highIsBad(this.#openTasks, { opensAt, closesBelow: opensAt * CLOSES_BELOW });
      this.#tell("queue", { kind: "read", reading: queue });
    } catch (cause) {
      logger.error("the look at the failsafes failed", { cause: String(cause) });
    }
  }

  /** @returns whether it was open. */
  reset(name: LevelName): boolean {
    // What failed before is forgotten, so that three more are needed, and not one.
    if (name === "builds") this.#builds?.forgive(this.#parts.clock.nowMs());
    return this.#tell(name, { kind: "reset" });
  }

  view(): readonly LevelView[] {
    const mib = (bytes: number): number => Math.floor(bytes / 1024 / 1024);
    const lowBytes = this.#parts.config["limits.disk_low_bytes"];
    const free = Number.isFinite(this.#freeBytes) ? this.#freeBytes : lowBytes;
    const limit = Math.min(this.#lowLaneLimit, this.#parts.config["limits.open_tasks"]);
    return [
      {
        name: "queue",
        ...this.#levels.queue,
        value: this.#openTasks,
        limit,
        detail: `${this.#openTasks} tasks have not ended; from ${limit} on the lanes low and background take none`,
      },
      {
        name: "disk",
        ...this.#levels.disk,
        value: free,
        limit: lowBytes,
        detail: `${mib(free)} MiB are free; below ${mib(lowBytes)} no release is taken or built and less is kept`,
      },
      {
        name: "builds",
        ...this.#levels.builds,
        value: this.#failedBuilds,
        limit: MAX_FAILURES,
        detail: `${this.#failedBuilds} builds from source failed within an hour; from ${MAX_FAILURES} on none is begun`,
      },
    ];
  }

  get #lowLaneLimit(): number {
    const { config } = this.#parts;
    const percent = config["limits.low_lanes_percent"];
    return percent === 100 ? Number.POSITIVE_INFINITY : Math.floor((config["limits.open_tasks"] * percent) / 100);
  }

  #tell(name: LevelName, event: LevelEvent): boolean {
    const { clock, logger } = this.#parts;
    const { breaker, change } = stepLevel(this.#levels[name], event, clock.nowMs());
    this.#levels[name] = breaker;
    if (change === null) return false;
    const detail = this.#detailOf(name);
    logger.warn(`the failsafe ${name} was ${change}`, { detail });
    const refused = name === "queue" && change === "closed" ? { refused: this.#refused } : {};
    if (name === "queue" && change === "closed") this.#refused = 0;
    void this.#announce(CHANGES[change], { name, detail, ...refused });
    return true;
  }

  #lookAtBuilds(): void {
    if (this.#builds === undefined) return;
    this.#failedBuilds = this.#builds.recentFailures(this.#parts.clock.nowMs());
    const limits = { opensAt: MAX_FAILURES, closesBelow: MAX_FAILURES };
    this.#tell("builds", { kind: "read", reading: highIsBad(this.#failedBuilds, limits) });
  }

  #detailOf(name: LevelName): string {
    return this.view().find((one) => one.name === name)?.detail ?? "";
  }

  async #announce(kind: AnnouncementKind, data: JsonObject): Promise<void> {
    const told = await this.#queue?.announce(kind, data);
    if (told?.ok !== false) return;
    this.#parts.logger.warn("an alert could not be kept", { failure: describeFailure(told.error) });
  }
}

export function freeBytesOf(stateDir: string): number {
  const disk = statfsSync(stateDir);
  return disk.bavail * disk.bsize;
}
