/** Whether systemd starts this drover, as install.sh set it up. */
import { accessSync, constants, existsSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "#cli";
import { finding } from "./finding.ts";
import { readOptional } from "./proc.ts";

export type UnitFacts = {
  readonly isSystemd: boolean;
  readonly units: readonly Unit[];
  /** This executable; null when it runs from source. */
  readonly executable: string | null;
  readonly stateDir: string;
};

export type Unit = {
  readonly scope: "system" | "user";
  readonly path: string;
  /** With its drop-ins, in their order. */
  readonly text: string;
  readonly isEnabled: boolean;
  /** What ExecStart names, links resolved; null when there is no such program. */
  readonly program: string | null;
  /** Whether units of this user run without a login; null for the system's. */
  readonly lingers: boolean | null;
};

export function unitFindings({ isSystemd, units, executable, stateDir }: UnitFacts): readonly Finding[] {
  if (!isSystemd) {
    return [finding("unit", "ok", "systemd does not run here; something else has to start drover after a restart")];
  }
  if (units.length === 0) {
    return [finding("unit", "ok", "there is no drover.service, so drover is not started with the host")];
  }
  return units.flatMap((unit) => {
    const found = faultsOf(unit, executable, stateDir);
    return found.length > 0 ? found : [finding("unit", "ok", `${unit.path} is enabled and starts ${unit.program}`)];
  });
}

function faultsOf(unit: Unit, executable: string | null, stateDir: string): readonly Finding[] {
  const { scope, path, text, program } = unit;
  const control = scope === "user" ? "systemctl --user" : "systemctl";
  const started = execStart(text);
  const found: Finding[] = [];
  if (program === null) {
    const detail = started === null ? `${path} has no ExecStart` : `${path} starts ${started}, which is no program`;
    found.push(finding("unit", "fail", detail, "Run install.sh again, which writes the unit anew"));
  } else if (executable !== null && program !== executable && !executable.startsWith(`${stateDir}/releases/`)) {
    const detail = `${path} starts ${program}, and this is ${executable}`;
    found.push(finding("unit", "warn", detail, `Run the installed one, or remove this one: rm ${executable}`));
  }
  if (/^MemoryDenyWriteExecute=(yes|true|1|on)$/m.test(text)) {
    const detail = `${path} or a drop-in sets MemoryDenyWriteExecute, and the JavaScript engine compiles while it runs`;
    found.push(finding("unit", "fail", detail, `Take the line out: ${control} edit drover`));
  }
  const state = /^Environment="?DROVER_STATE=([^"\n]+)/m.exec(text)?.[1];
  if (state !== undefined && state !== stateDir) {
    const detail = `${path} keeps its state in ${state}, and this command looked at ${stateDir}`;
    found.push(finding("unit", "warn", detail, `Look at that one: drover doctor --state ${state}`));
  }
  if (!unit.isEnabled) {
    const detail = `${path} is not enabled, so drover is not started with the host`;
    found.push(finding("unit", "warn", detail, `${control} enable drover.service`));
  } else if (unit.lingers === false) {
    found.push(finding("unit", "warn", `${path} ends with the user's last session`, "loginctl enable-linger"));
  }
  return found;
}

/** The last assignment counts, as in systemd.service(5); an empty one before it is of a drop-in that replaces it. */
function execStart(text: string): string | null {
  const [last] = [...text.matchAll(/^ExecStart=[-@:+!]*"?([^\s"]+)/gm)].slice(-1);
  return last?.[1] ?? null;
}

/** Folders of systemd; others only in tests. */
export type UnitPlaces = {
  /** There while systemd runs. */
  readonly runtime: string;
  readonly system: string;
  readonly user: string | null;
  /** A file for each user whose units run without a login. */
  readonly linger: string | null;
};

export function unitPlaces(env: Readonly<Record<string, string | undefined>>): UnitPlaces {
  const config = env["XDG_CONFIG_HOME"] ?? (env["HOME"] === undefined ? undefined : join(env["HOME"], ".config"));
  return {
    runtime: "/run/systemd/system",
    system: "/etc/systemd/system",
    user: config === undefined ? null : join(config, "systemd/user"),
    linger: env["USER"] === undefined ? null : join("/var/lib/systemd/linger", env["USER"]),
  };
}

export function lookAtUnits(
  { runtime, system, user, linger }: UnitPlaces,
  executable: string | null,
  stateDir: string,
): UnitFacts {
  const lingers = linger === null ? null : existsSync(linger);
  const units = [
    ...unitIn(system, "system", "multi-user.target.wants", null),
    ...(user === null ? [] : unitIn(user, "user", "default.target.wants", lingers)),
  ];
  return { isSystemd: existsSync(runtime), units, executable, stateDir };
}

function unitIn(folder: string, scope: Unit["scope"], wants: string, lingers: boolean | null): readonly Unit[] {
  const path = join(folder, "drover.service");
  const own = readOptional(path);
  if (own === undefined) return [];
  const dropIns = existsSync(`${path}.d`) ? readdirSync(`${path}.d`).filter((name) => name.endsWith(".conf")) : [];
  const text = [own, ...dropIns.sort().map((name) => readOptional(join(`${path}.d`, name)) ?? "")].join("\n");
  const isEnabled = existsSync(join(folder, wants, "drover.service"));
  return [{ scope, path, text, isEnabled, program: programOf(execStart(text)), lingers }];
}

function programOf(path: string | null): string | null {
  if (path === null) return null;
  try {
    accessSync(path, constants.X_OK);
    return realpathSync(path);
  } catch {
    return null;
  }
}
