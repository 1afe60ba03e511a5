/** The settings as they are shown to people and programs: with everything that looks like a secret taken out. */
import { redactValue } from "#base";
import type { LoadedConfig } from "./load.ts";
import { SETTING_PATHS, type SettingPath } from "./settings.ts";

export type ShownSetting = { readonly name: SettingPath; readonly value: unknown; readonly origin: string };

export function shownSettings({ config, origins }: LoadedConfig): readonly ShownSetting[] {
  return SETTING_PATHS.map((name) => ({ name, value: redactValue(config[name]), origin: origins[name] }));
}
