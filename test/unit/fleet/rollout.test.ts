import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createIdFactory, type NodeId, SimulatedClock, seededRandom } from "#base";
import {
  AWAY_LIMIT_MS,
  beginRollout,
  FEW_FAILURES,
  type NodeSight,
  type Rollout,
  type RolloutEvent,
  SILENT_LIMIT_MS,
  stepRollout,
  TAKE_LIMIT_MS,
  takeKey,
} from "../../../src/fleet/rollout.ts";

const ids = createIdFactory(new SimulatedClock(), seededRandom(5));
const NODES = ["a", "b", "c", "d", "hub"].map((name) => ({ id: ids.node(), name }));
const HUB = NODES.at(-1)?.id as NodeId; // `as`: the list is not empty
const WATCH_MS = 60_000;
const none = { ended: 0, failed: 0 };

/** Nodes that take what they are asked to, unless they are said to do something else. */
class World {
  nowMs = 1_000;
  rollout: Rollout;
  readonly asked: string[] = [];
  readonly sights = new Map<NodeId, NodeSight>();

  constructor(wave = 2) {
    const wish = { id: "r1", version: "2.0.0", from: "hub", wave, watchMs: WATCH_MS, hub: HUB };
    this.rollout = beginRollout(wish, NODES.toReversed(), this.nowMs);
    for (const { id, name } of NODES) {
      this.sights.set(id, {
        id,
        name,
        version: "1.0.0",
        isThere: false,
        isRemoved: false,
        canTake: true,
        silentMs: 0,
        report: null,
        before: none,
        since: none,
        backOff: null,
      });
    }
  }

  change(name: string, more: Partial<NodeSight>): void {
    const sight = [...this.sights.values()].find((each) => each.name === name);
    if (sight !== undefined) this.sights.set(sight.id, { ...sight, ...more });
  }

  update(name: string): void {
    this.change(name, { version: "2.0.0", isThere: true });
  }

  step(event: RolloutEvent = "tick", passMs = 1_000): Rollout {
    this.nowMs += passMs;
    const { rollout, effects } = stepRollout(this.rollout, event, {
      nowMs: this.nowMs,
      nodes: [...this.sights.values()],
    });
    this.rollout = rollout;
    for (const effect of effects)
      if (effect.kind === "ask") this.asked.push(`${this.nameOf(effect.node)} ${effect.key}`);
    return rollout;
  }

  nameOf(id: NodeId): string {
    return NODES.find((node) => node.id === id)?.name ?? "?";
  }

  states(): Record<string, string> {
    return Object.fromEntries(this.rollout.nodes.map(({ name, state }) => [name, state]));
  }

  in(state: string): readonly string[] {
    return this.rollout.nodes.filter((node) => node.state === state).map(({ name }) => name);
  }

  /** Takes what was asked, and lets the watch pass. */
  take(): void {
    for (const name of this.in("asked")) this.update(name);
    this.step();
    this.step("tick", WATCH_MS);
  }
}

