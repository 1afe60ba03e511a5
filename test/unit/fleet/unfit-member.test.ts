import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { refused } from "#base";
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

describe("a member whose release does not fit its fleet", () => {
  it("gets nothing new, keeps and reports what it holds, and says why until it fits again (U4)", async () => {
    const member = await world.member().start();
    await world.over(member.queue.submit([world.task(), world.task()]), 200);
    const held = await world.claimOne(member);
    world.unfit = () => refused("unsupported", "gpu1 runs drover 0.1.0", "Update that node");
    await world.pass(6_000);

    const calls = member.calls;
    const none = valueOf(
      await world.over(member.queue.claim({ holder: member.node, limit: 1, accepts: () => true }), 0),
    );
    const asked = member.calls - calls;
    await world.pass(60_000);
    const isHeld = member.queue.renew(held.row.id, held.fence);
    const { unfit } = member.queue;
    const refusal = await world.hub.claim(member.node, { id: world.ids.command(), limit: 1, accepts: [] });
    const receipt = await world.over(member.queue.finish(held.row.id, held.fence, attemptReport()), 200);
    world.unfit = undefined;
    await world.pass(6_000);
    const next = await world.claimOne(member);

    expect([none.tasks.length, asked, isHeld]).toEqual([0, 0, true]);
    expect(unfit).toMatchObject({ message: "gpu1 runs drover 0.1.0", remedy: "Update that node" });
    expect(refusal).toMatchObject({ ok: false, error: { code: "unsupported" } });
    expect(valueOf(receipt)).toEqual({ kind: "applied", state: "done" });
    expect(member.queue.unfit).toBeUndefined();
    expect(next.row.id).not.toBe(held.row.id);
  });
});
