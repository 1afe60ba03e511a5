/** `drover up` of the compiled executable, and swaps of its release through the API, as a person asks for them. */
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type Answer, type BinaryNode, type BinaryWorld, startBinaryNode } from "../../support/binary-node.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { Load, type LoadResult } from "./load.ts";
import type { Release } from "./release-shop.ts";

export type HistoryRow = {
  readonly id: string;
  readonly version: string | null;
  readonly result: string;
  readonly reason: string | null;
  readonly steps: readonly { readonly step: string; readonly atMs: number }[];
};

type ReleasesView = {
  readonly current: string;
  readonly swap: { readonly step: string } | null;
  readonly history: readonly HistoryRow[];
};
type WatchdogView = { readonly pid: number; readonly version: string; readonly node: { readonly pid: number | null } };

export type Limits = {
  /** Until when a release must be ready. */
  readonly startMs: number;
  readonly probationMs: number;
  /** Restarts that a release has; the configuration's default when not given. */
  readonly restarts?: number;
};

export type SwapTime = {
  /** From the request until the watchdog, too, is the new release. */
  readonly allMs: number;
  /** From the old node being told to go until the new one is ready. */
  readonly nodeMs: number;
};

/** Nothing of a swap may take so long here: it fails the run. */
const SWAP_LIMIT_MS = 60_000;
const POLL_MS = 25;
/** Clients of each kind: many enough that every moment of a swap is met, few enough that two processors serve them. */
const CLIENTS = { closing: 8, keeping: 16, streaming: 4 };

export class Swapping {
  readonly world: BinaryWorld;
  readonly #node: BinaryNode;
  readonly #port: number;

  private constructor(world: BinaryWorld, node: BinaryNode, port: number) {
    this.world = world;
    this.#node = node;
    this.#port = port;
  }

  static async start(world: BinaryWorld, publicKey: string, limits: Limits): Promise<Swapping> {
    const port = await freePort();
    const env = {
      DROVER_HTTP_PORT: String(port),
      DROVER_HTTP_READS_PER_SECOND: "1000000",
      DROVER_UPDATE_PUBLIC_KEYS: publicKey,
      DROVER_UPDATE_PROBATION_MS: String(limits.probationMs),
      DROVER_WATCHDOG_START_MS: String(limits.startMs),
      ...(limits.restarts === undefined ? {} : { DROVER_WATCHDOG_RESTARTS: String(limits.restarts) }),
    };
    return new Swapping(world, await startBinaryNode(world, { watched: true, env }), port);
  }

  /** To ask its node as a client does. */
  get node(): BinaryNode {
    return this.#node;
  }

  load(): Load {
    return new Load({ port: this.#port, token: this.#node.token, path: "/api/queue", ...CLIENTS });
  }

  /** What `current` leads to. */
  get link(): string | null {
    try {
      return readlinkSync(join(this.world.state, "releases", "current"));
    } catch {
      return null; // Before the first swap there is none.
    }
  }

  releases(): Promise<ReleasesView> {
    return this.#look<ReleasesView>("/api/releases");
  }

  watchdog(): Promise<WatchdogView> {
    return this.#look<WatchdogView>("/api/watchdog");
  }

  /** Swaps to a release and waits until node and watchdog are it. */
  async to(release: Release): Promise<SwapTime> {
    return this.#through({ from: release.folder, allowOlder: true }, release.version);
  }

  async rollback(version: string): Promise<SwapTime> {
    return this.#through(null, version);
  }

  async #through(update: object | null, version: string): Promise<SwapTime> {
    const beganMs = performance.now();
    const row = await this.attempt(update);
    if (row.result !== "committed") throw new Error(`${version} was not installed: ${row.result}: ${row.reason}`);
    await this.#until(`the watchdog is ${version}`, async () => {
      const seen = await this.watchdog();
      if (seen.pid !== this.#node.pid) throw new Error(`the watchdog is another process, ${seen.pid}`);
      return seen.version === version ? seen : undefined;
    });
    return { allMs: performance.now() - beganMs, nodeMs: nodeMsOf(row) };
  }

  /**
   * Asks for a swap and, while the release is still being looked at, for the same once more.
   * @returns what became of the first, and the answer to the second.
   */
  async twice(release: Release): Promise<{ readonly row: HistoryRow; readonly second: Answer }> {
    const update = { from: release.folder, allowOlder: true };
    const folder = join(this.world.state, "releases");
    const first = this.attempt(update);
    await waitUntil("the release is being looked at", () => existsSync(folder) && isStaging(folder));
    const second = await this.#call("POST", "/api/update", update);
    return { row: await first, second };
  }

