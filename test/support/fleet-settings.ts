import type { FleetSettingsPort } from "#api";
import { type Clock, createIdFactory, SimulatedClock, seededRandom } from "#base";
import { FEATURE_LEVEL, HubSettings } from "#fleet";
import { MemoryQueueStore, type QueueStore } from "#queue";
import { checkFleetSetting } from "../../src/runtime/config/fleet-settings.ts";
import { portOf } from "../../src/runtime/fleet/open-fleet-settings.ts";

/** The settings of a hub over a store in memory. */
export function hubSettings(
  over: { readonly store?: QueueStore; readonly level?: () => number; readonly clock?: Clock } = {},
): FleetSettingsPort {
  const clock = over.clock ?? new SimulatedClock();
  const settings = new HubSettings({
    store: over.store ?? new MemoryQueueStore(),
    node: createIdFactory(clock, seededRandom(17)).node(),
    check: checkFleetSetting,
    level: over.level ?? (() => FEATURE_LEVEL),
    clock,
  });
  return portOf(settings, () => []);
}
