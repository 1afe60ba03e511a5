import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ok } from "#base";
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

describe("a member of a fleet", () => {
  it("submits, claims and finishes through its hub", async () => {
    const member = await world.member().start();
    const submitted = world.task();

    const receipts = await world.over(member.queue.submit([submitted]), 200);
    const claimed = await world.claimOne(member);
    const receipt = await world.over(member.queue.finish(claimed.row.id, claimed.fence, attemptReport()), 200);
    await world.pass(2_000);

    expect(valueOf(receipts)).toEqual([{ id: submitted.id, created: true }]);
    expect(claimed.row.holder).toBe(member.node);
    expect(valueOf(receipt)).toEqual({ kind: "applied", state: "done" });
    expect(valueOf(member.outbox.count())).toEqual({ waiting: 0, unsettled: 0 });
  });

  it("accepts while its hub is away, shows what it accepted, and brings it once the hub is back", async () => {
    const member = await world.member().start();
    member.fault = "cut";
    await world.pass(10_000);
    const [first, second] = [world.task(), world.task()];

    const receipts = await world.over(member.queue.submit([first]), 100);
    await world.over(member.queue.submit([second]), 100);
    const shown = valueOf(await member.queue.store.find(first.id));
    const before = await world.stateOf(first.id);
    member.fault = "none";
    await world.pass(20_000);

    expect(valueOf(receipts)).toEqual([{ id: first.id, created: true }]);
    expect([before, shown?.row.state]).toEqual([undefined, "waiting"]);
    expect(Math.abs((shown?.row.createdAtMs ?? 0) - world.clock.nowMs())).toBeLessThan(60_000);
    expect([await world.stateOf(first.id), await world.stateOf(second.id)]).toEqual(["ready", "ready"]);
    expect(valueOf(member.outbox.count()).waiting).toBe(0);
  });

  it("O1: a submission survives that its node is killed before the hub heard of it", async () => {
    const member = await world.member().start();
    member.fault = "cut";
    const submitted = world.task();
    await world.over(member.queue.submit([submitted]));

    await member.restart();
    member.fault = "none";
    await world.pass(20_000);

    expect(await world.stateOf(submitted.id)).toBe("ready");
  });

  it("U1: answers that are lost double nothing", async () => {
    const member = await world.member().start();
    member.fault = "answers_lost";
    const submitted = world.task();
    await world.over(member.queue.submit([submitted]));
    await world.pass(20_000);
    member.fault = "none";
    await world.pass(20_000);

    const tasks = valueOf(await world.store.list({}, 10)).items;
    expect(tasks.map(({ row }) => row.id)).toEqual([submitted.id]);
    expect(valueOf(member.outbox.count())).toEqual({ waiting: 0, unsettled: 0 });
  });

  it("U3: a task that was given to it in an answer that was lost is offered again soon", async () => {
    const member = await world.member().start();
    await world.over(member.queue.submit([world.task()]), 200);
    member.fault = "answers_lost";
    await world.over(member.queue.claim({ holder: member.node, limit: 1, accepts: () => true }), 200);
    member.fault = "none";
    const taken = valueOf(await world.store.list({ states: ["running"] }, 10)).items.length;

    await world.pass(30_000);

    expect(taken).toBe(1);
    expect(valueOf(await world.store.list({ states: ["ready"] }, 10)).items).toHaveLength(1);
  });

  it("U3: a heartbeat that was late itself takes nothing back", async () => {
    const member = await world.member().start();
    const { stamp = "" } = world.hub.heartbeat(member.node, { held: [], heard: [], announced: {} });
    await world.over(member.queue.submit([world.task()]), 200);
    const { row, fence } = await world.claimOne(member);
    member.fault = "cut";
    await world.pass(25_000);

    const late = world.hub.heartbeat(member.node, { held: [], heard: [], announced: {}, stamp });
    await world.settle();
    const first = await world.stateOf(row.id);
    world.hub.heartbeat(member.node, { held: [], heard: [], announced: {}, stamp: late.stamp });
    await world.settle();

    expect(member.queue.renew(row.id, fence)).toBe(true);
    expect([first, await world.stateOf(row.id)]).toEqual(["running", "ready"]);
  });

  it("U3: what a claim is answered when the hub may have taken it back is not used", async () => {
    const member = await world.member().start();
    await world.over(member.queue.submit([world.task()]), 200);
    member.answerMs = 16_000;

    const claimed = await world.over(
      member.queue.claim({ holder: member.node, limit: 1, accepts: () => true }),
      17_000,
    );

    expect(valueOf(claimed).tasks).toEqual([]);
    expect(valueOf(await world.store.list({ states: ["running"] }, 10)).items).toHaveLength(1);
  });

  it("does not take up again after a restart what it has reported and the hub does not know yet", async () => {
    const member = await world.member().start();
    await world.over(member.queue.submit([world.task()]), 200);
    const { row, fence } = await world.claimOne(member);
    member.fault = "cut";
    const receipt = await world.over(member.queue.finish(row.id, fence, attemptReport()), 3_000);
    await member.queue.stop();

    const running = await member.queue.start();

    expect([valueOf(receipt), valueOf(running)]).toEqual([{ kind: "journaled" }, []]);
  });

  it("H2: stops by itself before its lease ends at the hub, which then offers the task again", async () => {
    const member = await world.member().start();
    await world.over(member.queue.submit([world.task()]), 200);
    const { row, fence } = await world.claimOne(member);
    member.fault = "cut";
    await world.pass(1_000);
    const early = member.queue.renew(row.id, fence);
    // Cut at any moment: 48 s after the last heartbeat that was answered.
    await world.pass(49_000, 500);
    const late = member.queue.renew(row.id, fence);
    const atHub = await world.stateOf(row.id);
    await world.pass(15_000, 500);

    expect([early, late, atHub, await world.stateOf(row.id)]).toEqual([true, false, "running", "ready"]);
  });

  it("waits no longer for a heartbeat than one that is lost may cost of its lease", async () => {
    await world.stopHub();
    await world.startHub(6_000);
    const member = await world.member().start();
    await world.pass(6_000);

    expect(member.heartbeatLimitMs).toBe(2_000);
  });

  it("keeps its lease through heartbeats, also over a restart of the hub", async () => {
    const member = await world.member().start();
    await world.over(member.queue.submit([world.task()]), 200);
    const { row, fence } = await world.claimOne(member);
    await world.pass(120_000, 500);
    await world.stopHub();
    await world.startHub();
    await world.pass(120_000, 500);

    expect(member.queue.renew(row.id, fence)).toBe(true);
    expect(await world.stateOf(row.id)).toBe("running");
  });

  it("U2, Q3: a report that comes after its task was given to another is refused, and the other's counts", async () => {
    const [slow, quick] = [await world.member().start(), await world.member().start()];
    await world.over(slow.queue.submit([world.task()]), 200);
    const first = await world.claimOne(slow);
    slow.fault = "cut";
    await world.pass(70_000, 500);
    const second = await world.claimOne(quick);
    const late = await world.over(
      slow.queue.finish(first.row.id, first.fence, attemptReport({ outcome: "failed" })),
      3_000,
    );
    slow.fault = "none";
    await world.pass(20_000);
    const receipt = await world.over(quick.queue.finish(second.row.id, second.fence, attemptReport()), 200);

    expect(valueOf(late)).toEqual({ kind: "journaled" });
    expect(second.row.id).toBe(first.row.id);
    expect(valueOf(receipt)).toEqual({ kind: "applied", state: "done" });
    expect(valueOf(await world.store.find(first.row.id))?.attempts.map(({ outcome }) => outcome)).toEqual([
      "lost",
      "passed",
    ]);
  });

  it("is told to stop a task that somebody cancels elsewhere, at once", async () => {
    const member = await world.member().start();
    await world.over(member.queue.submit([world.task()]), 200);
    const { row } = await world.claimOne(member);

    await world.queue.cancel(row.id, "no longer wanted");
    await world.pass(200);

    expect(member.stopped).toEqual([row.id]);
  });

  it("hears of a cancel that came while its way was cut with its next heartbeat", async () => {
    const member = await world.member().start();
    await world.over(member.queue.submit([world.task()]), 200);
    const { row } = await world.claimOne(member);
    member.fault = "cut";
    await world.pass(1_000);
    await world.queue.cancel(row.id, "no longer wanted");
    await world.pass(30_000, 500);
    const before = [...member.stopped];
    member.fault = "none";
    await world.pass(10_000);

    expect(before).toEqual([]);
    expect(member.stopped).toContain(row.id);
  });

  it("says that the hub is away to whoever wants to change the queue, and changes nothing", async () => {
    const member = await world.member().start();
    const submitted = world.task();
    await world.over(member.queue.submit([submitted]), 200);
    member.fault = "cut";

    const cancelled = await world.over(member.queue.cancel(submitted.id, "why"));

    expect(cancelled).toMatchObject({ ok: false, error: { kind: "retryable" } });
    expect(await world.stateOf(submitted.id)).toBe("ready");
    expect(valueOf(member.outbox.count()).waiting).toBe(0);
  });

  it("O3: sends again what a former hub answered and the fleet's database does not show", async () => {
    const member = await world.member().start();
    const submitted = world.task();
    const id = world.ids.command();
    member.outbox.append({ id, kind: "submit", args: { tasks: [submitted] } });
    // As if a hub of epoch 1 had answered and was lost before anybody had its commit.
    member.outbox.answered(1, [{ id, result: null }]);
    world.epoch = 2;

    await world.pass(5_000);

    expect(await world.stateOf(submitted.id)).toBe("ready");
    expect(valueOf(member.outbox.count())).toEqual({ waiting: 0, unsettled: 0 });
  });

  it("O1, O3: sends again what its own replica showed and a promoted one that was behind does not", async () => {
    const member = await world.member().start();
    const behind = world.store.snapshot();
    const submitted = world.task();
    await world.over(member.queue.submit([submitted]), 200);
    await world.pass(5_000);
    const settled = valueOf(member.outbox.count());

    await world.promote(behind);
    const lost = await world.stateOf(submitted.id);
    await world.pass(10_000);

    expect(settled).toEqual({ waiting: 0, unsettled: 0 });
    expect([lost, await world.stateOf(submitted.id)]).toEqual([undefined, "ready"]);
  });

  it("O1: forgets what the fleet's database has shown for long", async () => {
    const member = await world.member().start();
    await world.over(member.queue.submit([world.task()]), 200);
    await world.pass(300_000, 1_000);
    await member.restart();
    await world.pass(620_000, 1_000);

    valueOf(member.outbox.unsettle());

    expect(valueOf(member.outbox.count())).toEqual({ waiting: 0, unsettled: 0 });
  });

  it("O1: a command that the hub could not write is kept and sent again", async () => {
    const member = await world.member().start();
    world.isDatabaseAway = true;
    const submitted = world.task();
    const receipts = await world.over(member.queue.submit([submitted]));
    world.isDatabaseAway = false;
    await world.pass(20_000);

    expect(valueOf(receipts)).toEqual([{ id: submitted.id, created: true }]);
    expect(await world.stateOf(submitted.id)).toBe("ready");
    expect(valueOf(member.outbox.count())).toEqual({ waiting: 0, unsettled: 0 });
  });

  it("O1: a submission that waits for the hub when its node stops was accepted", async () => {
    const member = await world.member().start();
    member.fault = "answers_lost";
    world.isDatabaseAway = true;
    const submitted = world.task();
    const call = member.queue.submit([submitted]);
    await member.queue.stop();

    expect(valueOf(await call)).toEqual([{ id: submitted.id, created: true }]);
    expect(valueOf(member.outbox.count()).waiting).toBe(1);
  });

  it("is told of new work without asking again and again", async () => {
    const member = await world.member().start();
    let told = 0;
    member.queue.onReady(() => {
      told += 1;
    });
    await world.pass(60_000, 500);
    const idle = { told, calls: member.calls };
    await world.queue.submit([world.task()]);
    await world.pass(100);

    expect(told).toBeGreaterThan(idle.told);
    // Heartbeats every 5 s, a long poll every 25 s.
    expect(idle.calls).toBeLessThan(25);
  });

  it("Q8: a task that a node submits again under another command, as after a promotion, is the one that is there", async () => {
    const member = await world.member().start();
    const [known, fresh] = [world.task(), world.task()];
    await world.over(member.queue.submit([known]), 200);

    const again = await world.over(member.queue.submit([known, fresh]), 200);

    expect(again).toEqual(
      ok([
        { id: known.id, created: false },
        { id: fresh.id, created: true },
      ]),
    );
  });

  it("a command that the hub cannot carry out does not hold up those behind it", async () => {
    const member = await world.member().start();
    const [twice, next] = [world.task(), world.task()];

    // The same task twice in one command: only a bug or a stranger sends that.
    const broken = await world.over(member.queue.submit([twice, twice]), 200);
    await world.over(member.queue.submit([next]), 200);
    await world.pass(5_000);

    expect(broken).toMatchObject({ ok: false, error: { code: "internal" } });
    expect(await world.stateOf(next.id)).toBe("ready");
    expect(valueOf(member.outbox.count()).waiting).toBe(0);
  });
});
