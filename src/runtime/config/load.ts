import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { z } from "zod";
import { err, type FieldFault, nearest, ok, type Result, refused } from "#base";
import { type Config, environmentName, isSettingPath, SETTING_PATHS, SETTINGS, type SettingPath } from "./settings.ts";

/** How it is named that a value came from the fleet. */
export const FLEET_ORIGIN = "fleet";

/** Where a value came from: `default`, `fleet`, a file's path, or the name of an environment variable or flag. */
export type Origins = Readonly<Record<SettingPath, string>>;
export type LoadedConfig = { readonly config: Config; readonly origins: Origins; readonly file: string | null };

export type ConfigSources = {
  /** `--config`; must exist when given. */
  readonly file: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Values of flags by setting path. */
  readonly flags: Readonly<Partial<Record<SettingPath, unknown>>>;
  /** What the fleet says, for what this node does not say itself. */
  readonly fleet?: ReadonlyMap<SettingPath, unknown>;
};

/** More is not a configuration. */
const MAX_CONFIG_BYTES = 1024 * 1024;

type Layer = { readonly origin: (path: SettingPath) => string; readonly values: ReadonlyMap<SettingPath, unknown> };

/** Defaults, then what the fleet says, then one file, then the environment, then flags; each value is checked where it came from. */
export function loadConfig(sources: ConfigSources): Result<LoadedConfig> {
  const file = findFile(sources);
  if (!file.ok) return file;
  const layers: Layer[] = [{ origin: () => FLEET_ORIGIN, values: sources.fleet ?? new Map() }];
  if (file.value !== null) {
    const path = file.value;
    const values = readFile(path);
    if (!values.ok) return values;
    layers.push({ origin: () => path, values: values.value });
  }
  const environment = readEnvironment(sources.env);
  if (!environment.ok) return environment;
  layers.push({ origin: environmentName, values: environment.value });
  // `as`: the flags' keys are setting paths by type.
  const flags = Object.entries(sources.flags) as [SettingPath, unknown][];
  layers.push({
    origin: (path) => `flag for ${path}`,
    values: new Map(flags.filter(([, value]) => value !== undefined)),
  });
  return merge(layers, file.value);
}

function findFile(sources: ConfigSources): Result<string | null> {
  const asked = sources.file ?? sources.env["DROVER_CONFIG"];
  if (asked !== undefined && asked !== "") {
    if (existsSync(asked)) return ok(asked);
    return err(
      refused(
        "not_found",
        `there is no configuration file ${asked}`,
        "Check the path given by --config or DROVER_CONFIG",
      ),
    );
  }
  const home = sources.env["XDG_CONFIG_HOME"] ?? join(sources.env["HOME"] ?? homedir(), ".config");
  const places = [join(sources.cwd, "drover.toml"), join(home, "drover", "drover.toml"), "/etc/drover/drover.toml"];
  return ok(places.find((place) => existsSync(place)) ?? null);
}

function readFile(path: string): Result<ReadonlyMap<SettingPath, unknown>> {
  let tree: unknown;
  try {
    const text = readFileSync(path, "utf8");
    if (text.length > MAX_CONFIG_BYTES) {
      return err(
        refused("too_large", `${path} is larger than ${MAX_CONFIG_BYTES} bytes`, "Is it a configuration file?"),
      );
    }
    tree = Bun.TOML.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return err(refused("invalid", `cannot read ${path}: ${reason}`, "It must be TOML; see the README for an example"));
  }
  const values = new Map<SettingPath, unknown>();
  const faults: FieldFault[] = [];
  flatten(tree, "", values, faults);
  if (faults.length > 0) return err(invalid(path, faults));
  return ok(values);
}

/** Walks tables down to settings; a table that is no prefix of any setting is a fault. */
function flatten(value: unknown, path: string, values: Map<SettingPath, unknown>, faults: FieldFault[]): void {
  if (isSettingPath(path)) {
    values.set(path, value);
    return;
  }
  const isSection = path === "" || SETTING_PATHS.some((known) => known.startsWith(`${path}.`));
  if (isSection && typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [name, field] of Object.entries(value))
      flatten(field, path === "" ? name : `${path}.${name}`, values, faults);
    return;
  }
  const suggestion = nearest(path, SETTING_PATHS);
  const hint = suggestion === undefined ? "" : `; did you mean ${suggestion}?`;
  faults.push({ path, reason: isSection ? "must be a table" : `is not a setting${hint}` });
}

/** Variables that mean something else and are no settings. */
const OTHER_VARIABLES = new Set(["DROVER_CONFIG", "DROVER_STATE", "DROVER_URL", "DROVER_TOKEN"]);

function readEnvironment(env: ConfigSources["env"]): Result<ReadonlyMap<SettingPath, unknown>> {
  const values = new Map<SettingPath, unknown>();
  for (const path of SETTING_PATHS) {
    const text = env[environmentName(path)];
    if (text !== undefined) values.set(path, fromText(path, text));
  }
  const sections = [...new Set(SETTING_PATHS.map((path) => `DROVER_${path.split(".")[0]?.toUpperCase() ?? ""}_`))];
  const known = new Set(SETTING_PATHS.map(environmentName));
  const faults = Object.keys(env)
    .filter((name) => sections.some((section) => name.startsWith(section)))
    .filter((name) => !known.has(name) && !OTHER_VARIABLES.has(name))
    .map((name) => {
      const suggestion = nearest(name, [...known]);
      return {
        path: name,
        reason: `is not a setting${suggestion === undefined ? "" : `; did you mean ${suggestion}?`}`,
      };
    });
  return faults.length > 0 ? err(invalid("the environment", faults)) : ok(values);
}

/** Numbers, lists and tables are written as JSON in a variable; a plain list may be separated by commas. */
export function fromText(path: SettingPath, text: string): unknown {
  const { initial } = SETTINGS[path];
  if (typeof initial === "string") return text;
  try {
    return JSON.parse(text);
  } catch {
    return Array.isArray(initial) ? text.split(",").map((item) => item.trim()) : text;
  }
}

function merge(layers: readonly Layer[], file: string | null): Result<LoadedConfig> {
  const config: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  for (const path of SETTING_PATHS) {
    config[path] = SETTINGS[path].initial;
    origins[path] = "default";
    for (const layer of layers) {
      if (!layer.values.has(path)) continue;
      const parsed = SETTINGS[path].schema.safeParse(layer.values.get(path));
      if (!parsed.success) return err(invalid(layer.origin(path), [{ path, reason: reasonOf(parsed.error) }]));
      config[path] = parsed.data;
      origins[path] = layer.origin(path);
    }
  }
  // `as`: every path was filled from its own schema just now.
  return ok({ config: config as Config, origins: origins as Origins, file });
}

export function reasonOf(error: z.ZodError): string {
  return error.issues
    .map((issue) => [issue.path.join("."), issue.message].filter((part) => part !== "").join(": "))
    .join("; ");
}

function invalid(where: string, faults: readonly FieldFault[]): ReturnType<typeof refused> {
  const list = faults.map((fault) => `${fault.path} ${fault.reason}`).join("; ");
  return refused(
    "invalid",
    `configuration in ${where}: ${list}`,
    "Correct it, then check with: drover config check",
    faults,
  );
}
