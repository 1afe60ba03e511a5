/** One node of the demo of a fleet: its state folder, its executable, and the processes below it. */
import { join, resolve } from "node:path";
import { z } from "zod";
import { processesWithin } from "../support/binary-processes.ts";
import { type DemoLink, LOOPBACK } from "./demo-network.ts";

const drover = join(resolve(import.meta.dir, "../.."), "dist", "drover");
const COMMAND_LIMIT_MS = 60_000;
const REQUEST_LIMIT_MS = 5_000;

const locationSchema = z.object({ url: z.string() });

export class FleetNode {
  readonly name: string;
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #link: DemoLink;

  constructor(folder: string, name: string, env: Readonly<Record<string, string>>, link: DemoLink = LOOPBACK) {
    this.name = name;
    this.#folder = join(folder, name);
    this.#link = link;
    // Whatever runs for this node has this variable: by that it is found, and nothing else is.
    this.#env = {
      PATH: "/usr/local/bin:/usr/bin:/bin",
      TMPDIR: join(this.#folder, "tmp"),
      DROVER_STATE: join(this.#folder, "state"),
      DROVER_HW_DISCOVER: "false",
      DROVER_NODE_NAME: name,
      ...link.env,
      ...env,
    };
  }

  /** Runs a command of the executable on this node. @returns what it printed */
  async drover(...args: readonly string[]): Promise<string> {
    await Bun.$`mkdir -p ${join(this.#folder, "tmp")}`;
    const child = Bun.spawn([...this.#link.enter, drover, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: this.#env,
      timeout: COMMAND_LIMIT_MS,
    });
    const [out, error] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    if ((await child.exited) !== 0) throw new Error(`${this.name}: drover ${args.join(" ")}: ${error || out}`);
    return out;
  }

  /** Where it answers. */
  async url(): Promise<string> {
    return this.#link.url ?? locationSchema.parse(await Bun.file(join(this.#folder, "state", "node.json")).json()).url;
  }

  async ask<T>(schema: z.ZodType<T>, path: string, body?: object): Promise<T> {
    const state = join(this.#folder, "state");
    const url = await this.url();
    const token = (await Bun.file(join(state, "token")).text()).trim();
    const answer = await fetch(`${url}${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${this.name}: ${path} answered ${answer.status}: ${text.slice(0, 500)}`);
    return schema.parse(JSON.parse(text));
  }

  /** Cuts it off from the others; where no link can be cut, it stands still instead. @returns what happened */
  cut(): string {
    if (this.#link.set === undefined) return `${this.name} stands still (${this.signal("SIGSTOP")} processes)`;
    this.#link.set(false);
    return `the link of ${this.name} is cut; it goes on by itself`;
  }

  /** The others reach it again. */
  join(): void {
    if (this.#link.set === undefined) this.signal("SIGCONT");
    else this.#link.set(true);
  }

  /** Watchdog, node, libSQL server, workers and their commands, by their pids. @returns how many there were */
  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGKILL"): number {
    const found = processesWithin("DROVER_STATE", this.#folder);
    const server = processesWithin("TMPDIR", this.#folder);
    const pids = new Set([...found, ...server].map(({ pid }) => pid));
    for (const pid of pids) {
      try {
        process.kill(pid, signal);
      } catch {
        // It ended by itself.
      }
    }
    return pids.size;
  }

  /** Ends all of it, also what was started meanwhile. */
  end(): void {
    this.signal("SIGCONT");
    for (let round = 0; round < 20 && this.signal("SIGKILL") > 0; round += 1) Bun.sleepSync(20);
  }
}
