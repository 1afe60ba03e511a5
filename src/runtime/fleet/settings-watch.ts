/** Keeps what the fleet set where this node's next start finds it, and knows what that start would change. */
import { describeFailure, type Logger } from "#base";
import type { FleetSettings } from "#fleet";
import type { Queue } from "#queue";
import { type FleetValues, pendingSettings, usableSettings } from "../config/fleet-settings.ts";
import { readFleetSettings, writeFleetSettings } from "../config/fleet-settings-file.ts";
import type { LoadedConfig } from "../config/load.ts";

export type SettingsWatchParts = {
  readonly settings: Pick<FleetSettings, "list">;
  readonly store: Pick<Queue["store"], "subscribe">;
  /** As this process has it. */
  readonly loaded: LoadedConfig;
  readonly stateDir: string;
  readonly logger: Logger;
};

export class SettingsWatch {
  readonly #parts: SettingsWatchParts;
  #now: FleetValues;
  #looking: Promise<void> = Promise.resolve();
  readonly #end: () => void;

  constructor(parts: SettingsWatchParts) {
    this.#parts = parts;
    this.#now = readFleetSettings(parts.stateDir);
    this.#end = parts.store.subscribe((events) => {
      if (events.some(({ kind }) => kind === "setting.changed" || kind === "setting.removed")) void this.look();
    });
  }

  /** What the next start would change. */
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
    if (asText(next) === asText(this.#now)) return;
    try {
      writeFleetSettings(stateDir, next);
    } catch (cause) {
      logger.warn("the settings of the fleet were not kept", { cause: String(cause) });
      return;
    }
    this.#now = next;
    const due = this.pending();
    if (due.length === 0) return;
    logger.info("settings of the fleet have changed; they hold from the next start on", { settings: due.join(", ") });
  }
}

function asText(values: FleetValues): string {
  return JSON.stringify([...values].sort(([a], [b]) => (a < b ? -1 : 1)));
}
