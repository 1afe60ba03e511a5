import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { present, refused } from "#base";
import type { ClaimedTask } from "#queue";
import { FleetWorld, type Member } from "../../support/fleet-world.ts";
import { attemptReport, newTask } from "../../support/queue-world.ts";
import { valueOf } from "../api/api-harness.ts";

let world: FleetWorld;
beforeEach(async () => {
  world = new FleetWorld();
  await world.startHub();
});
afterEach(async () => {
  await world.stopHub();
});

/** A call that needs time to pass before it is answered. */
async function over<T>(call: Promise<T>, ms: number): Promise<T> {
  await world.pass(ms);
  return call;
}

async function claimOne(member: Member): Promise<ClaimedTask> {
  const claimed = await over(member.queue.claim({ holder: member.node, limit: 1, accepts: () => true }), 200);
  return present(valueOf(claimed).tasks[0], "a task was claimed");
}

describe("a member whose release does not fit its fleet", () => {
  it("gets nothing new, keeps and reports what it holds, and says why until it fits again (U4)", async () => {
    const member = await world.member().start();
    await over(member.queue.submit([newTask(world.ids.task()), newTask(world.ids.task())]), 200);
    const held = await claimOne(member);
    world.unfit = () => refused("unsupported", "gpu1 runs drover 0.1.0", "Update that node");
    await world.pass(6_000);

    const calls = member.calls;
    const none = valueOf(await over(member.queue.claim({ holder: member.node, limit: 1, accepts: () => true }), 0));
    const asked = member.calls - calls;
    await world.pass(60_000);
    const isHeld = member.queue.renew(held.row.id, held.fence);
    const { unfit } = member.queue;
    const refusal = await world.hub.claim(member.node, { id: world.ids.command(), limit: 1, accepts: [] });
    const receipt = await over(member.queue.finish(held.row.id, held.fence, attemptReport()), 200);
    world.unfit = undefined;
    await world.pass(6_000);
    const next = await claimOne(member);

    expect([none.tasks.length, asked, isHeld]).toEqual([0, 0, true]);
    expect(unfit).toMatchObject({ message: "gpu1 runs drover 0.1.0", remedy: "Update that node" });
    expect(refusal).toMatchObject({ ok: false, error: { code: "unsupported" } });
    expect(valueOf(receipt)).toEqual({ kind: "applied", state: "done" });
    expect(member.queue.unfit).toBeUndefined();
    expect(next.row.id).not.toBe(held.row.id);
  });
});
