import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FleetWorld } from "../../support/fleet-world.ts";
import { attemptReport } from "../../support/queue-world.ts";
import { valueOf } from "../api/api-harness.ts";

let world: FleetWorld;
beforeEach(async () => {
  world = new FleetWorld();
  await world.startHub();
});
afterEach(async () => {
  await world.stopHub();
});

describe("a member that is restarted while its hub is away", () => {
  it("H2: after a restart without its hub it goes on with what it held, as long as before", async () => {
    const member = await world.member().start();
    await world.over(member.queue.submit([world.task()]), 200);
    const { row, fence } = await world.claimOne(member);
    await world.pass(10_000);
    member.fault = "cut";
    await member.restart();
    const at = async (ms: number): Promise<boolean> => {
      await world.pass(ms, 500);
      return member.queue.renew(row.id, fence);
    };

    // Cut at any moment: 48 s after the last heartbeat that was answered, which was at most 5 s before.
    expect([await at(0), await at(42_000), await at(7_000), await world.stateOf(row.id)]).toEqual([
      true,
      true,
      false,
      "running",
    ]);
  });

  it.each([
    ["of another boot", "second"],
    ["where the boot is not known", undefined],
  ])("L1: what was noted does not count after a restart %s before the hub has confirmed it", async (_where, boot) => {
    const member = await world.member().start();
    await world.over(member.queue.submit([world.task()]), 200);
    const { row, fence } = await world.claimOne(member);
    await world.pass(1_000);
    member.fault = "cut";
    member.boot = boot;
    await member.restart();
    const cut = member.queue.renew(row.id, fence);
    member.fault = "none";
    await world.pass(6_000);

    expect([cut, member.queue.renew(row.id, fence)]).toEqual([false, true]);
  });

  it("H3: what the hub refused is not taken up again by the process after this one", async () => {
    const member = await world.member().start();
    await world.over(member.queue.submit([world.task()]), 200);
    const { row, fence } = await world.claimOne(member);
    await world.pass(1_000);
    valueOf(await world.over(world.queue.finish(row.id, fence, attemptReport({ outcome: "failed" })), 0));
    await world.pass(6_000);
    member.fault = "cut";

    expect(valueOf(member.leases.read())).not.toContain(row.id);
    expect(member.queue.renew(row.id, fence)).toBe(false);
  });
});