describe("the update of a fleet", () => {
  it("asks one node, watches it, then a wave at a time, and the hub when all others are done", () => {
    const world = new World();
    const waves: (readonly string[])[] = [];

    world.step();
    for (let turn = 0; turn < 6 && world.rollout.phase === "running"; turn += 1) {
      waves.push(world.in("asked"));
      world.take();
    }

    expect(waves).toEqual([["d"], ["c", "b"], ["a"], ["hub"]]);
    expect(world.rollout).toMatchObject({ phase: "done", reason: null });
    expect(new Set(Object.values(world.states()))).toEqual(new Set(["updated"]));
  });

  it.each<[string, Partial<NodeSight>, string]>([
    [
      "says that the release was taken back",
      { report: { key: "r1/1", state: "failed", reason: "too slow" } },
      "too slow",
    ],
    ["falls silent", { silentMs: SILENT_LIMIT_MS + 1 }, "fell silent"],
  ])("stops when a node that was asked %s (RO4), and goes on with it when a person says so", (_what, sight, reason) => {
    const world = new World();
    world.step();
    world.change("d", sight);
    world.step();
    const stopped = world.rollout;
    const asked = world.asked.length;
    world.step("tick", TAKE_LIMIT_MS);

    expect(stopped).toMatchObject({ phase: "stopped", reason: expect.stringContaining(reason) as unknown });
    expect(world.asked.length).toBe(asked);

    world.change("d", { silentMs: 0, report: null });
    world.step("resume");
    expect(world.rollout.phase).toBe("running");
    expect(world.asked.at(-1)).toBe("d r1/2");
  });

  it.each<[string, Partial<NodeSight>, string]>([
    ["runs the old release again", { version: "1.0.0", isThere: false }, "it runs 1.0.0 again"],
    ["is backed off", { backOff: "its last 5 attempts failed" }, "it gets no work"],
    [
      "fails more than before",
      { before: { ended: 20, failed: 2 }, since: { ended: 8, failed: FEW_FAILURES } },
      "5 of its 8 attempts failed since",
    ],
    ["fails at everything", { since: { ended: FEW_FAILURES, failed: FEW_FAILURES } }, "all of its 5 attempts"],
  ])("stops when a node that is watched %s", (_what, sight, reason) => {
    const world = new World();
    world.step();
    world.update("d");
    world.step();
    expect(world.states()["d"]).toBe("watched");

    world.change("d", sight);
    world.step();

    expect(world.rollout).toMatchObject({ phase: "stopped", reason: expect.stringContaining(reason) as unknown });
  });

  it("is not stopped by as many failures as there were before", () => {
    const world = new World();
    world.step();
    world.update("d");
    world.step();
    world.change("d", { before: { ended: 10, failed: 6 }, since: { ended: 10, failed: 6 } });
    world.step("tick", WATCH_MS);

    expect(world.states()["d"]).toBe("updated");
  });

  it("stops when a node does not take the release in time, and waits while it says that it does", () => {
    const world = new World();
    world.step();
    world.change("d", { report: { key: "r1/1", state: "taking", reason: null }, version: "2.0.0", isThere: true });
    world.step();
    expect(world.states()["d"]).toBe("asked"); // on probation: the watchdog has not said that it is over

    world.step("tick", TAKE_LIMIT_MS);
    expect(world.rollout.reason).toContain("in time");
  });

  it("skips who is away or cannot be asked, ends without them, and asks them when they return (RO5)", () => {
    const world = new World(4);
    world.change("a", { silentMs: AWAY_LIMIT_MS + 1 });
    world.change("b", { canTake: false });
    world.step();
    for (let turn = 0; turn < 5; turn += 1) world.take();
    const over = world.rollout;
    world.change("a", { silentMs: 0 });
    world.step();

    expect(over.phase).toBe("done");
    expect(over.nodes.filter(({ state }) => state === "skipped").map(({ name }) => name)).toEqual(["b", "a"]);
    expect(world.rollout.phase).toBe("running");
    expect(world.in("asked")).toEqual(["a"]);
  });

  it("asks nobody further while it is paused, and withdraws what was not heard when it is aborted (RO6)", () => {
    const world = new World();
    world.step();
    world.step("pause");
    world.update("d");
    world.step();
    world.step("tick", WATCH_MS);
    expect([world.rollout.phase, world.in("asked")]).toEqual(["paused", []]);

    world.step("resume");
    expect(world.in("asked")).toHaveLength(2);
    const facts = { nowMs: world.nowMs, nodes: [...world.sights.values()] };
    const aborted = stepRollout(world.rollout, "abort", facts);
    expect(aborted.effects.map(({ kind }) => kind)).toEqual(["withdraw", "withdraw"]);
    expect(stepRollout(aborted.rollout, "resume", facts).rollout).toEqual(aborted.rollout);
  });

  it("takes in who joins meanwhile, before the hub, and forgets who was removed", () => {
    const world = new World();
    world.step();
    const late = ids.node();
    world.sights.set(late, { ...(world.sights.get(HUB) as NodeSight), id: late, name: "late" });
    world.change("a", { isRemoved: true });
    world.step();

    expect(world.rollout.nodes.map(({ name }) => name)).toEqual(["d", "c", "b", "late", "hub"]);
  });

  it("keeps RO1 to RO6 whatever happens, and repeats no decision", () => {
    const nodes = fc.constantFrom(...NODES.map(({ name }) => name));
    const happening = fc.oneof(
      fc.record({ kind: fc.constant("update" as const), name: nodes }),
      fc.record({ kind: fc.constant("fail" as const), name: nodes }),
      fc.record({ kind: fc.constant("away" as const), name: nodes, ms: fc.constantFrom(0, AWAY_LIMIT_MS + 1) }),
      fc.record({
        kind: fc.constant("step" as const),
        event: fc.constantFrom<RolloutEvent>("tick", "tick", "tick", "pause", "resume"),
      }),
      fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(1_000, WATCH_MS) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), fc.array(happening, { maxLength: 60 }), (wave, history) => {
        const world = new World(wave);
        for (const one of history) {
          const before = world.rollout;
          if (one.kind === "update") world.update(one.name);
          else if (one.kind === "away") world.change(one.name, { silentMs: one.ms });
          else if (one.kind === "fail") {
            const node = before.nodes.find(({ name }) => name === one.name);
            const key = node === undefined ? "" : takeKey(before, node);
            world.change(one.name, { report: { key, state: "failed", reason: "no" } });
          } else world.step(one.kind === "step" ? one.event : "tick", one.kind === "pass" ? one.ms : 1_000);

          const { rollout } = world;
          const hub = rollout.nodes.find(({ id }) => id === HUB);
          const others = rollout.nodes.filter(({ id }) => id !== HUB);
          const newly = rollout.nodes.filter(
            ({ id, tries }) => tries > (before.nodes.find((node) => node.id === id)?.tries ?? 0),
          );
          const isHubAsked = newly.some(({ id }) => id === HUB);
          const isRestDone = others.every(({ state }) => state === "updated" || state === "skipped");
          expect(isHubAsked && !isRestDone).toBe(false); // RO1
          const isTried = before.nodes.some(({ state, tries }) => state === "updated" && tries > 0);
          const open = rollout.nodes.filter(({ state }) => state === "asked" || state === "watched").length;
          // A step ends the watch of some and asks others.
          const isNowTried = isTried || rollout.nodes.some(({ state, tries }) => state === "updated" && tries > 0);
          expect(open).toBeLessThanOrEqual(isNowTried ? wave : 1); // RO2, RO3
          expect(rollout.phase === "stopped" && newly.length > 0).toBe(false); // RO4
          for (const { id } of newly) expect(world.sights.get(id)?.isThere).toBe(false); // RO5
          expect(hub).toBeDefined();
          const facts = { nowMs: world.nowMs, nodes: [...world.sights.values()] };
          const again = stepRollout(rollout, "tick", facts).rollout;
          expect(stepRollout(again, "tick", facts).rollout).toEqual(again);
        }
      }),
    );
  });
});
