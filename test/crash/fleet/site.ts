/** One node of the fleet, with its watchdog, as processes of the executable, and the door that the others know. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "#base";
import { type BinaryNode, type BinaryWorld, nodePidOf, startBinaryNode } from "../../support/binary-node.ts";
import { killPid } from "../../support/binary-processes.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { NodeSlot } from "../producers.ts";
import { freePort } from "../swap/swapping.ts";
import { Door } from "./door.ts";

/** As short as a lease can be, so that a run sees many of them end. */
export const LEASE_MS = 3_000;

export type SiteParts = {
  readonly world: BinaryWorld;
  /** Another executable than dist/drover. */
  readonly executable: string | undefined;
  readonly name: string;
};

export class Site {
  readonly name: string;
  readonly state: string;
  readonly slot = new NodeSlot();
  readonly door: Door;
  readonly #parts: SiteParts;
  readonly #env: Readonly<Record<string, string>>;
  #node: BinaryNode | undefined;
  #id = "";

  private constructor(parts: SiteParts, door: Door, port: number) {
    this.name = parts.name;
    this.state = join(parts.world.path, parts.name);
    this.door = door;
    this.#parts = parts;
    this.#env = {
      DROVER_HTTP_PORT: String(port),
      DROVER_FLEET_URL: door.url,
      DROVER_NODE_NAME: parts.name,
      DROVER_HW_DISCOVER: "false",
      // What nodes think of by themselves needs a model, which there is none of: it would never end.
      DROVER_FSM_ENABLED: "false",
      DROVER_FLEET_LEASE_MS: String(LEASE_MS),
      // Two processors serve four nodes; each attempt costs a process.
      DROVER_EXECUTOR_SHELL_CONCURRENCY: "2",
      DROVER_WATCHDOG_RESTARTS: "1000",
      DROVER_SKEW_FILE: join(parts.world.path, `${parts.name}.skew`),
    };
  }

  static async make(parts: SiteParts, random: Random): Promise<Site> {
    const port = await freePort();
    return new Site(parts, await Door.open(port, random), port);
  }

  get executable(): string | undefined {
    return this.#parts.executable;
  }

  get node(): BinaryNode {
    if (this.#node === undefined) throw new Error(`${this.name} does not run`);
    return this.#node;
  }

  /** By which the fleet knows it; it keeps it for ever. */
  get id(): string {
    return this.#id;
  }

  async start(): Promise<void> {
    const { world, executable } = this.#parts;
    const command = executable === undefined ? {} : { command: [executable] };
    this.#node = await startBinaryNode(world, { watched: true, state: this.state, env: this.#env, ...command });
    if (this.#id === "") {
      const { body } = await this.#node.request("GET", "/api/node");
      this.#id = (body as { readonly id: string }).id; // `as`: the API's own document
    }
    this.slot.set(this.#node);
  }

  nodePid(): number {
    return nodePidOf(this.state) ?? 0;
  }

  async untilOtherNode(before: number): Promise<void> {
    await waitUntil(`${this.name} has another node`, () => this.nodePid() !== before && this.nodePid() !== 0, 30_000);
  }

  /** The watchdog starts another one. */
  async killNode(): Promise<void> {
    const before = this.nodePid();
    killPid(before);
    await this.untilOtherNode(before);
  }

  /** A service manager starts another one. */
  async killWatchdog(): Promise<void> {
    await this.node.kill();
    await this.start();
  }

  async stop(): Promise<number | null> {
    return this.node.stop();
  }

  /** Its wall clock runs so far from this machine's from now on; only an executable with a movable clock heeds it. */
  setClock(byMs: number): void {
    writeFileSync(this.#env["DROVER_SKEW_FILE"] ?? "", String(byMs));
  }

  /** The processes that run the libSQL server of this hub. */
  serverPids(): readonly number[] {
    const folder = join(this.state, "hub", "bin");
    return this.#parts.world
      .processes()
      .map(({ pid }) => pid)
      .filter((pid) => commandLine(pid).startsWith(folder));
  }

  /** Attempt folders that are still there. */
  attempts(): readonly string[] {
    const folder = join(this.state, "attempts");
    return existsSync(folder) ? readdirSync(folder) : [];
  }

  /** The databases that it had as a hub whose place another took. */
  quarantined(): readonly string[] {
    const folder = join(this.state, "quarantine");
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .map((name) => join(folder, name))
      .filter((path) => existsSync(join(path, "fleet.db")));
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return ""; // It ended meanwhile.
  }
}
