import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Result } from "#base";
import { FleetWorld, type Member } from "../../support/fleet-world.ts";
import { failureIn } from "../../support/opened-stores.ts";
import { attemptReport } from "../../support/queue-world.ts";
import { valueOf } from "../api/api-harness.ts";

let world: FleetWorld;
beforeEach(async () => {
  world = new FleetWorld();
  world.replicas = 1;
  await world.startHub();
});
afterEach(async () => {
  await world.stopHub();
});

/** Answered within so many milliseconds, or undefined. */
async function within<T>(call: Promise<Result<T>>, ms: number): Promise<Result<T> | undefined> {
  let answer: Result<T> | undefined;
  void call.then((said) => {
    answer = said;
  });
  await world.pass(ms, 5);
  return answer;
}

async function stuck(member: Member): Promise<Member> {
  await member.start();
  member.replicaAt = world.position();
  return member;
}

describe("a hub whose changes are replicated", () => {
  it("R2: refuses changes while no other node follows it, and changes nothing", async () => {
    const answer = await within(world.commands.submit([world.task()]), 10);

    expect(answer).toMatchObject({ ok: false, error: { kind: "retryable", code: "too_few_replicas" } });
    expect(valueOf(await world.store.list({}, 10)).items).toEqual([]);
  });

  it("R1: answers some milliseconds after a node has the commit", async () => {
    await world.member().start();

    const answer = await within(world.commands.submit([world.task()]), 20);

    expect(answer?.ok).toBe(true);
    expect(world.watch?.figures()).toEqual({ replicas: 1, live: 1, seq: world.seq });
  });

  it("R1: says that a change holds on the hub alone, and confirms it when it is repeated later", async () => {
    const member = await stuck(world.member());
    const given = world.task();
    const call = within(world.commands.submit([{ ...given, idempotencyKey: "once" }]), 2_900);

    expect(await call).toBeUndefined();
    const late = await within(world.commands.submit([world.task({ idempotencyKey: "once" })]), 3_100);
    member.replicaAt = undefined;
    await world.pass(2_000);
    const again = await within(world.commands.submit([world.task({ idempotencyKey: "once" })]), 20);

    expect(late).toMatchObject({ ok: false, error: { kind: "retryable", code: "not_replicated" } });
    expect(valueOf(again as Result<unknown>)).toEqual([{ id: given.id, created: false }]);
    expect(valueOf(await world.store.list({}, 10)).items).toHaveLength(1);
  });

  it("refuses again once the node that followed it is silent", async () => {
    const member = await world.member().start();
    member.fault = "cut";
    await world.pass(60_000);

    const answer = await within(world.commands.submit([world.task()]), 10);

    expect(failureIn(answer as Result<unknown>).code).toBe("too_few_replicas");
  });

  it("waits for two different nodes when two are asked for", async () => {
    await world.stopHub();
    world.replicas = 2;
    await world.startHub();
    const [, second] = [await world.member().start(), await stuck(world.member())];
    const waiting = world.commands.submit([world.task()]);

    const byOne = await within(waiting, 1_000);
    second.replicaAt = undefined;
    const byBoth = await within(waiting, 2_000);

    expect([byOne, byBoth?.ok]).toEqual([undefined, true]);
  });

  it("keeps a report of a node unanswered until it is replicated, and the node brings it again", async () => {
    const member = await world.member().start();
    valueOf((await within(world.commands.submit([world.task()]), 20)) as Result<unknown>);
    const claim = { holder: member.node, limit: 1, accepts: () => true };
    const claimed = valueOf(
      (await within(member.queue.claim(claim), 200)) as Awaited<ReturnType<typeof member.queue.claim>>,
    );
    const [held] = claimed.tasks;
    if (held === undefined) throw new Error("nothing was claimed");
    member.replicaAt = world.position();

    const receipt = await within(
      member.queue.finish(held.row.id, held.fence, attemptReport({ outcome: "passed" })),
      10_000,
    );
    const waiting = valueOf(member.outbox.count()).waiting;
    member.replicaAt = undefined;
    await world.pass(20_000);

    expect(receipt).toMatchObject({ ok: true, value: { kind: "journaled" } });
    expect([waiting, valueOf(member.outbox.count()).waiting]).toEqual([1, 0]);
    expect(valueOf(await world.store.find(held.row.id))?.row.state).toBe("done");
  });
});
