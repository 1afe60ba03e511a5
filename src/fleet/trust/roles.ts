/** What a node of a fleet may do: one table. Pure. */

export const FLEET_ROLES = ["reader", "member", "operator"] as const;
/** Each may do what the ones before it may. */
export type FleetRole = (typeof FLEET_ROLES)[number];

/**
 * - `follow`: read what the fleet shares: the replica, who the hub is, that something is new; leave; change its own key.
 * - `work`: submit, claim and finish tasks; send and get what they leave behind.
 * - `manage`: invite, hold back, remove and restart nodes.
 */
export type FleetAction = "follow" | "work" | "manage";

const LEAST_ROLE: Readonly<Record<FleetAction, FleetRole>> = { follow: "reader", work: "member", manage: "operator" };

export function mayDo(role: FleetRole, action: FleetAction): boolean {
  return FLEET_ROLES.indexOf(role) >= FLEET_ROLES.indexOf(LEAST_ROLE[action]);
}

/** @returns the role that would be enough, for a message. */
export function roleFor(action: FleetAction): FleetRole {
  return LEAST_ROLE[action];
}

export function isFleetRole(value: unknown): value is FleetRole {
  return FLEET_ROLES.some((role) => role === value);
}