  /** Resolves when a new release serves and is watched. */
  async onProbation(): Promise<void> {
    await this.#until("a release is on probation", async () => {
      const { swap } = await this.releases();
      return swap?.step === "probation" ? swap : undefined;
    });
  }

  /** Asks for an update, or with null for a rollback. @returns the row of it, however it ended. */
  async attempt(update: object | null): Promise<HistoryRow> {
    const before = (await this.releases()).history.at(-1)?.id;
    // What reaches the watchdog in the moment in which it becomes another release is answered with 503. Nothing has
    // begun then, for it does not become one while a try is under way: as a person would, it is asked again.
    const answer = await this.#until("an update is answered", async () => {
      const said = await this.#call("POST", update === null ? "/api/rollback" : "/api/update", update ?? {});
      return JSON.stringify(said.body).includes("the watchdog went away") ? undefined : said;
    });
    if (![202, 400, 409, 422, 501, 503].includes(answer.status)) {
      throw new Error(`an update was answered with ${answer.status}: ${JSON.stringify(answer.body)}`);
    }
    return this.#until(`an update ends (answered ${JSON.stringify(answer.body).slice(0, 300)})`, async () => {
      const { swap, history } = await this.releases();
      const row = history.at(-1);
      return swap === null && row !== undefined && row.id !== before ? row : undefined;
    });
  }

  async stop(): Promise<void> {
    await this.#node.stop();
  }

  async #look<T>(path: string): Promise<T> {
    return this.#until(`${path} answers`, async () => {
      // A release that crashes takes this connection with it like any other; only the load's are counted.
      const answer = await this.#call("GET", path).catch(() => undefined);
      // `as`: the schema of the route.
      return answer?.status === 200 ? (answer.body as T) : undefined;
    });
  }

  /** These are not the requests that are counted: a client library may ask again. */
  #call(method: string, path: string, body?: object): Promise<Answer> {
    return this.#node.request(method, path, body, { connection: "close" });
  }

  async #until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const endMs = performance.now() + SWAP_LIMIT_MS;
    for (;;) {
      const value = await look();
      if (value !== undefined) return value;
      if (performance.now() > endMs)
        throw new Error(`waited ${SWAP_LIMIT_MS} ms in vain: ${what}\n${this.#node.log()}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

function isStaging(folder: string): boolean {
  return readdirSync(folder).some((name) => name.startsWith(".staging-") && !name.endsWith("import"));
}

function nodeMsOf({ steps }: HistoryRow): number {
  const at = (name: string): number => steps.find(({ step }) => step === name)?.atMs ?? Number.NaN;
  return at("probation") - at("draining");
}

export type SwapReport = {
  readonly swaps: number;
  readonly times: readonly SwapTime[];
  readonly load: LoadResult;
  /** Answers to an update that was asked for while another was under way: status and code. */
  readonly second: { readonly status: number; readonly code: unknown };
  /** Processes of this world besides watchdog and node before its end, and all of them after it. */
  readonly leftovers: readonly string[];
};

/** Swaps back and forth under load, every third time by a rollback, until enough was swapped and asked. */
export async function swapUnderLoad(
  swapping: Swapping,
  [a, b]: readonly [Release, Release],
  goal: { readonly swaps: number; readonly requests: number },
  said: (text: string) => void,
): Promise<Omit<SwapReport, "leftovers" | "second">> {
  const load = swapping.load();
  const times: SwapTime[] = [];
  let next = b;
  while (times.length < goal.swaps) {
    times.push(times.length % 3 === 2 ? await swapping.rollback(next.version) : await swapping.to(next));
    next = next === a ? b : a;
    if (times.length % 10 === 0) said(`${times.length} swaps, ${load.answered} requests answered`);
  }
  while (load.answered < goal.requests) {
    const before = load.answered;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    if (load.answered === before) throw new Error(`nothing is answered any more, after ${before} requests`);
  }
  const result = await load.stop();
  said(`${times.length} swaps, ${result.answered} requests answered, ${result.failed} failed`);
  return { swaps: times.length, times, load: result };
}

/** Of all times, in milliseconds. */
export function shareOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((x, y) => x - y);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no free port");
  return address.port;
}
