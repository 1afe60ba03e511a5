import { describe, expect, test } from "vitest";
import { createIdFactory, err, ok, refused, retryable, SimulatedClock, seededRandom } from "#base";
import { checkSchema } from "#execution";
import { type FleetCommand, performOn } from "#fleet";
import { GoalService, type GoalServiceParts, MemoryGoalStore, orderOf } from "#goals";
import { MemoryQueueStore, type Queue } from "#queue";
import { RemoteGoals } from "../../../../src/runtime/goals/remote-goals.ts";
import { failureIn, must } from "../../../support/opened-stores.ts";

/** A hub's goals and a member's, which reads the hub's own tables and reaches it through commands. */
function fleetOfTwo(level = 2) {
  const clock = new SimulatedClock();
  const ids = createIdFactory(clock, seededRandom(5));
  const [hub, member] = [ids.node(), ids.node()];
  const store = new MemoryGoalStore(new MemoryQueueStore());
  const nowhere = err(refused("not_found", "no repository is registered as nope"));
  const place: GoalServiceParts["place"] = ({ repository }) => (repository === null ? ok(undefined) : nowhere);
  const service = new GoalService({ store, clock, ids, node: hub, check: checkSchema, place });
  const sent: FleetCommand[] = [];
  const at = { isAway: false, isLost: false };
  const deliver = (command: FleetCommand) =>
    // `as`: no command of these tests is one of the queue's.
    performOn({} as Queue, command, { id: command.id, node: member }, service);
  const resend = async (command: FleetCommand) => {
    sent.push(command);
    if (at.isAway) return undefined;
    const answer = await deliver(command);
    if (at.isLost) return err(retryable("unavailable", "the answer was lost"));
    return answer.ok ? ok(JSON.parse(JSON.stringify(answer.value))) : answer;
  };
  const remote = new RemoteGoals({
    store,
    queue: { resend },
    nodes: { level: () => level },
    ids,
    clock,
  });
  return { store, remote, sent, at, deliver };
}

const ORDER = orderOf({ title: "one", successCriteria: ["it is nice"], idempotencyKey: "k" }, "cli");

describe("goals of a member", () => {
  test("are handed in at the hub under the id that the member made", async () => {
    const { store, remote } = fleetOfTwo();

    const receipt = must(await remote.submit(ORDER));
    const goal = must(await store.find(receipt.id));

    expect(receipt.existed).toBe(false);
    expect(goal?.order).toEqual(ORDER);
  });

  test("are accepted while the hub is away, and are there once, however often the command arrives", async () => {
    const { store, remote, sent, at, deliver } = fleetOfTwo();
    at.isAway = true;

    const receipt = must(await remote.submit(ORDER));
    const before = must(await store.find(receipt.id));
    const [command] = sent;
    if (command === undefined) throw new Error("nothing was sent");
    const first = await deliver(command);
    const second = await deliver(command);

    expect(before).toBeUndefined();
    expect(second).toEqual(first);
    expect(must(await store.list({}, 10)).items.map(({ id }) => id)).toEqual([receipt.id]);
  });

  test("with a key that is known are answered with the goal that it names, or refused", async () => {
    const { remote, sent } = fleetOfTwo();
    const first = must(await remote.submit(ORDER));

    const again = must(await remote.submit(ORDER));
    const other = failureIn(await remote.submit({ ...ORDER, title: "two" }));

    expect(again).toEqual({ id: first.id, existed: true });
    expect([other.code, sent.length]).toEqual(["conflict", 1]);
  });

  test("are cancelled by the hub, also later; what it refuses is refused", async () => {
    const { store, remote, at, sent, deliver } = fleetOfTwo();
    const { id } = must(await remote.submit(ORDER));
    at.isAway = true;

    const waiting = must(await remote.cancel(id, "enough"));
    at.isAway = false;
    const command = sent.at(-1);
    if (command !== undefined) await deliver(command);
    const late = failureIn(await remote.resume(id, null));

    expect(waiting).toBeUndefined();
    expect(must(await store.find(id))?.reason).toEqual({ code: "cancelled", text: "enough" });
    expect(late.code).toBe("conflict");
  });

  test("for a repository that nobody registered are refused by the hub, but not where they were taken before", async () => {
    const { store, remote, sent, deliver } = fleetOfTwo();
    const order = { ...ORDER, repository: "nope" };

    const failure = failureIn(await remote.submit(order));
    const kept = must(await store.list({}, 10)).items;
    const [command] = sent;
    if (command === undefined) throw new Error("nothing was sent");
    const id = createIdFactory(new SimulatedClock(), seededRandom(7));
    must(await store.submit({ id: id.goal(), order, node: id.node(), nowMs: 0 }));
    const repeated = await deliver(command);

    expect(failure.message).toContain("nope");
    expect(kept).toEqual([]);
    expect(repeated).toMatchObject({ ok: true, value: { existed: true } });
  });

  test("wait for nodes of an earlier release", async () => {
    const { remote, sent } = fleetOfTwo(1);

    const failure = failureIn(await remote.submit(ORDER));

    expect([failure.code, sent.length]).toEqual(["unsupported", 0]);
    expect(failure.message).toContain("feature level 2");
  });

  test("that are not valid are refused by the hub, with the place of the fault", async () => {
    const { deliver } = fleetOfTwo();
    const ids = createIdFactory(new SimulatedClock(), seededRandom(9));
    const order = { kind: "submit", id: ids.goal(), goal: { title: "", colour: "red" } };

    const answer = failureIn(await deliver({ id: ids.command(), kind: "goal", args: { order } }));

    expect(answer.code).toBe("invalid");
    expect(answer.message).toContain("goal.title");
  });
});
