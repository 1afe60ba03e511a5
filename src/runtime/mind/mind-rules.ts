/** The rules of the mind as the configuration has them. */
import { err, type FieldFault, nearest, ok, type Result, refused } from "#base";
import { checkSettings, DEFAULT_RULES, DEFAULT_SETTINGS, type FsmRules, type FsmSettings, SETTING_BOUNDS } from "#fsm";
import type { Config } from "../config/settings.ts";

/** Tables of the configuration, and the groups of the machine that they are. */
const TABLES = {
  "fsm.dwell_ms": "dwellMs",
  "fsm.deadline_ms": "deadlineMs",
  "fsm.entries_per_period": "entriesPerPeriod",
  "fsm.enter_at": "enterAt",
  "fsm.leave_at": "leaveAt",
  "fsm.healing": "healing",
  "fsm.pace": "pace",
} as const satisfies { readonly [Path in keyof Config]?: keyof typeof SETTING_BOUNDS };

type Table = keyof typeof TABLES;
// `as`: Object.entries forgets the literal types of its argument.
const ENTRIES = Object.entries(TABLES) as readonly (readonly [Table, (typeof TABLES)[Table]])[];

/** @returns the defaults with what the configuration says in their place; a refusal that names each wrong number. */
export function mindRules(config: Pick<Config, Table>): Result<FsmRules> {
  const settings: Record<string, Record<string, number>> = {};
  const faults: FieldFault[] = [];
  for (const [path, group] of ENTRIES) {
    const bounds: Readonly<Record<string, unknown>> = SETTING_BOUNDS[group];
    const values: Record<string, number> = { ...DEFAULT_SETTINGS[group] };
    for (const [given, value] of Object.entries(config[path])) {
      const name = given.replaceAll(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase());
      if (Object.hasOwn(bounds, name)) values[name] = value;
      else faults.push({ path: `${path}.${given}`, reason: unknown(given, Object.keys(bounds)) });
    }
    settings[group] = values;
  }
  if (faults.length > 0) return err(wrong(faults));
  // `as`: each group was filled from the defaults just now.
  const checked = checkSettings(settings as unknown as FsmSettings);
  if (checked.ok) return ok({ ...DEFAULT_RULES, settings: checked.value });
  return err(
    wrong((checked.error.faults ?? []).map(({ path, reason }) => ({ path: named(path), reason: said(reason) }))),
  );
}

function unknown(given: string, names: readonly string[]): string {
  const suggestion = nearest(given, names.map(snake));
  return `is not a setting${suggestion === undefined ? "" : `; did you mean ${suggestion}?`}`;
}

/** `enterAt.diskLow` → `fsm.enter_at.disk_low` */
function named(path: string): string {
  const [group = "", name = ""] = path.split(".");
  const table = ENTRIES.find(([, each]) => each === group);
  return `${table?.[0] ?? group}.${snake(name)}`;
}

/** Names of others in a reason are those of the configuration, too. */
function said(reason: string): string {
  return reason.replaceAll(/\b(?:dwellMs|leaveAt|healing)\.[A-Za-z]+/g, named);
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function wrong(faults: readonly FieldFault[]): ReturnType<typeof refused> {
  const list = faults.map(({ path, reason }) => `${path} ${reason}`).join("; ");
  return refused("invalid", `configuration: ${list}`, "Correct it, then check with: drover config check", faults);
}
