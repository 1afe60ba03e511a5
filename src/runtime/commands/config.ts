import { type ConfigShowOptions, type Console, EXIT, type GlobalOptions } from "#cli";
import { SETTINGS } from "../config/settings.ts";
import { shownSettings } from "../config/shown-settings.ts";
import { mindRules } from "../mind/mind-rules.ts";
import { checkEndpoints } from "../models/known-endpoints.ts";
import { sandboxPlanOf } from "../models/task-plans.ts";
import { otherProcesses } from "../other-processes.ts";
import { releaseOptions } from "../release-options.ts";
import { checkRules } from "../telemetry/open-telemetry.ts";
import { settingsOf } from "./settings.ts";

export async function configShow(options: ConfigShowOptions, console: Console): Promise<number> {
  const loaded = settingsOf(options);
  if (!loaded.ok) return console.fail(loaded.error);
  const entries = shownSettings(loaded.value).map(({ name, value, origin }) => ({
    name,
    value,
    ...(options.origin ? { origin } : {}),
    about: SETTINGS[name].about,
  }));
  if (console.json) {
    console.document({ file: loaded.value.file, settings: entries });
    return 0;
  }
  console.table(entries, [
    { title: "SETTING", value: (entry) => entry.name },
    { title: "VALUE", value: (entry) => JSON.stringify(entry.value) },
    ...(options.origin ? [{ title: "FROM", value: (entry: (typeof entries)[number]) => entry.origin ?? "" }] : []),
  ]);
  return 0;
}

export async function configCheck(options: GlobalOptions, console: Console): Promise<number> {
  const loaded = settingsOf(options);
  if (!loaded.ok) return console.fail(loaded.error);
  const { config, file } = loaded.value;
  const parts = [
    checkEndpoints(config),
    mindRules(config),
    sandboxPlanOf(config),
    otherProcesses(config, process.env),
    releaseOptions(config),
    checkRules(config),
  ];
  const unsound = parts.find(({ ok }) => !ok);
  if (unsound?.ok === false) return console.fail({ failure: unsound.error, exit: EXIT.usage });
  if (console.json) console.document({ ok: true, file });
  else console.line(file === null ? "No configuration file; defaults and environment are sound." : `${file} is sound.`);
  return 0;
}
