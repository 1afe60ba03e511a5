/** The part of a start that makes a node what it is in a fleet. */
import { type Clock, type Logger, ok, type Random, type Result } from "#base";
import { readNodeNotes } from "#store";
import type { Config } from "../config/settings.ts";
import type { WatchdogLink } from "../watchdog-link.ts";
import { readAuthToken } from "./auth-token.ts";
import { ownKeeper, watchdogKeeper } from "./process-keeper.ts";
import { type FleetRole, roleOf } from "./role.ts";
import { type HubServer, startHubServer } from "./server.ts";
import { hasServer } from "./server-executable.ts";

export type NodeFleet = {
  readonly role: FleetRole;
  /** The server that this node runs for its fleet; null unless it is a hub with a server of its own. */
  readonly server: HubServer | null;
  /** Ends what this node keeps alive by itself. Last of all: until then it may be written. */
  readonly close: () => Promise<void>;
};

export type FleetParts = {
  readonly config: Config;
  readonly stateDir: string;
  readonly link: WatchdogLink | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Puts the fleet's database into the folder of the server unless one is there; see {@link startHubServer}. */
  readonly seed: (databaseFolder: string) => Result<unknown>;
};

/** Decides the role, and starts the server of a hub; refuses settings that contradict each other or what is noted. */
export async function startFleet(parts: FleetParts): Promise<Result<NodeFleet>> {
  const { config, stateDir, link } = parts;
  const role = configuredRole(config, stateDir);
  if (!role.ok) return role;
  const isHub = role.value.kind === "hub" && role.value.store.kind === "own";
  const opened = link === undefined ? await ownKeeper({ ...parts, isHub }) : ok(watchdogKeeper(link));
  if (!opened.ok) return opened;
  const keeper = opened.value;
  const close = (): Promise<void> => keeper.close();
  if (!isHub) {
    // What an earlier start as a hub left running is ended.
    keeper.keep([], () => undefined);
    return ok({ role: role.value, server: null, close });
  }
  const server = await startHubServer({ ...parts, keeper });
  if (!server.ok) {
    await close();
    return server;
  }
  const ready = await server.value.untilReady();
  if (ready.ok) return ok({ role: role.value, server: server.value, close });
  await close();
  return ready;
}

function configuredRole(config: Config, stateDir: string): Result<FleetRole> {
  const notes = readNodeNotes(stateDir);
  if (!notes.ok) return notes;
  const role = roleOf({
    configured: config["node.role"],
    storeUrl: config["store.url"],
    tokenFile: config["store.auth_token_file"],
    noted: notes.value.role,
    isMember: notes.value.membership !== undefined,
    hasServer: hasServer(),
  });
  if (!role.ok || role.value.kind !== "hub" || role.value.store.kind !== "other") return role;
  const { tokenFile } = role.value.store;
  const token = tokenFile === null ? ok("") : readAuthToken(tokenFile);
  return token.ok ? role : token;
}
