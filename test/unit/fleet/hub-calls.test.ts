/** How often nodes are called to work and told of commits, and what asking costs. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ok } from "#base";
import { FleetWorld, type Member } from "../../support/fleet-world.ts";
import { valueOf } from "../api/api-harness.ts";

let world: FleetWorld;
beforeEach(async () => {
  world = new FleetWorld();
  await world.startHub();
});
afterEach(async () => {
  await world.stopHub();
});

describe("a member of a fleet", () => {
  it("Q15: leaves no trace of asking for work in vain; the same request may take some later, once", async () => {
    const member = await world.member().start();
    const call = { id: world.ids.command(), limit: 1, accepts: ["{}"] };
    const ask = async (): Promise<readonly string[]> =>
      valueOf(await world.over(world.hub.claim(member.node, call), 100)).tasks.map(({ row }) => row.id);

    const inVain = await ask();
    const kept = world.store.transact("look", (tx) => ok(tx.commandResult(call.id)));
    await world.over(world.queue.submit([world.task(), world.task()]), 100);
    const [first, repeated] = [await ask(), await ask()];

    expect(inVain).toEqual([]);
    expect(valueOf(await kept)).toBeUndefined();
    expect(first).toHaveLength(1);
    expect(repeated).toEqual(first);
  });

  it("is told of one task with a few others at a time, until somebody has taken it", async () => {
    const told: number[] = [];
    const members: Member[] = [];
    for (let count = 0; count < 20; count += 1) {
      const member = await world.member().start();
      members.push(member);
      member.queue.onReady(() => told.push(count));
    }
    // Its kind of work is known by then.
    await world.over(world.queue.submit([world.task()]), 200);
    const claim = { holder: world.hubNode, limit: 1, accepts: () => true };
    for (const member of members) await world.over(member.queue.claim({ ...claim, holder: member.node }), 100);
    await world.pass(6_000);
    told.splice(0);

    await world.over(world.queue.submit([world.task()]), 0);
    const atFirst = told.length;
    const taken = world.queue.claim(claim);
    await world.pass(2_000);

    expect(valueOf(await taken).tasks).toHaveLength(1);
    expect(atFirst).toBeGreaterThan(0);
    expect(told.length).toBeLessThan(20);
  });

  it("is told at once that a part of it is read, once for each time that it is", async () => {
    const [member, other] = [await world.member().start(), await world.member().start()];
    const key = { taskId: world.ids.task(), attempt: 1 };
    for (const part of ["output", "steps", "output"] as const) world.hub.tellOfRead(member.node, { ...key, part });
    await world.settle();
    const atOnce = [...member.reads];
    world.hub.tellOfRead(member.node, { ...key, part: "output" });
    await world.pass(200);

    expect(atOnce).toHaveLength(2);
    expect(new Set(atOnce)).toEqual(new Set(["output", "steps"]));
    expect(member.reads.slice(2)).toEqual(["output"]);
    expect(other.reads).toEqual([]);
  });

  it("of many is told of all of a hundred commits by a few answers", async () => {
    const members = Array.from({ length: 10 }, () => world.member());
    for (const member of members) await member.start();
    await world.pass(6_000);
    const before = members.reduce((sum, { calls }) => sum + calls, 0);

    for (let count = 0; count < 100; count += 1) {
      await world.over(world.queue.announce("budget.warned", {}), 10);
    }
    await world.pass(200);

    const calls = members.reduce((sum, member) => sum + member.calls, 0) - before;
    // In one second at 50 ms and more, and a heartbeat perhaps; each commit by itself would be 1,000.
    expect(calls).toBeLessThan(10 * 25);
    expect(calls).toBeGreaterThanOrEqual(10);
  });

  it("is answered at once when it shows more commits than the hub has, of an epoch that is over", async () => {
    const member = await world.member().start();
    world.epoch = 2;
    const call = { seq: world.seq + 100, readySeen: 1, waitMs: 20_000 };
    const answeredAfterMs = async (seqEpoch: number): Promise<number> => {
      const sinceMs = world.clock.monotonicMs();
      let atMs = Number.NaN;
      const waiting = world.hub.wait(member.node, { ...call, seqEpoch }).then(() => {
        atMs = world.clock.monotonicMs();
      });
      await world.pass(21_000);
      await waiting;
      return atMs - sinceMs;
    };

    expect(await answeredAfterMs(1)).toBe(0);
    expect(await answeredAfterMs(2)).toBeGreaterThanOrEqual(20_000);
  });
});
