/** A hub and its members: real processes of the executable on loopback, each member on a way of its own to the hub. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "#base";
import { type BinaryNode, type BinaryWorld, nodePidOf, startBinaryNode } from "../../support/binary-node.ts";
import { killPid } from "../../support/binary-processes.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { NodeSlot } from "../producers.ts";
import { freePort } from "../swap/swapping.ts";
import { Way } from "./way.ts";

/** As short as a lease can be, so that a run sees many of them end. */
export const LEASE_MS = 3_000;
const JOIN_LIMIT_MS = 30_000;

/** One node of the fleet, with its watchdog. */
export class Site {
  readonly name: string;
  readonly state: string;
  readonly slot = new NodeSlot();
  /** Undefined for the hub. */
  readonly way: Way | undefined;
  readonly #world: BinaryWorld;
  readonly #env: Readonly<Record<string, string>>;
  #node: BinaryNode | undefined;

  constructor(world: BinaryWorld, name: string, port: number, way: Way | undefined) {
    this.name = name;
    this.way = way;
    this.state = join(world.path, name);
    this.#world = world;
    this.#env = {
      DROVER_HTTP_PORT: String(port),
      DROVER_NODE_NAME: name,
      DROVER_HW_DISCOVER: "false",
      DROVER_FLEET_LEASE_MS: String(LEASE_MS),
      // Two processors serve four nodes; each attempt costs a process.
      DROVER_EXECUTOR_SHELL_CONCURRENCY: "2",
      DROVER_WATCHDOG_RESTARTS: "1000",
      ...(way === undefined ? { DROVER_NODE_ROLE: "hub" } : {}),
    };
  }

  get node(): BinaryNode {
    if (this.#node === undefined) throw new Error(`${this.name} does not run`);
    return this.#node;
  }

  get env(): Readonly<Record<string, string>> {
    return this.#env;
  }

  async start(): Promise<void> {
    this.#node = await startBinaryNode(this.#world, { watched: true, state: this.state, env: this.#env });
    this.slot.set(this.#node);
  }

  nodePid(): number {
    return nodePidOf(this.state) ?? 0;
  }

  /** The watchdog starts another one. */
  async killNode(): Promise<void> {
    const before = this.nodePid();
    killPid(before);
    await waitUntil(`${this.name} has another node`, () => this.nodePid() !== before && this.nodePid() !== 0, 20_000);
  }

  /** A service manager starts another one. */
  async killWatchdog(): Promise<void> {
    await this.node.kill();
    await this.start();
  }

  async stop(): Promise<number | null> {
    return this.node.stop();
  }

  /** The processes that run the server of this hub. */
  serverPids(): readonly number[] {
    const folder = join(this.state, "hub", "bin");
    return this.#world
      .processes()
      .map(({ pid }) => pid)
      .filter((pid) => commandLine(pid).startsWith(folder));
  }

  /** Attempt folders that are still there. */
  attempts(): readonly string[] {
    const folder = join(this.state, "attempts");
    return existsSync(folder) ? readdirSync(folder) : [];
  }

  log(): string {
    const folder = join(this.state, "logs");
    if (!existsSync(folder)) return "";
    return readdirSync(folder)
      .filter((name) => name.startsWith("node"))
      .map((name) => readFileSync(join(folder, name), "utf8"))
      .join("\n");
  }
}

export type CrashFleet = { readonly hub: Site; readonly members: readonly Site[]; readonly sites: readonly Site[] };

export async function startFleet(world: BinaryWorld, members: number, random: Random): Promise<CrashFleet> {
  const hubPort = await freePort();
  const hub = new Site(world, "hub", hubPort, undefined);
  await hub.start();
  const made = await hub.node.request("POST", "/api/tokens", { uses: members, role: "member" });
  const invitation = textOf(made.body, "invitation");
  const joined: Site[] = [];
  for (let number = 1; number <= members; number += 1) {
    const way = await Way.open(hubPort, random);
    const site = new Site(world, `member-${number}`, await freePort(), way);
    await site.start();
    const before = site.nodePid();
    const answer = await site.node.request("POST", "/api/fleet/join", {
      invitation: invitation.replace(/@.*$/, `@${way.url}`),
      name: site.name,
    });
    if (answer.status !== 200) throw new Error(`${site.name} may not join: ${JSON.stringify(answer.body)}`);
    await waitUntil(`${site.name} is a member`, () => site.nodePid() !== before && site.nodePid() !== 0, JOIN_LIMIT_MS);
    joined.push(site);
  }
  return { hub, members: joined, sites: [hub, ...joined] };
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return ""; // It ended meanwhile.
  }
}

function textOf(body: unknown, name: string): string {
  // `as`: any object may be read by name.
  const value = typeof body === "object" && body !== null ? (body as Record<string, unknown>)[name] : undefined;
  if (typeof value !== "string") throw new Error(`no ${name} in ${JSON.stringify(body)}`);
  return value;
}
