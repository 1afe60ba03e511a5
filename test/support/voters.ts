/** Three nodes of the compiled executable that elect their hub. */

import { type FleetMember, joinAll, standing, startMember } from "./binary-fleet.ts";
import { startBinaryNode } from "./binary-node.ts";
import { killPid } from "./binary-processes.ts";
import { submitTask } from "./node-tasks.ts";
import { untilAsked } from "./until-asked.ts";

export type Voters = { readonly hub: FleetMember; readonly others: readonly FleetMember[] };

const NAMES = ["hub", "a", "b"] as const;

/** @param leaseMs how long the hub may be silent */
export async function startVoters(leaseMs: number): Promise<Voters> {
  const env = {
    DROVER_FLEET_FAILOVER: "automatic",
    DROVER_FLEET_FAILOVER_LEASE_MS: String(leaseMs),
    // What the hub itself worked on is offered again when it was silent for so long.
    DROVER_FLEET_LEASE_MS: "3000",
  };
  const [hub, ...others] = await Promise.all(NAMES.map((name) => startMember(name, env)));
  if (hub === undefined) throw new Error("there is no first node");
  await joinAll(hub, others, true);
  for (const { name, node } of [hub, ...others]) {
    await untilAsked(`${name} knows three voters`, async () => failoverOf(await standing(node)).isActive === true);
  }
  return { hub, others };
}

export function failoverOf(fleet: Readonly<Record<string, unknown>>): { readonly isActive?: boolean } {
  return fleet["failover"] ?? {}; // of `GET /api/fleet`, whose schema says that it is an object or null
}

/** Its watchdog, its node and its server at once, as when its machine loses power. */
export function killWhole({ world }: FleetMember): void {
  for (const { pid } of world.processes()) killPid(pid);
}

/** As a machine that comes back, at the same address. */
export async function startAgain(member: FleetMember): Promise<void> {
  const env = {
    DROVER_HW_DISCOVER: "false",
    DROVER_NODE_NAME: member.name,
    DROVER_HTTP_PORT: new URL(member.node.url).port,
  };
  member.node = await startBinaryNode(member.world, { watched: true, env });
}

/** @returns the node that became the hub, once it has taken a task. */
export async function untilServing(others: readonly FleetMember[]): Promise<FleetMember> {
  let found: FleetMember | undefined;
  await untilAsked("another node is the hub and takes a task", async () => {
    for (const other of others) {
      if ((await standing(other.node))["role"] !== "hub") continue;
      const taken = await submitTask(other.node, { title: "served", command: ["true"] }).catch(() => undefined);
      if (taken !== undefined) found = other;
    }
    return found !== undefined;
  });
  if (found === undefined) throw new Error("a hub was seen, and is not there");
  return found;
}
