/** Takes up what the fleet sets, at once, and keeps it where this node's next start finds it. */
import { describeFailure, type Logger } from "#base";
import type { FleetSettings } from "#fleet";
import type { Queue } from "#queue";
import { type FleetValues, pendingSettings, takeUp, usableSettings } from "../config/fleet-settings.ts";
import { readFleetSettings, writeFleetSettings } from "../config/fleet-settings-file.ts";
import type { LoadedConfig } from "../config/load.ts";

export type SettingsWatchParts = {
  readonly settings: Pick<FleetSettings, "list">;
  readonly store: Pick<Queue["store"], "subscribe">;
  /** As this process has it; changed when the fleet changes. */
  readonly loaded: LoadedConfig;
  readonly stateDir: string;
  readonly logger: Logger;
};

export class SettingsWatch {
  readonly #parts: SettingsWatchParts;
  #now: FleetValues;
  /** On the disk. */
  #isKept = true;
  #looking: Promise<void> = Promise.resolve();
  readonly #end: () => void;

  constructor(parts: SettingsWatchParts) {
    this.#parts = parts;
    this.#now = readFleetSettings(parts.stateDir);
    this.#end = parts.store.subscribe((events) => {
      if (events.some(({ kind }) => kind === "setting.changed" || kind === "setting.removed")) void this.look();
    });
  }

  /** What is not taken up yet. */
  pending(): readonly string[] {
    return pendingSettings(this.#parts.loaded, this.#now);
  }

  /** One after the other; what comes last is what is kept. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look());
    return this.#looking;
  }

  stop(): void {
    this.#end();
  }

  async #look(): Promise<void> {
    const { settings, stateDir, logger } = this.#parts;
    const rows = await settings.list();
    if (!rows.ok) {
      logger.warn("the settings of the fleet cannot be read", { why: describeFailure(rows.error) });
      return;
    }
    const next = usableSettings(rows.value);
    const isNew = asText(next) !== asText(this.#now);
    this.#now = next;
    const changed = takeUp(this.#parts.loaded, next);
    if (changed.length > 0) logger.info("settings of the fleet have changed", { settings: changed.join(", ") });
    if (!isNew && this.#isKept) return;
    try {
      writeFleetSettings(stateDir, next);
      this.#isKept = true;
    } catch (cause) {
      this.#isKept = false;
      logger.warn("the settings of the fleet hold, and are not kept for the next start", { cause: String(cause) });
    }
  }
}

function asText(values: FleetValues): string {
  return JSON.stringify([...values].sort(([a], [b]) => (a < b ? -1 : 1)));
}
