import { expect, test } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom } from "#base";
import { FleetOrders, HubClock } from "#fleet";

const node = createIdFactory(new SimulatedClock(), seededRandom(1)).node();

test("an order is told until the node has heard it, is one however often it is given, and grows too old", () => {
  const orders = new FleetOrders("s");
  const given = orders.restart(node, 0);
  const again = orders.restart(node, 1);

  expect(given).toEqual(again);
  expect(orders.due(node, [], 2)).toEqual([{ id: "s-1", kind: "restart" }]);
  expect(orders.due(node, [], 3)).toHaveLength(1);
  expect(orders.due(node, ["s-1"], 4)).toEqual([]);
  expect(orders.due(node, [], 5)).toEqual([]);
  orders.restart(node, 10);
  expect(orders.due(node, [], 10 + 600_000)).toEqual([]);
});

test("the hub's time goes on whatever this host's wall clock does, once the hub has told it", () => {
  const clock = new SimulatedClock();
  const hub = new HubClock(clock);
  const hubMs = clock.nowMs() + 7_200_000;
  const askedAtMs = clock.monotonicMs();
  clock.advance(100);

  expect(hub.nowMs()).toBe(clock.nowMs());
  hub.learn(hubMs + 50, askedAtMs);
  expect(hub.nowMs()).toBe(hubMs + 100);
  clock.jumpWall(-86_400_000);
  clock.advance(1_000);
  expect(hub.nowMs()).toBe(hubMs + 1_100);
  expect(hub.offsetMs()).toBe(7_200_000 + 86_400_000);
});

test("an order of a release goes in the place of a restart, is given again under its key, and can be taken back unheard", () => {
  const orders = new FleetOrders("s");
  const release = { version: "2.0.0", from: "hub", key: "r/1" };
  orders.restart(node, 0);

  const first = orders.take(node, release, 0);
  const again = orders.take(node, release, 1);
  const next = orders.take(node, { ...release, key: "r/2" }, 2);
  orders.withdraw(node);

  expect([again.id === first.id, next.id === first.id]).toEqual([true, false]);
  expect(orders.due(node, [], 3)).toEqual([]);
  orders.restart(node, 3);
  orders.withdraw(node);
  expect(orders.due(node, [], 3)).toMatchObject([{ kind: "restart" }]);
});
