import { describe, expect, it } from "vitest";
import { createIdFactory, type JsonObject, SimulatedClock, seededRandom, silentLogger } from "#base";
import { announcedLevels, type FleetNode, type LevelRange, MemoryNodeDirectory, Presence, SETTLED_MS } from "#fleet";
import { LevelKeeper, type LevelKeeperParts, settleMsOf } from "../../../../src/runtime/fleet/level-keeper.ts";

const OWN = { oldest: 1, newest: 3 };

async function makeKeeper(over: Partial<LevelKeeperParts> = {}) {
  const clock = new SimulatedClock();
  const ids = createIdFactory(clock, seededRandom(3));
  const nodes = new MemoryNodeDirectory();
  const presence = new Presence(clock);
  const [hub, other] = [ids.node(), ids.node()];
  const row = (id: typeof hub, name: string, announced: JsonObject): FleetNode => ({
    id,
    name,
    role: "member",
    publicKey: name,
    url: null,
    version: "0.1.0",
    featureLevel: 1,
    state: "active",
    leaseClass: "strict",
    joinedAtMs: 0,
    seenAtMs: clock.nowMs(),
    announced,
  });
  await nodes.put(row(hub, "hub", {}));
  await nodes.put(row(other, "gpu1", {}));
  await nodes.raiseLevel(1);
  const raised: number[] = [];
  const state = { isIdle: true, restarts: 0 };
  const keeper = new LevelKeeper({
    self: hub,
    own: OWN,
    version: "0.3.0",
    nodes,
    presence,
    settleMs: SETTLED_MS,
    waitingMigrations: [],
    isIdle: () => state.isIdle,
    restart: () => {
      state.restarts += 1;
    },
    onRaised: (level) => raised.push(level),
    clock,
    logger: silentLogger,
    ...over,
  });
  const says = (levels: LevelRange): void =>
    presence.heard(other, { version: `0.${levels.newest}.0`, ...announcedLevels(levels) });
  return { keeper, clock, nodes, raised, state, other, says };
}

describe("the keeper of a fleet's level", () => {
  it("raises it to what every node speaks, once the hub is past its probation", async () => {
    const { keeper, clock, nodes, raised, says } = await makeKeeper();
    says({ oldest: 1, newest: 2 });

    await keeper.look();
    const early = nodes.level();
    clock.advance(SETTLED_MS);
    says({ oldest: 1, newest: 2 });
    await keeper.look();
    await keeper.look();

    expect([early, nodes.level(), raised]).toEqual([1, 2, [2]]);
    expect(settleMsOf(SETTLED_MS)).toBe(SETTLED_MS + 60_000);
  });

  it("says of a node that came back with an old release that it does not fit, until it runs a newer one", async () => {
    const { keeper, nodes, other, says } = await makeKeeper();
    await nodes.raiseLevel(2);
    says({ oldest: 1, newest: 1 });

    expect(keeper.unfit(other)?.message).toContain("gpu1 runs drover 0.1.0");
    says({ oldest: 1, newest: 2 });
    expect(keeper.unfit(other)).toBeUndefined();
  });

  it("has the node started anew for a migration that waited: once, when nothing runs and the level is there", async () => {
    const { keeper, clock, nodes, state, says } = await makeKeeper({
      waitingMigrations: [{ name: "later", needsLevel: 2 }],
    });
    says({ oldest: 1, newest: 1 });
    clock.advance(SETTLED_MS);
    await keeper.look();
    expect(state.restarts).toBe(0);

    await nodes.raiseLevel(2);
    state.isIdle = false;
    await keeper.look();
    expect(state.restarts).toBe(0);
    state.isIdle = true;
    await keeper.look();
    await keeper.look();

    expect(state.restarts).toBe(1);
  });
});
