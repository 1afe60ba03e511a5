/** Who a node follows while it runs, on a clock that only tests move; the other nodes are keys that answer. */
import { afterEach, describe, expect, it } from "vitest";
import { createIdFactory, type Failure, type NodeId, SimulatedClock, seededRandom, silentLogger } from "#base";
import {
  cryptography,
  type FetchFrom,
  type FleetNode,
  type HubIdentity,
  MemoryNodeDirectory,
  MemoryNodeSecrets,
  NONCE_HEADER,
  type NodeKey,
  nonceMaker,
  SIGNATURE_HEADER,
  signAnswer,
} from "#fleet";
import { Succession } from "../../../../src/runtime/fleet/succession.ts";
import { waitUntil } from "../../../support/wait-until.ts";

const SILENCE_MS = 30_000;
const random = seededRandom(91);

type Says = { readonly epoch: number; readonly hub: HubIdentity | null };

/** One node, the others that it knows, and what they say of the hub. */
class Neighbourhood {
  readonly clock = new SimulatedClock();
  readonly #ids = createIdFactory(this.clock, random);
  readonly secrets = new MemoryNodeSecrets(cryptography);
  readonly directory = new MemoryNodeDirectory();
  readonly self = this.#ids.node();
  readonly #keys = new Map<string, NodeKey>();
  readonly #says = new Map<string, Says>();
  /** Addresses that were asked. */
  readonly asked: string[] = [];
  readonly stoodDown: Failure[] = [];
  restarts = 0;
  renewals = 0;
  isReaching = true;
  epoch = 5;
  hub: HubIdentity | null = null;
  succession!: Succession; // set by `start`, which every test calls first

  async know(name: string, says: Says | undefined): Promise<HubIdentity> {
    const hub = this.stranger(name);
    if (says !== undefined) this.#says.set(hub.url, says);
    await this.directory.put({ ...ROW, id: hub.id, name, publicKey: hub.publicKey, url: hub.url });
    return hub;
  }

