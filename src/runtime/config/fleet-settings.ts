/** Which settings may hold for a whole fleet, and the layer of the configuration that they make on each node. */
import { err, type JsonValue, nearest, ok, type Result, refused } from "#base";
import { FLEET_ORIGIN, fromText, type LoadedConfig, reasonOf } from "./load.ts";
import { isSettingPath, SETTING_PATHS, SETTINGS, type SettingPath } from "./settings.ts";

/**
 * Rules for tasks, models and money, which mean the same on every host. Nothing that names a path, a secret, an address,
 * a host or its hardware, and nothing that a node needs before it knows its fleet.
 */
const FLEET_SECTIONS = [
  "tiers.",
  "limits.",
  "budgets.",
  "inference.",
  "executor.ollama.allow_spill",
  "executor.claude.models",
  "executor.claude.fallback",
  "log.level",
];
/** How much disk is little depends on the disk. */
const OF_ONE_HOST: readonly SettingPath[] = ["limits.disk_low_bytes"];

export const FLEET_PATHS: readonly SettingPath[] = SETTING_PATHS.filter(
  (path) => FLEET_SECTIONS.some((section) => path.startsWith(section)) && !OF_ONE_HOST.includes(path),
);

function isFleetPath(key: string): key is SettingPath {
  return FLEET_PATHS.some((path) => path === key);
}

/** @returns the value as the schema has it; a refusal that says what is wrong and what to do. */
export function checkFleetSetting(key: string, value: JsonValue): Result<JsonValue> {
  const path = fleetPathOf(key);
  if (!path.ok) return path;
  const parsed = SETTINGS[path.value].schema.safeParse(value);
  // `as`: the schemas of these settings give JSON.
  if (parsed.success) return ok(parsed.data as JsonValue);
  return err(refused("invalid", `${key} ${reasonOf(parsed.error)}`, `What it is: ${SETTINGS[path.value].about}`));
}

/** @returns a value that was typed, as an environment variable has it. */
export function fleetSettingFromText(key: string, text: string): Result<JsonValue> {
  const path = fleetPathOf(key);
  // `as`: JSON, a text or a list of texts.
  return path.ok ? checkFleetSetting(key, fromText(path.value, text) as JsonValue) : path;
}

function fleetPathOf(key: string): Result<SettingPath> {
  if (isFleetPath(key)) return ok(key);
  const shown = key.slice(0, 100);
  if (isSettingPath(key)) {
    const remedy = "Set it in each node's own configuration. For all nodes: tiers, limits, budgets, inference";
    return err(refused("unsupported", `${shown} is a setting of one node, and not of a fleet`, remedy));
  }
  const suggestion = nearest(key, FLEET_PATHS);
  const hint = suggestion === undefined ? "See: drover config show" : `Did you mean ${suggestion}?`;
  return err(refused("invalid", `${shown} is not a setting`, hint));
}

export type FleetValues = ReadonlyMap<SettingPath, JsonValue>;

/** What this release knows and takes; what a newer one may set is passed over, and must not keep a node from starting. */
export function usableSettings(rows: readonly { readonly key: string; readonly value: JsonValue }[]): FleetValues {
  const usable = new Map<SettingPath, JsonValue>();
  for (const { key, value } of rows) {
    const checked = checkFleetSetting(key, value);
    if (checked.ok && isSettingPath(key)) usable.set(key, checked.value);
  }
  return usable;
}

/**
 * Puts what the fleet says now into the configuration that every part of this process reads. Whatever a fleet may set is
 * read where it is used and kept nowhere: what begins from then on goes by it.
 * @returns what has changed
 */
export function takeUp(loaded: LoadedConfig, now: FleetValues): readonly SettingPath[] {
  // `as`: nobody else changes it, and each value is as its own schema has it.
  const config = loaded.config as unknown as Record<SettingPath, unknown>;
  const origins = loaded.origins as Record<SettingPath, string>;
  const changed = pendingSettings(loaded, now);
  for (const path of changed) {
    config[path] = now.has(path) ? now.get(path) : SETTINGS[path].initial;
    origins[path] = now.has(path) ? FLEET_ORIGIN : "default";
  }
  return changed;
}

/** Settings by which also goes what runs already. */
const AT_ONCE = ["log.level", "budgets.", "limits.open_tasks", "limits.low_lanes_percent"];

/** @returns from when on a node goes by a setting of its fleet. */
export function holdsFrom(path: string): "at once" | "what begins from now on" {
  return AT_ONCE.some((start) => path.startsWith(start)) ? "at once" : "what begins from now on";
}

/** @returns settings that have another value than the fleet says now. */
export function pendingSettings({ config, origins }: LoadedConfig, now: FleetValues): readonly SettingPath[] {
  return FLEET_PATHS.filter((path) => {
    // What the node itself says goes before what the fleet says.
    if (origins[path] !== FLEET_ORIGIN && origins[path] !== "default") return false;
    const next = now.has(path) ? now.get(path) : SETTINGS[path].initial;
    return JSON.stringify(next) !== JSON.stringify(config[path]);
  });
}
