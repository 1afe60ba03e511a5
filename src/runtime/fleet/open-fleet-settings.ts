/** The settings of a fleet, as this node reads, changes and takes them up. */
import type { FleetSettingsPort } from "#api";
import type { Clock, Logger } from "#base";
import { type Fleet, type FleetSettings, HubSettings, RemoteSettings } from "#fleet";
import { checkFleetSetting, FLEET_PATHS, fleetSettingFromText, holdsFrom } from "../config/fleet-settings.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Engine } from "../engine.ts";
import { SettingsWatch } from "./settings-watch.ts";

export type FleetSettingsParts = {
  readonly engine: Pick<Engine, "queue" | "nodeId">;
  readonly fleet: Pick<Fleet, "client" | "standing">;
  readonly loaded: LoadedConfig;
  readonly stateDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
};

export type OpenFleetSettings = { readonly port: FleetSettingsPort; readonly watch: SettingsWatch };

export function openFleetSettings(parts: FleetSettingsParts): OpenFleetSettings {
  const { engine, fleet } = parts;
  const { store } = engine.queue;
  const settings: FleetSettings =
    fleet.client === undefined
      ? new HubSettings({
          store,
          node: engine.nodeId,
          check: checkFleetSetting,
          level: () => fleet.standing().featureLevel,
          clock: parts.clock,
        })
      : new RemoteSettings(store, fleet.client);
  const watch = new SettingsWatch({ ...parts, settings, store });
  return { watch, port: portOf(settings, () => watch.pending()) };
}

/** @param pending what this node has not taken up yet */
export function portOf(settings: FleetSettings, pending: () => readonly string[]): FleetSettingsPort {
  return {
    list: () => settings.list(),
    set: (key, value) => settings.set(key, value),
    unset: (key) => settings.unset(key),
    keys: FLEET_PATHS,
    check: checkFleetSetting,
    read: fleetSettingFromText,
    pending,
    holdsFrom,
  };
}