  stranger(name: string): HubIdentity {
    const key = cryptography.makeKey();
    const url = `http://${name}:1`;
    this.#keys.set(url, key);
    return { id: this.#ids.node(), name, url, publicKey: key.publicKey };
  }

  async start(role: "hub" | "member"): Promise<this> {
    const isHub = role === "hub";
    const key = this.secrets.key();
    if (!key.ok) throw new Error(key.error.message);
    const { publicKey } = key.value;
    await this.directory.put({ ...ROW, id: this.self, name: "self", publicKey, url: "http://self:1" });
    if (!isHub && this.hub !== null) {
      const { self: _self, hub } = this;
      const rest = { role: "member", name: "self", url: null, leaseClass: "strict", joinedAtMs: 0 } as const;
      this.secrets.setMembership({ ...rest, fleet: "f", hub, epoch: this.epoch, setAside: false });
    }
    const membership = this.secrets.membership();
    this.succession = new Succession({
      fleet: {
        standing: () => ({
          role: isHub ? "hub" : "member",
          fleet: "f",
          epoch: this.epoch,
          hub: this.hub,
          isRestartDue: false,
          featureLevel: 2,
        }),
        membership: membership.ok ? membership.value : undefined,
        client: undefined,
      },
      stores: { nodeId: this.self, fleetNodes: this.directory, secrets: this.secrets },
      stateDir: "/state",
      member: isHub
        ? undefined
        : {
            replica: {
              renew: () => {
                this.renewals += 1;
              },
            },
          },
      isHub,
      isReaching: () => this.isReaching,
      goOnAlone: () => undefined,
      standDown: (why) => this.stoodDown.push(why),
      uuid: "f",
      configuredUrl: "",
      ca: undefined,
      nonce: nonceMaker(random),
      clock: this.clock,
      logger: silentLogger,
      restart: () => {
        this.restarts += 1;
      },
      fetch: this.#fetch,
    });
    this.succession.start();
    return this;
  }

  /** Lets time pass in steps, and what it brings about be done. */
  async pass(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= 1_000) {
      this.clock.advance(Math.min(1_000, leftMs));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  readonly #fetch: FetchFrom = async (url, { headers }) => {
    const { origin, host } = new URL(url);
    this.asked.push(host);
    const says = this.#says.get(origin);
    const key = this.#keys.get(origin);
    if (says === undefined || key === undefined) throw new Error("nobody is there");
    const body = new TextEncoder().encode(JSON.stringify(says));
    const nonce = headers.get(NONCE_HEADER) ?? "";
    const signature = signAnswer({ nonce, status: 200, body }, key.privateKey, cryptography);
    return new Response(body, { headers: { [SIGNATURE_HEADER]: signature } });
  };
}

const ROW: Omit<FleetNode, "id" | "name" | "publicKey" | "url"> = {
  role: "member",
  version: "1",
  featureLevel: 1,
  state: "active",
  leaseClass: "strict",
  joinedAtMs: 0,
  seenAtMs: 0,
  announced: {},
};

let world: Neighbourhood | undefined;
afterEach(() => world?.succession.stop());

function neighbourhood(): Neighbourhood {
  world = new Neighbourhood();
  return world;
}

function followed({ secrets }: Neighbourhood): NodeId | undefined {
  const membership = secrets.membership();
  return membership.ok ? membership.value?.hub.id : undefined;
}

describe("a member whose hub is silent", () => {
  it("asks the other nodes after thirty seconds, not before, and follows the hub that they name", async () => {
    const world = neighbourhood();
    world.hub = await world.know("old", undefined);
    const next = await world.know("next", { epoch: 9, hub: null });
    await world.start("member");

    await world.pass(60_000);
    world.isReaching = false;
    await world.pass(SILENCE_MS - 1_000);
    const askedBefore = [...world.asked];
    await world.pass(10_000);
    await waitUntil("the new hub is followed", () => followed(world) === next.id);

    expect(askedBefore).toEqual([]);
    expect(world.renewals).toBe(1);
    expect(world.restarts).toBe(0);
  });

  it("asks nobody when the hub was silent for less and answers again", async () => {
    const world = neighbourhood();
    world.hub = await world.know("old", undefined);
    await world.know("next", { epoch: 9, hub: null });
    await world.start("member");

    for (let count = 0; count < 3; count += 1) {
      world.isReaching = false;
      await world.pass(SILENCE_MS - 10_000);
      world.isReaching = true;
      await world.pass(10_000);
    }

    expect(world.asked).toEqual([]);
  });

  it("stays with its hub as long as nobody names one of a higher epoch, and goes on asking", async () => {
    const world = neighbourhood();
    world.hub = await world.know("old", undefined);
    await world.know("other", { epoch: 5, hub: world.hub });
    await world.start("member");

    world.isReaching = false;
    await world.pass(3 * SILENCE_MS + 20_000);

    expect(followed(world)).toBe(world.hub.id);
    expect(world.asked.filter((host) => host === "other:1").length).toBeGreaterThanOrEqual(3);
  });
});

describe("a hub that a node has outrun", () => {
  it("answers nobody from that moment on, and steps down once it has found the other one", async () => {
    const world = neighbourhood();
    const next = await world.know("next", { epoch: 9, hub: null });
    await world.start("hub");

    world.succession.outrun(9);
    const atOnce = { isSuperseded: world.succession.isSuperseded, refuses: world.stoodDown.length };
    await world.pass(10_000);
    await waitUntil("it leaves", () => world.restarts > 0);

    expect(atOnce).toEqual({ isSuperseded: true, refuses: 1 });
    expect(world.secrets.stepDown).toMatchObject({ epoch: 9, hub: { id: next.id } });
    expect(world.restarts).toBe(1);
  });

  it("goes on looking while nobody says who it is", async () => {
    const world = neighbourhood();
    await world.know("before", { epoch: 4, hub: null });
    await world.start("hub");

    world.succession.outrun(9);
    await world.pass(30_000);

    expect(world.asked.length).toBeGreaterThanOrEqual(4);
    expect(world.secrets.stepDown).toBeUndefined();
    expect(world.succession.isSuperseded).toBe(true);
  });

  it.each([4, 5])("is not outrun by epoch %i", async (epoch) => {
    const world = await neighbourhood().start("hub");

    world.succession.outrun(epoch);

    expect(world.succession.isSuperseded).toBe(false);
  });

  it("starts anew when the others follow this very node under an epoch that it forgot", async () => {
    const world = neighbourhood();
    await world.start("hub");
    const self = { id: world.self, name: "self", url: "http://self:1", publicKey: "k" };
    await world.know("other", { epoch: 9, hub: self });

    world.succession.outrun(9);
    await world.pass(5_000);
    await waitUntil("it starts anew", () => world.restarts > 0);

    expect(world.secrets.stepDown).toBeUndefined();
  });
});

describe("a hub that asks whether it still is one", () => {
  it("S3: follows one that joined after it was lost, on the word of a node that it knows", async () => {
    const world = neighbourhood();
    const late = world.stranger("late");
    await world.know("witness", { epoch: 9, hub: late });
    await world.start("hub");

    await world.pass(70_000);
    await waitUntil("it leaves", () => world.restarts > 0);

    expect(world.secrets.stepDown?.hub).toEqual(late);
  });

  it("S2: gives way to one of the same epoch with a greater id, and keeps its place before one with a smaller id", async () => {
    const world = neighbourhood();
    const later = await world.know("later", undefined); // ids rise: this one is greater
    await world.start("hub");

    const smaller = world.succession.hear(world.self, { epoch: 5, url: "http://self:1" });
    const greater = world.succession.hear(later.id, { epoch: 5, url: later.url });

    expect([smaller, greater].map((heard) => heard.ok && heard.value.accepted)).toEqual([false, true]);
    expect(world.stoodDown).toHaveLength(1);
  });
});
