/** Finds the node's address and the token that opens it. */
import { err, ok, type Result, refused } from "#base";
import type { CliEnvironment, GlobalOptions } from "../environment.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import { defaultStateDir } from "../state-dir.ts";

export type Location = {
  readonly url: string;
  readonly token: string;
  /** Where the token came from, for messages: a file or "DROVER_TOKEN". */
  readonly tokenSource: string;
  readonly stateDir: string | undefined;
};

/** Written by the node, mode 0600, and removed when it stops. */
export type NodeFile = { readonly url: string; readonly pid: number; readonly startedAtMs: number };

/** The state directory by flag or DROVER_STATE, else the configuration file, else the rule for defaults. */
export async function locateState(
  environment: CliEnvironment,
  globals: GlobalOptions,
): Promise<Result<string | undefined, Fault>> {
  if (globals.state !== undefined) return ok(globals.state);
  const configured = await environment.configuredStateDir(globals.config);
  if (!configured.ok) return err({ failure: configured.error, exit: EXIT.usage });
  if (configured.value !== undefined) return ok(configured.value);
  return ok(defaultStateDir(environment.env, environment.isRoot, environment.directoryExists));
}

export async function locate(environment: CliEnvironment, globals: GlobalOptions): Promise<Result<Location, Fault>> {
  const state = await locateState(environment, globals);
  if (!state.ok) return state;
  const url = globals.url === undefined ? await urlFromState(environment, state.value) : checkedUrl(globals.url);
  if (!url.ok) return url;
  const token = await findToken(environment, state.value);
  if (!token.ok) return token;
  return ok({ url: url.value, ...token.value, stateDir: state.value });
}

function checkedUrl(text: string): Result<string, Fault> {
  const parsed = URL.parse(text.includes("://") ? text : `http://${text}`);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    const failure = refused(
      "invalid",
      `"${text}" is not the address of a node`,
      "Give one such as http://127.0.0.1:7433",
    );
    return err({ failure, exit: EXIT.usage });
  }
  return ok(parsed.href.replace(/\/+$/, ""));
}

async function urlFromState(environment: CliEnvironment, stateDir: string | undefined): Promise<Result<string, Fault>> {
  if (stateDir === undefined) {
    const failure = refused("invalid", "no state directory is known: HOME is not set", "Give --state DIR or --url URL");
    return err({ failure, exit: EXIT.usage });
  }
  const file = `${stateDir}/node.json`;
  const read = await environment.readText(file);
  if (!read.ok) {
    const missing = read.error.code === "not_found";
    const safeUrl = missing ? await safeModeUrl(environment, stateDir) : undefined;
    if (safeUrl !== undefined) return checkedUrl(safeUrl);
    const message = missing ? `no node runs on the state directory ${stateDir}` : read.error.message;
    const remedy = missing
      ? "Start one with: drover up (or name another with --state DIR or --url URL)"
      : (read.error.remedy ?? "Run the command as the user the node runs as, or give --url URL and DROVER_TOKEN");
    return err({ failure: refused("unavailable", message, remedy), exit: EXIT.unreachable });
  }
  const node = parseNodeFile(read.value);
  if (node === undefined) {
    const failure = refused("unavailable", `${file} cannot be understood`, "Restart the node, or give --url URL");
    return err({ failure, exit: EXIT.unreachable });
  }
  return checkedUrl(node.url);
}

/** A node that was never ready wrote no file; the watchdog that answers in its place says where. */
async function safeModeUrl(environment: CliEnvironment, stateDir: string): Promise<string | undefined> {
  const read = await environment.readText(`${stateDir}/watchdog.json`);
  const url = read.ok ? objectOf(read.value)?.["safeModeUrl"] : undefined;
  return typeof url === "string" ? url : undefined;
}

export function parseNodeFile(text: string): NodeFile | undefined {
  const { url, pid, startedAtMs } = objectOf(text) ?? {};
  return typeof url === "string" && typeof pid === "number" && typeof startedAtMs === "number"
    ? { url, pid, startedAtMs }
    : undefined;
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    // `as`: any object may be read by name.
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

async function findToken(
  environment: CliEnvironment,
  stateDir: string | undefined,
): Promise<Result<Pick<Location, "token" | "tokenSource">, Fault>> {
  const given = environment.env["DROVER_TOKEN"];
  if (given !== undefined && given !== "") return ok({ token: given.trim(), tokenSource: "DROVER_TOKEN" });
  const file = `${stateDir ?? "."}/token`;
  const read = await environment.readText(file);
  if (read.ok && read.value.trim() !== "") return ok({ token: read.value.trim(), tokenSource: file });
  const why = read.ok
    ? `${file} is empty`
    : read.error.code === "not_found"
      ? `${file} does not exist`
      : read.error.message;
  const failure = refused(
    "invalid",
    `no token: DROVER_TOKEN is not set and ${why}`,
    "Run the command as the user the node runs as, name its state directory with --state DIR, or set DROVER_TOKEN",
  );
  return err({ failure, exit: EXIT.failed });
}
