/** What this node is in a fleet, from what is configured and what it has noted. Pure. */
import { err, ok, type Result, refused } from "#base";
import type { FailoverMode } from "#fleet";

/** The same words as the room's; said again, so that whoever reads the configuration does not load the room. */
export const FAILOVER_SETTINGS = ["manual", "automatic"] as const satisfies readonly FailoverMode[];

export const NODE_ROLES = ["auto", "solo", "hub"] as const;

/** Where a hub writes: a server that it runs itself, or another one. */
export type HubStore =
  | { readonly kind: "own" }
  | { readonly kind: "other"; readonly url: string; readonly tokenFile: string | null };

export type FleetRole =
  /** Alone; its database is a file that nobody else follows. */
  | { readonly kind: "solo" }
  /** Writes for a fleet. */
  | { readonly kind: "hub"; readonly store: HubStore }
  /** Follows a hub. */
  | { readonly kind: "member" };

export type RoleFacts = {
  readonly configured: (typeof NODE_ROLES)[number];
  readonly storeUrl: string;
  readonly tokenFile: string;
  /** `role` of node.db: "hub" from the first invitation on; "configured" binds nobody. */
  readonly noted: string | undefined;
  /** Whether it has joined a fleet. */
  readonly isMember: boolean;
  /** Whether this executable has a libSQL server for this machine. */
  readonly hasServer: boolean;
};

/** @returns the role, or which settings contradict each other and what to do. */
export function roleOf(facts: RoleFacts): Result<FleetRole> {
  const { configured, storeUrl, tokenFile, noted, isMember } = facts;
  if (tokenFile !== "" && storeUrl === "") {
    return contradiction(
      "store.auth_token_file is set without store.url",
      "Name the server in store.url, or unset both",
    );
  }
  const fault = storeUrl === "" ? undefined : urlFault(storeUrl);
  if (fault !== undefined) {
    return contradiction(fault, "Put the token into a file and name that in store.auth_token_file");
  }
  if (isMember) {
    // A server that is named is the one that this node writes to once it is promoted.
    if (configured === "auto") return ok({ kind: "member" });
    const what = `node.role is ${configured}, but this node has joined a fleet`;
    return contradiction(what, "Leave it first: drover leave; or unset the setting");
  }
  if (storeUrl !== "") {
    if (configured === "solo") {
      return contradiction(
        "node.role is solo, but store.url names a server",
        "Set node.role to hub, or unset store.url",
      );
    }
    return ok({ kind: "hub", store: { kind: "other", url: storeUrl, tokenFile: tokenFile === "" ? null : tokenFile } });
  }
  if (configured === "solo" && noted === "hub") {
    return contradiction(
      "node.role is solo, but other nodes were invited to follow this one",
      "Set node.role to hub, or to auto",
    );
  }
  if (configured === "solo" || (configured === "auto" && noted !== "hub")) return ok({ kind: "solo" });
  return facts.hasServer ? ok({ kind: "hub", store: { kind: "own" } }) : err(NO_SERVER);
}

/** There is none for musl, macOS and Windows. */
export const NO_SERVER = refused(
  "unsupported",
  "a hub runs a libSQL server, and this build has none for this system: it is carried for Linux with glibc on x64 and arm64",
  "Let store.url name a libSQL server that runs elsewhere, or make another node the hub",
);

/** A token in an address would be shown wherever the address is. */
function urlFault(text: string): string | undefined {
  const url = new URL(text);
  if (url.username !== "" || url.password !== "" || url.search !== "")
    return "store.url holds a user, password or query";
  return undefined;
}

function contradiction(message: string, remedy: string): Result<never> {
  return err(refused("invalid", message, remedy));
}
