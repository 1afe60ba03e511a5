/** Nodes of one fleet, as processes of the compiled executable. */
import { command } from "./binary-command.ts";
import { type BinaryNode, BinaryWorld, type Environment, nodePidOf, startBinaryNode } from "./binary-node.ts";
import { untilAsked } from "./until-asked.ts";

export type FleetMember = { readonly world: BinaryWorld; readonly name: string; node: BinaryNode };

const HOLDS_NOTHING: Environment = { DROVER_HW_DISCOVER: "false" };

/** Starts a node that is alone yet. */
export async function startMember(name: string, env: Environment = {}): Promise<FleetMember> {
  const world = new BinaryWorld();
  const node = await startBinaryNode(world, {
    watched: true,
    env: { ...HOLDS_NOTHING, DROVER_NODE_NAME: name, ...env },
  });
  return { world, name, node };
}

/**
 * Makes the first a hub, unless it is one, and lets the others join; with an address of their own where others are to
 * reach them.
 */
export async function joinAll(hub: FleetMember, others: readonly FleetMember[], areReached = false): Promise<void> {
  const before = (await roleOf(hub)) === "hub" ? null : nodePidOf(hub.world.state);
  const invitation = await invite(hub, Math.max(1, others.length));
  await untilAsked(
    "the hub is one",
    async () => nodePidOf(hub.world.state) !== before && (await roleOf(hub)) === "hub",
  );
  await joinBy(invitation, others, areReached);
}

async function invite(hub: FleetMember, uses: number): Promise<string> {
  const made = await command(hub.world, ["token", "create", "--uses", String(uses), "--json"]);
  if (made.code !== 0) throw new Error(made.stderr);
  // `as`: what `drover token create --json` prints.
  return (JSON.parse(made.stdout) as { readonly invitation: string }).invitation;
}

async function joinBy(invitation: string, others: readonly FleetMember[], areReached: boolean): Promise<void> {
  for (const other of others) {
    const address = areReached ? ["--own-url", other.node.url] : [];
    const joined = await command(other.world, ["join", invitation, ...address]);
    if (joined.code !== 0) throw new Error(joined.stderr);
  }
  for (const other of others)
    await untilAsked(`${other.name} is a member`, async () => (await roleOf(other)) === "member");
}

export async function roleOf({ node }: FleetMember): Promise<unknown> {
  return (await standing(node))["role"];
}

/** `GET /api/fleet`; empty while the node does not answer. */
export async function standing(node: BinaryNode): Promise<Readonly<Record<string, unknown>>> {
  try {
    const { status, body } = await node.request("GET", "/api/fleet");
    // `as`: an object by its schema.
    return status === 200 ? (body as Record<string, unknown>) : {};
  } catch {
    return {}; // It is being replaced.
  }
}
