/** Hubs and nodes in one process, each with an API of its own behind real HTTP; tables in memory. */
import { type FleetPort, type HttpServer, serveApi } from "#api";
import {
  type Clock,
  createIdFactory,
  type JsonValue,
  type NodeId,
  type Result,
  SimulatedClock,
  seededRandom,
  silentLogger,
} from "#base";
import {
  cryptography,
  type Fleet,
  type FleetParts,
  type FleetRole,
  HubClient,
  type Membership,
  MemoryJoinTokens,
  MemoryNodeDirectory,
  MemoryNodeSecrets,
  nonceMaker,
} from "#fleet";
import { memoryFleet } from "../../support/fleet.ts";
import { createHarness, valueOf } from "../api/api-harness.ts";

/** A clock that tests move, whose timers are real: requests pass through the kernel. */
export class MovedClock implements Clock {
  readonly #moved: SimulatedClock;

  constructor(startMs?: number) {
    this.#moved = new SimulatedClock(startMs);
  }

  nowMs(): number {
    return this.#moved.nowMs();
  }

  monotonicMs(): number {
    return this.#moved.monotonicMs();
  }

  after(delayMs: number, action: () => void): { readonly cancel: () => void } {
    const timer = setTimeout(action, delayMs);
    return { cancel: () => clearTimeout(timer) };
  }

  advance(byMs: number): void {
    this.#moved.advance(byMs);
  }

  jumpWall(byMs: number): void {
    this.#moved.jumpWall(byMs);
  }
}

export type Box = {
  readonly id: NodeId;
  readonly name: string;
  readonly clock: MovedClock;
  readonly secrets: MemoryNodeSecrets;
  readonly nodes: MemoryNodeDirectory;
  readonly url: () => string;
  readonly fleet: () => Fleet;
  /** Starts its API; again, it is a new process on the same state. */
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** As the person at this box, with its token. */
  readonly ask: (method: string, path: string, body?: unknown) => Promise<Answer>;
};

export type Answer = { readonly status: number; readonly body: Readonly<Record<string, unknown>> };

const OFFER = { executors: ["shell"], labels: {}, models: [], vramBytes: 0 };

let seed = 100;

export function makeBox(
  name: string,
  options: {
    readonly parts?: Partial<FleetParts>;
    readonly clock?: MovedClock;
    readonly port?: Partial<FleetPort>;
    /** What its release is, where that matters. */
    readonly release?: Omit<FleetParts["self"], "id" | "name">;
  } = {},
): Box {
  seed += 1;
  const clock = options.clock ?? new MovedClock();
  const random = seededRandom(seed);
  const id = createIdFactory(clock, random).node();
  const secrets = new MemoryNodeSecrets(cryptography);
  const nodes = new MemoryNodeDirectory();
  let server: HttpServer | undefined;
  let fleet: Fleet | undefined;
  const url = (): string => server?.url ?? "http://127.0.0.1:1";
  const stop = async (): Promise<void> => {
    await server?.stop({ graceMs: 0 });
    server = undefined;
  };
  const tokens = new MemoryJoinTokens();
  const start = async (): Promise<void> => {
    const port = server?.port ?? 0;
    await stop();
    const base = { node: id, name, clock, random };
    const opened = memoryFleet(base, {
      nodes,
      secrets,
      address: () => ({ url: url(), warning: null }),
      tokens,
      ...(options.release === undefined ? {} : { self: { id, name, ...options.release } }),
      ...options.parts,
    });
    fleet = opened;
    const node = { id, name, version: "1.2.3", commit: "", pid: 1, startedAtMs: clock.nowMs(), stateDir: "/state" };
    const { api } = createHarness({
      ports: {
        fleet: { ...opened, ...options.port },
        clock,
        random,
        node,
        offers: () => [{ node: id, ...OFFER, name }],
      },
    });
    server = valueOf(await serveApi(api, { host: "127.0.0.1", port, logger: silentLogger }));
  };
  const ask: Box["ask"] = async (method, path, body) =>
    answerOf(
      await fetch(`${url()}${path}`, {
        method,
        headers: { authorization: "Bearer drv_a-token-of-the-tests", "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
  const running = (): Fleet => {
    if (fleet === undefined) throw new Error(`${name} was not started`);
    return fleet;
  };
  return { id, name, clock, secrets, nodes, url, fleet: running, start, stop, ask };
}

export async function answerOf(response: Response): Promise<Answer> {
  return { status: response.status, body: (await response.json()) as Answer["body"] }; // `as`: answers are objects
}

/** @returns the text of an answer's field. */
export function textIn(answer: Answer, field: string): string {
  return String(answer.body[field]);
}

/** Makes a token on the hub and joins with it. @returns the answer of the box's own API. */
export async function join(hub: Box, box: Box, role: FleetRole = "member"): Promise<Answer> {
  const token = await hub.ask("POST", "/api/tokens", { role });
  return box.ask("POST", "/api/fleet/join", { invitation: textIn(token, "invitation") });
}

export function membershipOf(box: Box): Membership {
  const membership = valueOf(box.secrets.membership());
  if (membership === undefined) throw new Error(`${box.name} is in no fleet`);
  return membership;
}

/** A client of a box that joined, as another process of it would have. */
export function clientOf(box: Box, changed: Partial<ConstructorParameters<typeof HubClient>[0]> = {}): HubClient {
  const membership = membershipOf(box);
  seed += 1;
  return new HubClient({
    fleet: membership.fleet,
    node: box.id,
    key: () => valueOf(box.secrets.key()),
    hub: membership.hub,
    peers: () => [],
    clock: box.clock,
    nonce: nonceMaker(seededRandom(seed)),
    ...changed,
  });
}

export const LIMITS = { deadlineMs: 10_000 };

export function askHub(client: HubClient): Promise<Result<JsonValue>> {
  return client.request("GET", "/api/fleet/hub", undefined, LIMITS);
}

/** @returns why it failed; "ok" when it did not. */
export function whyOf(result: Result<unknown>): string {
  return result.ok ? "ok" : result.error.message;
}
