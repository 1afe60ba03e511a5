import { join } from "node:path";
import { FLEET_FILE, type Logger, seededRandom, silentLogger } from "#base";
import { openReplica, type Replica } from "../../../src/store/replica/replica.ts";
import { must } from "../../support/opened-stores.ts";
import { realClock } from "../../support/real-clock.ts";
import { emptyFleetDatabase, ReplicaSqld } from "../../support/replica-sqld.ts";

/** Servers and replicas of one test; `end` closes all of them, the latest first. */
export class ReplicaWorld {
  readonly #folder: () => string;
  readonly #ends: (() => unknown)[] = [];

  constructor(folder: () => string) {
    this.#folder = folder;
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }

  /** A server over a new fleet's database, or over a copy of `from`. */
  async hub(from?: string): Promise<ReplicaSqld> {
    const server = await ReplicaSqld.start(this.#folder(), from ?? (await emptyFleetDatabase(this.#folder())));
    this.#ends.push(() => server.kill());
    return server;
  }

  async follow(server: ReplicaSqld, logger: Logger = silentLogger): Promise<Following> {
    const following = new Following(join(this.#folder(), FLEET_FILE), await uuidOf(server), server, logger);
    await following.open();
    this.#ends.push(() => following.replica.close());
    return following;
  }
}

/** A replica that can be closed and opened again, and whose hub can be exchanged. */
export class Following {
  readonly path: string;
  readonly #fleet: string;
  readonly #logger: Logger;
  target: ReplicaSqld;
  #replica: Replica | undefined;

  constructor(path: string, fleet: string, target: ReplicaSqld, logger: Logger) {
    this.path = path;
    this.#fleet = fleet;
    this.target = target;
    this.#logger = logger;
  }

  get replica(): Replica {
    if (this.#replica === undefined) throw new Error("it was not opened");
    return this.#replica;
  }

  async open(): Promise<void> {
    this.#replica = must(
      await openReplica(this.path, {
        clock: realClock,
        random: seededRandom(Date.now()),
        logger: this.#logger,
        fleet: this.#fleet,
        limits: { silenceMs: 1_000, backoffMaxMs: 1_000 },
        carry: (request) => {
          const { pathname } = new URL(request.url);
          return fetch(`${this.target.url}${pathname}`, {
            method: request.method,
            headers: request.headers,
            body: request.body,
            signal: request.signal,
          });
        },
      }),
    );
  }

  shows(seq: number, epoch = 0, timeoutMs = 20_000): Promise<boolean> {
    return this.replica.reached({ epoch, seq }, timeoutMs);
  }
}

async function uuidOf(server: ReplicaSqld): Promise<string> {
  const { rows } = await server.client.execute("SELECT value FROM meta WHERE name = 'uuid'");
  const uuid = rows[0]?.["value"];
  if (typeof uuid !== "string") throw new Error("the fleet has no name");
  return uuid;
}

/** A commit as a hub's writer makes them: the count, and `events` events beside it. @returns the count after the last. */
export async function commit(server: ReplicaSqld, times = 1, events = 1, by = "hub"): Promise<number> {
  const insert = `INSERT INTO event (at_ms, kind, task_id, data)
    SELECT seq, 'queue.paused', NULL, '{"by":"${by}"}' FROM fleet_commit`;
  const statements = ["UPDATE fleet_commit SET seq = seq + 1", ...Array.from({ length: events }, () => insert)];
  for (let n = 0; n < times; n += 1) await server.client.batch(statements, "write");
  const { rows } = await server.client.execute("SELECT seq FROM fleet_commit");
  return Number(rows[0]?.["seq"]);
}

/** How long this thread was kept from its timers, at most. */
export class LoopGap {
  longestMs = 0;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor() {
    let lastMs = performance.now();
    this.#timer = setInterval(() => {
      this.longestMs = Math.max(this.longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    }, 2);
  }

  stop(): number {
    clearInterval(this.#timer);
    return this.longestMs;
  }
}
